"""What an operator asks of flat mode at a running controller: allow it with a member, deny it, see how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from federation.model.cidr import parse_cidr
from federation.model.errors import InputError, Refused
from federation.model.flat import EGRESS_RANGES_MAX, meeting, within
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.reconcile.flat import Pair
from federation.reconcile.loop import Loop


class Flattener:
    """The running controller's answers. Whatever is refused changes nothing."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def shown(self) -> dict[str, Any]:
        """Every other member, by name."""
        return pairs_of(self._loop)

    async def allow(self, member: str) -> dict[str, Any]:
        """Our side allows it. InputError (E104), Unavailable."""
        name = self._other(member)
        self._loop.flat.allow(name)
        return await self._told(name)

    async def deny(self, member: str) -> dict[str, Any]:
        """It does not. Refused (E102) where it did not before, Unavailable."""
        name = MemberName(member)
        if name not in self._loop.flat.allowed:
            self._other(member)
            raise Refused(f'member "{member}": flat mode is not allowed with it: nothing to deny', "E102")
        self._loop.flat.deny(name)
        return await self._told(name)

    async def egress(self, namespace: str, ranges: tuple[str, ...]) -> dict[str, Any]:
        """Packets of this namespace come from these ranges; none: from its pods' own addresses. InputError, Refused
        (E102) where there were none, Unavailable.
        """
        loop, given = self._loop, self._loop.egress
        if not ranges and namespace not in given.ranges:
            raise Refused(f'egress "{namespace}": has no ranges: nothing to take away', "E102")
        found = tuple(str(parse_cidr(text, f"egress {namespace}: range")) for text in ranges)
        check_egress(namespace, found, self._taken(namespace), loop.parts.ledger.ledger.members[loop.parts.own.name])
        given.give(namespace, found)
        given.follow(loop.programs.enrolments)
        await loop.parts.store.flush()
        loop.wake(None)
        return {"namespace": namespace, "ranges": list(found), "nodes": given.taken(namespace)}

    def _taken(self, namespace: str) -> dict[str, str]:
        """What has the addresses of our reachable ranges, by range."""
        loop = self._loop
        own = loop.parts.ledger.ledger.members[loop.parts.own.name]
        pods = {
            text: f"pods of node {one.node}"
            for one in loop.inner.nodes()
            for text in set(one.pods) - set(loop.egress.behind(one.node, own))
        }
        others = loop.egress.ranges.items()
        return pods | {text: f"namespace {name}" for name, ranges in others if name != namespace for text in ranges}

    async def _told(self, name: MemberName) -> dict[str, Any]:
        await self._loop.parts.store.flush()
        self._loop.wake(None)
        return next((one for one in self.shown()["pairs"] if one["member"] == name), {"member": name})

    def _other(self, member: str) -> MemberName:
        known = sorted(self._loop.parts.peers.states())
        if member in known:
            return MemberName(member)
        if member == self._loop.parts.own.name:
            raise InputError(f'member "{member}": is this one; name another', "E104")
        raise InputError(f'member "{member}": is no other member; known: {", ".join(known) or "none"}', "E104")


def check_egress(namespace: str, ranges: tuple[str, ...], taken: Mapping[str, str], own: Member) -> None:
    """InputError: E118 too many ranges, E103 not ours, E101 another has it."""
    if len(ranges) > EGRESS_RANGES_MAX:
        raise InputError(f"egress {namespace}: {len(ranges)} ranges > {EGRESS_RANGES_MAX}; give fewer", "E118")
    held = dict(taken)
    for text in ranges:
        if not within(text, own.reachable):
            listed = ", ".join(own.reachable) or "none"
            what = f"{text} lies in none of this member's reachable ranges in the ledger [{listed}]"
            raise InputError(f"egress {namespace}: {what}", "E103")
        met = meeting(text, held)
        if met is not None:
            raise InputError(f"egress {namespace}: {text} overlaps {met}, {held[met]}; give another", "E101")
        held[text] = "given twice"


def pairs_of(loop: Loop) -> dict[str, Any]:
    """How flat mode stands with every other member, and which of our images do not hold."""
    members = loop.parts.ledger.ledger.members
    own = members.get(loop.parts.own.name)
    if own is None:
        return {"pairs": [], "egress": [], "problems": []}
    found = [
        loop.flat.pair(own, members[name], loop.index.about(name))
        for name in sorted(loop.parts.peers.states())
        if name in members
    ]
    egress = [
        {"namespace": name, "ranges": list(ranges), "nodes": loop.egress.taken(name)}
        for name, ranges in sorted(loop.egress.ranges.items())
    ]
    problems = [*loop.flat.problems(own), *loop.egress.problems(own)]
    return {"pairs": list(map(_row, found)), "egress": egress, "problems": problems}


def _row(pair: Pair) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(pair)
    return made | {"in_force": not pair.why}
