"""What an operator says of targets in spite of probes, by globs of names and members; kept in the server's folder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from federation.files import write_private
from federation.model.errors import InputError, Refused
from federation.model.handout import Steered
from federation.model.moves import REASON_MAX
from federation.model.policy import Range
from federation.model.standing import Standing
from gslb.steer import FAMILY, Evidence

FILE = "overrides.json"
MOST = 100
GLOB = Range(1, 253)
LASTS = Range(0, 30 * 86_400)
"""Seconds; 0 is until it is cleared."""


class Override(Struct, frozen=True, forbid_unknown_fields=True):
    """Targets of these members for these names are `down`, or `up` whatever our probes and other members find: since
    this Unix millisecond, until that one (0: until it is cleared). Of several that are about one the last counts. What
    a member says of itself stays: nobody votes it up.
    """

    name: str
    member: str
    state: Literal["up", "down"]
    since: int = 0
    until: int = 0
    reason: str = ""


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """What the socket is told: `clear` ends those of these very globs, `show` changes nothing."""

    override: Literal["up", "down", "clear", "show"]
    name: str = ""
    member: str = ""
    seconds: int = 0
    reason: str = ""


def applied(held: Evidence, steered: Mapping[str, Steered], overrides: Iterable[Override]) -> Evidence:
    """The evidence with what these say of it; the same object without any."""
    rules = list(overrides)
    if not rules:
        return held
    found = {key: dict(ways) for key, ways in held.items()}
    for host, item in steered.items():
        about = [rule for rule in rules if fnmatchcase(host, rule.name)]
        for target in item.targets if about else ():
            member = target.candidate.member
            last = next((rule for rule in reversed(about) if fnmatchcase(member, rule.member)), None)
            for kind in FAMILY if last is not None else ():
                found.setdefault((host, kind), {})[member] = _way(last)
    return found


def _way(rule: Override | None) -> Standing:
    return Standing(up=False, since=rule.since) if rule is not None and rule.state == "down" else Standing()


class Overrides:
    """Those in force, until they end. `problems` says what was wrong with the file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self.problems: tuple[str, ...] = ()
        self._kept = self._read()

    def now(self, at: int) -> tuple[Override, ...]:
        """Those in force at this Unix millisecond; the very same tuple while they are the same."""
        if any(one.until and at >= one.until for one in self._kept):
            self._kept = tuple(one for one in self._kept if not one.until or at < one.until)
        return self._kept

    def answer(self, change: Change) -> dict[str, Any]:
        """Do it. InputError, Refused."""
        now = time.time_ns() // 1_000_000
        kept = self.now(now)
        if change.override != "show":
            _check(change)
            others = tuple(one for one in kept if (one.name, one.member) != (change.name, change.member))
            if change.override == "clear":
                if len(others) == len(kept):
                    raise Refused(f'no override of "{change.name}" and "{change.member}": nothing to clear', "E102")
                self._keep(others)
            else:
                self._add(others, change, now)
        return {"overrides": [msgspec.to_builtins(one) for one in self._kept]}

    def _add(self, others: tuple[Override, ...], change: Change, now: int) -> None:
        if len(others) >= MOST:
            raise Refused(f"{MOST} overrides are in force, which is the most: clear one first", "E102")
        until = now + change.seconds * 1_000 if change.seconds else 0
        state: Literal["up", "down"] = "up" if change.override == "up" else "down"
        self._keep((*others, Override(change.name, change.member, state, now, until, change.reason)))

    def _keep(self, kept: tuple[Override, ...]) -> None:
        write_private(self._path, msgspec.json.encode(kept))
        self._kept, self.problems = kept, ()

    def _read(self) -> tuple[Override, ...]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=tuple[Override, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError) as error:
            self.problems = (f"E120 {self._path}: cannot be read ({error}): what was overridden here is not known",)
            return ()


def _check(change: Change) -> None:
    for what, glob in (("name", change.name), ("member", change.member)):
        if not GLOB.low <= len(glob) <= GLOB.high:
            raise InputError(f"{what}: {len(glob)} characters, write {GLOB.low} to {GLOB.high}", "E122")
    if not LASTS.low <= change.seconds <= LASTS.high:
        raise InputError(f"--for: {change.seconds} s is not {LASTS.low} to {LASTS.high}", "E122")
    if len(change.reason) > REASON_MAX:
        raise InputError(f"--reason: longer than {REASON_MAX} characters; write it shorter", "E122")
