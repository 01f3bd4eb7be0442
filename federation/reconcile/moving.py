"""What an operator asks of a running controller: drain, undrain, shift, freeze; and what is under way."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from federation.law.least import refusal
from federation.model.errors import InputError, Refused
from federation.model.moves import Manner, Order, Shift, moved
from federation.model.names import MemberName, ServiceKey
from federation.ports import DrainKeeper
from federation.reconcile import foresee
from federation.reconcile.loop import Loop
from federation.reconcile.moves import Asked, hastened

RULES = "refused (--force needs --reason)"


class Mover:
    """The running controller's answers. Whatever is refused changes nothing."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def drain(self, member: str, manner: Manner) -> dict[str, Any]:
        """Drain this member, or hasten its drain. InputError (E104), Refused (E102, E127), Unavailable."""
        name, now = self._member(member), self._now()
        order = self._order(name, manner, now)
        seen = foresee.sight(self._loop)
        served = list(foresee.subjects(self._loop, name, seen))
        warnings = self._drain_warnings(name, served, seen)
        if not manner.dry:
            self._gate(warnings, manner)
            await self._begin(name, order, now)
        found = await foresee.changes(seen, served, self._places(name, manner), foresee.draining(name))
        return self._answer(manner, warnings, found) | {"member": name, "since": order.since, "seconds": order.seconds}

    async def undrain(self, member: str) -> dict[str, Any]:
        """End what drains this member here, also at our agents. InputError (E104), Refused (E102), Unavailable."""
        name, moves = self._member(member), self._loop.moves
        objects = [key for key, one in moves.objects.items() if (one.member or self._own) == name]
        agents = [node for node, found in self._agent_drains() if name in found]
        if not (name in moves.orders or objects or agents):
            raise Refused(f'member "{name}" is not drained here: nothing to undrain{self._elsewhere(name)}', "E102")
        cluster = self._loop.parts.cluster
        if objects and not isinstance(cluster, DrainKeeper):
            kept = ", ".join(f'"{key}"' for key in sorted(objects))
            raise Refused(f'member "{name}" is drained by the manifest of Drain {kept}: remove it there', "E102")
        if isinstance(cluster, DrainKeeper):
            for key in objects:
                await cluster.end_drain(key)
        moves.undrain(name, self._now())
        await self._loop.parts.store.flush()
        self._loop.wake(None)
        return {"member": name, "ended": {"command": True, "objects": sorted(objects), "agents": sorted(agents)}}

    async def shift(self, service: ServiceKey, source: str, to: str, ppm: int, manner: Manner) -> dict[str, Any]:
        """Send a part of one member's requests to another. InputError (E104), Refused (E102, E127), Unavailable."""
        ends = MemberName(source), MemberName(to)
        shift = Shift(service=service, source=ends[0], to=ends[1], ppm=ppm, since=self._now(), seconds=manner.seconds)
        self._check_shift(shift)
        item = foresee.imported(self._loop, shift.service)
        seen = foresee.sight(self._loop)
        subject = [] if item is None else [foresee.of_service(item, seen)]
        warnings = self._shift_warnings(shift)
        if not manner.dry:
            self._gate(warnings, manner)
            self._loop.moves.shift(Asked(shift, manner.reason))
            await self._loop.parts.store.flush()
            self._loop.wake(shift.service)
        places = self._places(shift.source, manner)
        found = await foresee.changes(seen, subject, places, foresee.shifting(shift))
        return self._answer(manner, warnings, found) | {"seconds": shift.seconds}

    async def unshift(self, service: ServiceKey) -> dict[str, Any]:
        """End our shifts of this service. Refused (E102) when there are none, Unavailable."""
        gone = self._loop.moves.unshift(service)
        if not gone:
            raise Refused(f'service "{service}" is not shifted here: nothing to end', "E102")
        await self._loop.parts.store.flush()
        self._loop.wake(service)
        return {"service": str(service), "ended": sorted(f"{one.source} to {one.to}" for one in gone)}

    async def freeze(self, why: str) -> dict[str, Any]:
        """Take no moves from now on ("": take them). Unavailable."""
        self._loop.moves.freeze(why)
        await self._loop.parts.store.flush()
        self._loop.wake(None)
        return {"frozen": why}

    @property
    def _own(self) -> MemberName:
        return self._loop.parts.own.name

    def _now(self) -> int:
        return int(self._loop.parts.clock.wall() * 1_000)

    def _member(self, member: str) -> MemberName:
        known = [one.name for one in self._loop.parts.ledger.ledger.seen_from(self._own)]
        if member in known:
            return MemberName(member)
        raise InputError(f'member "{member}": is not in the ledger; known: {_known(member, known)}', "E104")

    def _order(self, name: MemberName, manner: Manner, now: int) -> Order:
        """The drain as it shall be. Refused (E102) when it would go back to an earlier step."""
        before = self._loop.moves.of(name)
        if not before:
            return Order(now, manner.seconds, manner.reason)
        held = min(before, key=lambda one: (one.since + one.seconds * 1_000, one.since))
        if manner.seconds >= held.seconds:
            step = moved(held.since, held.seconds, now)
            raise Refused(
                f'member "{name}" is drained already, over {held.seconds} s, step {step} of 10: '
                "give a shorter --over to hasten it, or undrain it first",
                "E102",
            )
        return hastened(held, manner.seconds, manner.reason)

    async def _begin(self, name: MemberName, order: Order, now: int) -> None:
        cluster, moves = self._loop.parts.cluster, self._loop.moves
        objects = [key for key, one in moves.objects.items() if (one.member or self._own) == name]
        if isinstance(cluster, DrainKeeper):
            await cluster.make_drain(objects[0] if objects else name, name, order)
        else:
            moves.drain(name, order, now)
            await self._loop.parts.store.flush()
        self._loop.wake(None)

    def _check_shift(self, shift: Shift) -> None:
        self._member(shift.source)
        self._member(shift.to)
        if shift.source == shift.to:
            raise InputError(f'--to "{shift.to}": is the member of --from; name another', "E104")
        item = foresee.imported(self._loop, shift.service)
        if item is None:
            known = _known(str(shift.service), sorted(map(str, self._loop.desired.plans)))
            raise InputError(f'service "{shift.service}" is not imported here; known: {known}', "E104")
        exporters = [candidate.member for candidate in item.candidates]
        for option, member in (("--from", shift.source), ("--to", shift.to)):
            if member not in exporters:
                said = f'{option} "{member}": does not export {shift.service}; members that do: {", ".join(exporters)}'
                raise InputError(said, "E104")
        others = self._loop.moves.shifts.values()
        sent = sum(a.shift.ppm for a in others if _same_source(a.shift, shift) and a.shift.to != shift.to)
        if sent + shift.ppm > 1_000_000:
            left = (1_000_000 - sent) / 10_000
            raise Refused(
                f"shift of {shift.service} from {shift.source}: {sent / 10_000:g} % go elsewhere already, at most "
                f"{left:g} % are left: end those with --off first",
                "E102",
            )

    def _shift_warnings(self, shift: Shift) -> list[str]:
        item = foresee.imported(self._loop, shift.service)
        to = None if item is None else next((c for c in item.candidates if c.member == shift.to), None)
        if to is None or (to.ready and to.leaving is None):
            return []
        why = "is drained" if to.leaving is not None else f"has 0 of {to.total} endpoints ready"
        return [f'safety rule "min-one-on": {shift.to} {why} for {shift.service}; {RULES}']

    def _drain_warnings(self, name: MemberName, served: Iterable[foresee.Subject], seen: foresee.Sight) -> list[str]:
        alone = refusal(name, foresee.left_alone(seen, served, name))
        items = filter(None, (foresee.imported(self._loop, key) for key in sorted(self._loop.desired.plans)))
        tight = foresee.too_tight(items, name)
        rows = [f"{one.demand} rps of {one.what} for which others have room for {one.room}" for one in tight[:3]]
        more = f" and {len(tight) - 3} more" if len(tight) > 3 else ""
        said = f'safety rule "room": draining {name} leaves {", ".join(rows)}{more}; {RULES}' if rows else ""
        return [one for one in (alone, said) if one]

    def _gate(self, warnings: list[str], manner: Manner) -> None:
        """Refused (E127) while moves are frozen, and by a safety rule unless it is forced with a reason."""
        if self._loop.moves.frozen:
            why = self._loop.moves.frozen
            raise Refused(f'moves are frozen: "{why}"; end that with `isthmus freeze off`', "E127")
        if manner.force and not manner.reason:
            raise InputError("--force needs --reason: say why the safety rules shall not hold")
        if warnings and not manner.force:
            raise Refused(warnings[0], "E127")

    def _places(self, member: str, manner: Manner) -> list[str]:
        """Whose clients obey: everybody's for our own member, ours for another but by the ledger."""
        everyone = [one.name for one in self._loop.parts.ledger.ledger.seen_from(self._own)]
        return list(map(str, everyone)) if manner.everyone or member == self._own else [self._own]

    def _answer(self, manner: Manner, warnings: list[str], found: foresee.Foreseen) -> dict[str, Any]:
        frozen = [f'moves are frozen: "{self._loop.moves.frozen}"'] if self._loop.moves.frozen and manner.dry else []
        told = {"changes": found.rows, "unseen": found.unseen}
        return {"dry_run": manner.dry, "warnings": [*frozen, *warnings]} | told

    def _agent_drains(self) -> list[tuple[str, dict[str, Order]]]:
        states = sorted(self._loop.parts.agents.states().items())
        return [(name, state.node.drains) for name, state in states if state.node is not None and state.node.drains]

    def _elsewhere(self, name: MemberName) -> str:
        state = self._loop.parts.peers.states().get(name)
        about = None if state is None else state.view.get("about")
        return f"; it is by its own word: run `isthmus undrain {name}` there" if getattr(about, "leaving", None) else ""


def _same_source(one: Shift, other: Shift) -> bool:
    return (one.service, one.source) == (other.service, other.source)


def _known(text: str, known: list[Any]) -> str:
    near = get_close_matches(text, known, 1)
    hint = f' (did you mean "{near[0]}"?)' if near else ""
    shown = ", ".join(sorted(known)[:20]) or "none"
    return f"{shown}{hint}"
