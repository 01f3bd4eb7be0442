"""What an operator asks of flat mode at a running controller: allow it with a member, deny it, see how it stands."""

from __future__ import annotations

from typing import Any

import msgspec

from federation.model.errors import InputError, Refused
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


def pairs_of(loop: Loop) -> dict[str, Any]:
    """How flat mode stands with every other member, and which of our images do not hold."""
    members = loop.parts.ledger.ledger.members
    own = members.get(loop.parts.own.name)
    if own is None:
        return {"pairs": [], "problems": []}
    found = [
        loop.flat.pair(own, members[name], loop.index.about(name))
        for name in sorted(loop.parts.peers.states())
        if name in members
    ]
    return {"pairs": list(map(_row, found)), "problems": loop.flat.problems(own)}


def _row(pair: Pair) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(pair)
    return made | {"in_force": not pair.why}
