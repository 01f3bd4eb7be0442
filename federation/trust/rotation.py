"""The rotation of a member's anchor as a state machine. Pure: the facts in, the next step out.

prepare -> seen -> active -> taint -> revoke. Each step is taken on what was acknowledged and on nothing else, so that
no leaf is ever shown to one who does not trust its anchor:

- prepare: the ledger shall carry both anchors, and every member with all of its programs shall trust both;
- seen: they do; from here on the signer may sign with the new key, and there is no way back;
- active: the signer signs with the new key, the controller's own leaf shall be of it;
- taint: every program shall renew what the old anchor signed;
- revoke: the ledger shall drop the old anchor; then the signer forgets its key.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, structs

from federation.model.ledger import holds

Phase = Literal["prepare", "seen", "active", "taint", "revoke"]
ABORTABLE: tuple[Phase, ...] = ("prepare", "seen")


class Rotation(Struct, frozen=True, kw_only=True):
    """A rotation under way, from `old` to `new` (anchors, PEM).

    `entry` is a ledger mark by which both were in the ledger (0: not yet); `excluded` are those not waited for.
    """

    phase: Phase
    old: str
    new: str
    entry: int = 0
    excluded: tuple[str, ...] = ()


class Program(Struct, frozen=True):
    """What one of our own programs reported: the ledger mark in force there, the key ids that signed its leaves."""

    ledger: int = 0
    issuers: frozenset[str] = frozenset()


class Facts(Struct, frozen=True, kw_only=True):
    """What is known now. `anchor` and `next_anchor` are those of our ledger entry, `mark` is the ledger's.

    `members` has the mark that each other active member acknowledged (0: none), `programs` our enrolled programs.
    `signs` is the key id of the anchor that the signer signs with, `shown` that of the controller's own leaf, `wanted`
    that of the new anchor.
    """

    anchor: str
    next_anchor: str
    mark: int
    members: Mapping[str, int]
    programs: Mapping[str, Program]
    signs: str
    shown: str
    wanted: str


class Waits(Struct, frozen=True):
    """Not yet: for whom, and why."""

    names: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"waits for {', '.join(self.names)}: {self.why}"


class Done(Struct, frozen=True):
    """The old anchor is in no ledger any more: its key can go."""


Step = Rotation | Waits | Done


def step(now: Rotation, facts: Facts) -> Step:
    """What comes next: the rotation moved on by one step, or why it waits, or that it is done."""
    match now.phase:
        case "prepare":
            return _prepare(now, facts)
        case "seen":
            return structs.replace(now, phase="active" if _has_both(now, facts) else "prepare")
        case "active":
            return _activate(now, facts)
        case "taint":
            return _taint(now, facts)
        case "revoke":
            return _revoke(now, facts)


def wish(now: Rotation) -> tuple[str, str]:
    """The (anchor, next anchor) that the ledger shall have."""
    return (now.new, "") if now.phase == "revoke" else (now.old, now.new)


def member_name(name: str) -> str:
    """How another member is called in `excluded` and in what a person reads."""
    return f"member/{name}"


def program_name(name: str) -> str:
    """How one of our own programs is called there."""
    return f"node/{name}"


def _has_both(now: Rotation, facts: Facts) -> bool:
    return (facts.anchor, facts.next_anchor) == (now.old, now.new)


def _prepare(now: Rotation, facts: Facts) -> Step:
    if not _has_both(now, facts):
        if now.entry:
            return structs.replace(now, entry=0)
        return Waits(
            ("the registrar",),
            "the ledger has not the new anchor yet; where the federation key is kept offline, "
            "run `isthmus member anchor --prepare` there",
        )
    if not now.entry:
        return structs.replace(now, entry=facts.mark)
    late = [member_name(name) for name, at in facts.members.items() if not holds(at, now.entry, facts.mark)]
    late += [program_name(name) for name, one in facts.programs.items() if not holds(one.ledger, now.entry, facts.mark)]
    return _unless(
        now, late, f"has not confirmed ledger entry {now.entry & 0xFFFFFFFF}", structs.replace(now, phase="seen")
    )


def _activate(now: Rotation, facts: Facts) -> Step:
    if facts.signs != facts.wanted:
        return Waits(("the signer",), "it does not sign with the new anchor's key yet")
    if facts.shown != facts.wanted:
        return Waits(("the controller",), "its own leaf is not renewed yet")
    return structs.replace(now, phase="taint")


def _taint(now: Rotation, facts: Facts) -> Step:
    wanted = frozenset((facts.wanted,))
    late = [program_name(name) for name, one in facts.programs.items() if one.issuers != wanted]
    return _unless(now, late, "uses leaves of the old anchor", structs.replace(now, phase="revoke"))


def _revoke(now: Rotation, facts: Facts) -> Step:
    if (facts.anchor, facts.next_anchor) == (now.new, ""):
        return Done()
    return Waits(
        ("the registrar",),
        "the ledger has the old anchor still; where the federation key is kept offline, "
        "run `isthmus member anchor --prepare` there",
    )


def _unless(now: Rotation, late: list[str], why: str, moved: Rotation) -> Step:
    left = tuple(sorted(set(late) - set(now.excluded)))
    return Waits(left, why) if left else moved
