"""The tree of policies walked for the clients of one place: who gets which part of them, and why. Pure.

Each node says how much room it has, as a member does: what a branch has no room for because it comes back slowly, or
is half ready, goes to the next. A node is worked out once, however many lead to it.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs

from federation.law import words
from federation.law.case import Case, placed
from federation.law.divide import shares_of
from federation.law.fill import NOBODY, Branch, filled, first, weighed
from federation.law.room import PPM, drained
from federation.law.shares import Ruling, divided, until_of
from federation.law.terms import names, rank, resides
from federation.model.handout import Candidate
from federation.model.policy import Panic
from federation.model.routing import (
    EVERYBODY,
    NODE,
    AnyNode,
    Canary,
    Chosen,
    Failover,
    Geo,
    Latency,
    Law,
    Proximity,
    Routing,
    Static,
    Subnets,
    Weighted,
    branches_of,
    node_name,
)

STATIC = "static/"
"""What the part of a node's own addresses is called, before its name."""


def route(routing: Routing, candidates: Sequence[Candidate], case: Case, chosen: Chosen) -> Ruling:
    """The shares of members and of `static/NODE` for the clients of one place.

    With everything down drains are left aside, then evidence, then what members say of themselves: a live name is never
    answered empty, unless a node is `closed` (the share of "" gets no address). The residency holds always.
    """
    case = placed(structs.replace(case, policy=structs.replace(case.policy, panic=Panic())), candidates)
    every = sorted((c for c in candidates if resides(c, case.policy)), key=lambda c: rank(c, case))
    rules = [words.inputs(c, case) for c in sorted(candidates, key=lambda c: rank(c, case))]
    found = Branch()
    for why, usable, under, opened in _attempts(every, case):
        walk = _Walk(routing, usable, every, under, chosen, opened)
        found = walk.at(NODE + routing.root)
        rules += [*why, *walk.rules]
        if found.parts:
            break
    return Ruling(shares_of(found.parts), tuple(rules), found.standby, found.until)


_Attempt = tuple[tuple[str, ...], list[Candidate], Case, bool]


def _attempts(every: Sequence[Candidate], case: Case) -> Iterator[_Attempt]:
    """Who may be used under which case, and whether nodes count as down no more; the last resort last."""
    reached = [c for c in every if c.ready and case.path(c.member).up]
    stays = structs.replace(case, policy=structs.replace(case.policy, drain=()))
    yield (), [c for c in reached if not drained(c, case.policy, case.now)], case, False
    yield ("nobody is left: drains are left aside",), _staying(reached), stays, False
    blind = structs.replace(stays, paths={})
    yield ("nobody is left: evidence is left aside",), _staying(c for c in every if c.ready), blind, False
    yield ("fail open: each target as if ready",), _ready(every), blind, True


class _Walk:
    """One walk: what it found by reference, and what it says of it, in order."""

    def __init__(
        self,
        routing: Routing,
        usable: Sequence[Candidate],
        every: Sequence[Candidate],
        case: Case,
        chosen: Chosen,
        opened: bool = False,
    ) -> None:
        self._routing = routing
        self._usable = usable
        self._every = every
        self._case = case
        self._chosen = chosen
        self._opened = opened
        self._found: dict[str, Branch] = {}
        self.rules: list[str] = []

    def at(self, reference: str) -> Branch:
        """The branch that a reference names."""
        found = self._found.get(reference)
        if found is None:
            name = node_name(reference)
            found = self._node(name, self._routing.nodes[name]) if name else self._law((reference,))
            self._found[reference] = found
        return found

    def _law(self, terms: Sequence[str]) -> Branch:
        named = _named(terms, self._usable, self._case)
        if not named:
            self.rules.append(f"{', '.join(terms)}: nobody can take requests")
            return Branch()
        found = divided(named, self._case)
        shares = shares_of(found.parts)
        self.rules += [f"{', '.join(terms)}: {line}" for line in found.rules]
        standby = tuple(c.member for c in named if not found.parts[c.member])
        parts = {share.member: share.ppm for share in shares}
        return Branch(found.room, parts, standby, until_of(named, named, self._case))

    def _node(self, name: str, node: AnyNode) -> Branch:
        found = self._divided(name, node)
        up = found.members()
        if not found.parts or (up < node.at_least and NOBODY not in found.parts and not self._opened):
            self.rules.append(words.too_few(name, up, node.at_least, node.down))
            return self._when_down(name, node, found)
        self.rules.append(words.policy(name, found.parts))
        return found

    def _when_down(self, name: str, node: AnyNode, found: Branch) -> Branch:
        if node.down == "closed":
            return Branch(PPM, {NOBODY: PPM}, until=found.until)
        if node.down == "up" or self._opened:
            return Branch(until=found.until)
        reached = members_of(self._routing, NODE + name, self._every, self._case)
        below = [c for c in self._every if c.member in reached]
        kept = below if node.down == "open" else _last(below, self._case)
        blind = structs.replace(self._case, paths={}, policy=structs.replace(self._case.policy, drain=()))
        again = _Walk(self._routing, _ready(kept), self._every, blind, self._chosen, opened=True)
        opened = again._divided(name, node)
        self.rules += again.rules
        return structs.replace(opened, room=PPM if opened.parts else 0)

    def _divided(self, name: str, node: AnyNode) -> Branch:
        match node:
            case Law():
                return self._law(node.to)
            case Static():
                return Branch(PPM, {STATIC + name: PPM})
            case Weighted():
                return weighed([(one.weight, self.at(one.to)) for one in node.to])
            case Canary():
                return first(node.ppm, self.at(node.to), filled(map(self.at, node.otherwise)))
            case _:
                return filled(map(self.at, self._order(name, node)))

    def _order(self, name: str, node: AnyNode) -> Sequence[str]:
        """The branches of a node for this place, the first one first."""
        chosen = self._chosen.get(name, ())
        match node:
            case Geo() | Subnets():
                return (*(node.rules[chosen[0]].to if chosen else ()), *node.otherwise)
            case Proximity() | Weighted():
                to = [one.to for one in node.to]
                return [to[at] for at in chosen] or to
            case Latency() | Failover() | Law():
                return [node.to[at] for at in chosen] or node.to
            case Canary():
                return (node.to, *node.otherwise)
            case Static():
                return ()


def members_of(routing: Routing, reference: str, candidates: Iterable[Candidate], case: Case) -> set[str]:
    """The members that may get something of this branch, wherever clients stand."""
    terms, todo, seen = [], [reference], {reference}
    while todo:
        name = node_name(last := todo.pop())
        if not name:
            terms.append(last)
            continue
        below = [one for one in branches_of(routing.nodes[name]) if one not in seen]
        seen.update(below)
        todo += below
    return {c.member for c in _named(terms, candidates, case)}


def _named(terms: Sequence[str], candidates: Iterable[Candidate], case: Case) -> list[Candidate]:
    """Those whom one of these terms names."""
    return [c for c in candidates if any(term == EVERYBODY or names(term, c, case.region) for term in terms)]


def _staying(candidates: Iterable[Candidate]) -> list[Candidate]:
    return [structs.replace(c, leaving=None) for c in candidates]


def _ready(candidates: Iterable[Candidate]) -> list[Candidate]:
    return [structs.replace(c, ready=1, total=1, floor=0, since=0, leaving=None) for c in candidates]


def _last(candidates: Sequence[Candidate], case: Case) -> list[Candidate]:
    """Those whose way went down last; all when none did."""
    down = {c.member: case.path(c.member).since for c in candidates if not case.path(c.member).up}
    latest = max(down.values(), default=0)
    return [c for c in candidates if down.get(c.member) == latest] or list(candidates)
