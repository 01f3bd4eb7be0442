"""Drains that this program was told itself: kept in its folder, put over the handout, ended by a later decision."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, structs

from federation.files import write_private
from federation.law.least import Paths, lone, refusal
from federation.law.places import policy_of
from federation.law.recovery import follow
from federation.model.errors import InputError, Refused
from federation.model.handout import Candidate, Import, Peer, Place, Site, Steered
from federation.model.moves import REASON_MAX, SECONDS_MAX, Manner, Order, Orders, moved, soonest
from federation.model.policy import Policy

FILE = "moves.json"
RETURN_MAX = 86_400_000
"""Milliseconds for which the end of a drain is remembered: a return is over by then."""
V = TypeVar("V", bound=Struct)


class Command(Struct, frozen=True, forbid_unknown_fields=True):
    """What the socket is told. `why` freezes ("": ends that)."""

    do: Literal["drain", "undrain", "freeze", "moves"]
    member: str = ""
    why: str = ""
    manner: Manner = Manner()


class Told(Struct, frozen=True):
    """A drain, and the controller's last decision about the member as it was known then (Unix ms; 0: none)."""

    order: Order
    decided: int = 0


class Ended(Struct, frozen=True):
    """A drain that ended at this Unix millisecond: the member comes back from where it was then."""

    order: Order
    at: int


class Kept(Struct, frozen=True):
    """What is on disk."""

    drains: dict[str, Told] = {}
    frozen: str = ""
    ended: dict[str, Ended] = {}


class LocalMoves:
    """What was told to this program, until it ends. `changed` is set when it moves a share, `problems` says what was
    wrong with the file.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self.changed = asyncio.Event()
        self.problems: tuple[str, ...] = ()
        self._kept = self._read()
        self._said = Orders()

    @property
    def drains(self) -> dict[str, Order]:
        """By member."""
        return {member: told.order for member, told in self._kept.drains.items()}

    @property
    def frozen(self) -> str:
        """Why no more are taken; "" when they are."""
        return self._kept.frozen

    def obey(self, said: Struct | None) -> set[str]:
        """What the handout says of moves; the members whose drain is over by it."""
        self._said = said if isinstance(said, Orders) else Orders()
        decided = self._said.decided
        over = {member for member, told in self._kept.drains.items() if decided.get(member, 0) > told.decided}
        if over:
            self._end(over)
        return over

    def over(self, value: V) -> V:
        """The value of a handout with what this program was told; the same object where that changes nothing."""
        if not (self._kept.drains or self._kept.ended):
            return value
        if isinstance(value, Import):
            candidates = tuple(self._candidate(one, value.policy) for one in value.candidates)
            return value if candidates == value.candidates else structs.replace(value, candidates=candidates)
        if isinstance(value, Steered):
            policy = policy_of(value.name)
            targets = tuple(
                structs.replace(one, candidate=self._candidate(one.candidate, policy)) for one in value.targets
            )
            return value if targets == value.targets else structs.replace(value, targets=targets)
        return value

    def over_all(self, values: Mapping[str, Struct]) -> Mapping[str, Struct]:
        """All values of a handout so."""
        told = self._kept.drains or self._kept.ended
        return {key: self.over(value) for key, value in values.items()} if told else values

    def answer(self, command: Command, values: Mapping[str, Struct], paths: Paths) -> dict[str, Any]:
        """Do it, by the handout and the ways that are known here. InputError, Refused."""
        now = time.time_ns() // 1_000_000
        match command.do:
            case "drain":
                self._drain(command, values, paths, now)
            case "undrain":
                self._undrain(command.member)
            case "freeze":
                _check_reason(command.why)
                self._keep(structs.replace(self._kept, frozen=command.why))
            case "moves":
                pass
        return {
            "frozen": self._kept.frozen or self._said.frozen,
            "drains": [_row(member, order, now) for member, order in sorted(self.drains.items())],
        }

    def _candidate(self, one: Candidate, policy: Policy) -> Candidate:
        told, ended = self._kept.drains.get(one.member), self._kept.ended.get(one.member)
        if told is None:
            if ended is None or one.leaving is not None or one.since > ended.at:
                return one
            return follow(structs.replace(one, leaving=ended.order.leaving), one, policy, ended.at)
        return structs.replace(one, leaving=soonest(filter(None, (told.order.leaving, one.leaving))))

    def _drain(self, command: Command, values: Mapping[str, Struct], paths: Paths, now: int) -> None:
        member, manner = command.member, command.manner
        _check_reason(manner.reason)
        if not 0 <= manner.seconds <= SECONDS_MAX:
            raise InputError(f"--over: {manner.seconds} s is not 0 to {SECONDS_MAX}")
        known = members_of(values.values())
        if member not in known:
            raise InputError(f'member "{member}": is not in the handout; known: {", ".join(known) or "none"}', "E104")
        if manner.force and not manner.reason:
            raise InputError("--force needs --reason: say why the safety rules shall not hold")
        why = self._kept.frozen or self._said.frozen
        if why and not manner.force:
            raise Refused(f'moves are frozen: "{why}"; refused (--force needs --reason)', "E127")
        broken = refusal(member, _lone(values.values(), member, paths))
        if broken and not manner.force:
            raise Refused(broken, "E127")
        before = self._kept.drains.get(member)
        if before is not None and manner.seconds >= before.order.seconds:
            text = f'member "{member}" is drained here already, over {before.order.seconds} s'
            raise Refused(f"{text}: give a shorter --over to hasten it, or undrain it first", "E102")
        order = Order(now if before is None else before.order.since, manner.seconds, manner.reason)
        told = Told(order, self._said.decided.get(member, 0))
        self._keep(structs.replace(self._kept, drains=self._kept.drains | {member: told}))

    def _undrain(self, member: str) -> None:
        if member not in self._kept.drains:
            raise Refused(f'member "{member}" is not drained here: nothing to undrain', "E102")
        self._end({member})

    def _end(self, members: set[str]) -> None:
        now = time.time_ns() // 1_000_000
        left = {name: told for name, told in self._kept.drains.items() if name not in members}
        over = {name: Ended(self._kept.drains[name].order, now) for name in members}
        recent = {name: one for name, one in self._kept.ended.items() if now - one.at < RETURN_MAX}
        self._keep(structs.replace(self._kept, drains=left, ended=recent | over))

    def _keep(self, kept: Kept) -> None:
        write_private(self._path, msgspec.json.encode(kept))
        self._kept = kept
        self.problems = ()
        self.changed.set()

    def _read(self) -> Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return Kept()
        except (OSError, msgspec.MsgspecError) as error:
            self.problems = (f"E120 {self._path}: cannot be read ({error}): what was drained here is not known",)
            return Kept()


def members_of(values: Iterable[Struct]) -> list[str]:
    """The members that a handout names, by name."""
    found = set()
    for value in values:
        if isinstance(value, Site | Peer | Place):
            found.add(str(value.member))
        elif isinstance(value, Import):
            found.update(str(one.member) for one in value.candidates)
    return sorted(found)


def naming(values: Mapping[str, Struct], members: Iterable[str]) -> set[str]:
    """The keys of the imports and public names that have one of these as a candidate."""
    wanted, found = set(members), set()
    for key, value in values.items():
        if isinstance(value, Import):
            named = {str(one.member) for one in value.candidates}
        elif isinstance(value, Steered):
            named = {str(one.candidate.member) for one in value.targets}
        else:
            continue
        if named & wanted:
            found.add(key)
    return found


def _lone(values: Iterable[Struct], member: str, paths: Paths) -> Iterable[Any]:
    for value in values:
        found = None
        if isinstance(value, Import):
            found = lone(str(value.service), value.candidates, member, value.policy, paths)
        elif isinstance(value, Steered):
            candidates = [target.candidate for target in value.targets]
            found = lone(value.name.host, candidates, member, value.name.policy, paths)
        if found is not None:
            yield found


def _row(member: str, order: Order, now: int) -> dict[str, Any]:
    step = moved(order.since, order.seconds, now)
    return {"member": member, "since": order.since, "seconds": order.seconds, "step": step, "reason": order.reason}


def _check_reason(text: str) -> None:
    if len(text) > REASON_MAX:
        raise InputError(f"--reason: longer than {REASON_MAX} characters; write it shorter")
