"""Who may get requests, and what happens when too few are ready. Pure."""

from collections.abc import Sequence

from msgspec import Struct, structs

from federation.law import words
from federation.law.case import Case
from federation.law.room import drained
from federation.law.terms import resides
from federation.model.handout import Candidate


class Chosen(Struct, frozen=True):
    """The candidates that may get requests, nearest first, and why these. `fallback` names the service that takes the
    requests instead; with it, and when a panic is `closed`, nobody is chosen. `opened`: a panic, every endpoint of
    theirs counts as ready.
    """

    candidates: tuple[Candidate, ...]
    rules: tuple[str, ...] = ()
    fallback: str = ""
    opened: bool = False


def eligible(order: Sequence[Candidate], case: Case) -> Chosen:
    """Of these, nearest first: who may get requests.

    Never one outside the residency. Never the drained or the unreachable while another is left, and never nobody
    while anyone is ready, unless the policy's panic says otherwise.
    """
    inside = [c for c in order if resides(c, case.policy)]
    if order and not inside:
        return Chosen((), (words.nobody_resides(case.policy),))
    panic = _panic(inside, case)
    if panic is None:
        return _living(inside, case)
    action = case.policy.panic.action
    if action == "closed":
        return Chosen((), (f"{panic}: no shares",))
    if action == "fallback":
        service = case.policy.panic.fallback
        return Chosen((), (f"{panic}: service {service} takes the requests",), service)
    opened = _living([_as_if_ready(c) for c in inside], case)
    rules = (f"{panic}: open, as if every endpoint were ready", *opened.rules)
    return Chosen(opened.candidates, rules, opened=True)


def _panic(inside: Sequence[Candidate], case: Case) -> str | None:
    """Why there is panic, or None. Only what may be used counts: not the drained, unless there is nobody else."""
    if not any(c.ready for c in inside):
        return "nobody is ready"
    usable = [c for c in inside if not drained(c, case.policy, case.now)] or inside
    ready = sum(c.ready for c in usable if case.path(c.member).up)
    total, below = sum(c.total for c in usable), case.policy.panic.below
    return f"panic: {ready} of {total} endpoints ready, below {below} %" if ready * 100 < below * total else None


def _as_if_ready(candidate: Candidate) -> Candidate:
    return structs.replace(candidate, ready=candidate.total, floor=0, since=0)


def _living(inside: Sequence[Candidate], case: Case) -> Chosen:
    ready = [c for c in inside if c.ready > 0]
    reached = [c for c in ready if case.path(c.member).up]
    kept = [c for c in reached if not drained(c, case.policy, case.now)]
    if kept:
        return Chosen(tuple(kept))
    if reached:
        return Chosen(_staying(reached), ("only drained members can be reached: the drain is left aside",))
    undrained = [c for c in ready if not drained(c, case.policy, case.now)]
    aside = ("every way is down: evidence is left aside",) if ready else ("nobody is ready: no shares",)
    return Chosen(tuple(undrained) or _staying(ready), aside)


def _staying(drained_ones: Sequence[Candidate]) -> tuple[Candidate, ...]:
    return tuple(structs.replace(c, leaving=None) for c in drained_ones)
