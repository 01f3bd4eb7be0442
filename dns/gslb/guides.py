"""What the place of a client says to a tree of policies: which rule, which branch first. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import asin, cos, radians, sin, sqrt

from msgspec import Struct

from federation.model.cidr import network_of
from federation.model.routing import DEGREES, AnyNode, Chosen, Geo, Latency, Proximity, Routing, Subnets, branches_of
from federation.model.routing import Spot as BranchSpot
from gslb.client import Client
from gslb.geo import GeoTable, Spot, valued
from gslb.latencies import NO_LATENCIES, Latencies
from gslb.ranges import NONE, ByClient, Mapped, by_client

EARTH_KM = 6_371
RULES = 1_000
"""A rule's number and how narrow its place is stand in one number; more rules than a node may have."""

Nearest = Callable[[str, int], int]
"""Milliseconds to the nearest member of a branch, from a line of measured latencies (NONE: where we know no line)."""


class Atlas(Struct, frozen=True):
    """What an operator's files say of clients' addresses."""

    geo: tuple[GeoTable, ...] = ()
    latencies: Latencies = NO_LATENCIES


NO_ATLAS = Atlas()

NODES_LEAST = 64
"""Nodes that nobody has any more are forgotten when there are so many more than twice those in use."""


class Guide(Struct, frozen=True):
    """One node: a number by address (`maps`: the smallest that any has counts) and what each number stands for."""

    node: str
    maps: tuple[Mapped | ByClient, ...]
    meanings: dict[int, tuple[int, ...]] | None = None

    def mark(self, client: Client) -> tuple[int, int]:
        """The number where this client stands, and the bits of its address that say so."""
        found = [one.find(client) if isinstance(one, ByClient) else one.find(client.address) for one in self.maps]
        known = [value for value, _ in found if value != NONE]
        return min(known, default=NONE), max((bits for _, bits in found), default=0)


class Guides(Struct, frozen=True):
    """The nodes of one tree that look at the client, in order; `blind`: one asks where it is, and no file says."""

    guides: tuple[Guide, ...] = ()
    blind: bool = False

    def marks(self, client: Client) -> tuple[tuple[int, ...], int]:
        """By guide the number where this client stands; and the bits of its address that say so."""
        found = [guide.mark(client) for guide in self.guides]
        return tuple(value for value, _ in found), max((bits for _, bits in found), default=0)

    def chosen(self, marks: Iterable[int], routing: Routing, nearest: Nearest) -> Chosen:
        """What these marks stand for."""
        return {
            guide.node: _meant(guide, mark, routing.nodes[guide.node], nearest)
            for guide, mark in zip(self.guides, marks, strict=True)
        }

    def said(self, routing: Routing, chosen: Chosen) -> tuple[str, ...]:
        """One line for each guide."""
        return tuple(_words(guide.node, routing.nodes[guide.node], chosen[guide.node]) for guide in self.guides)


def _words(name: str, node: AnyNode, chosen: tuple[int, ...]) -> str:
    if isinstance(node, Geo | Subnets):
        rule = ", ".join(node.rules[chosen[0]].match) if chosen else "none, so otherwise"
        return f"policy {name}: the client is in {rule}"
    branches = branches_of(node)
    order = [branches[at] for at in chosen] or branches
    return f"policy {name}: {', '.join(order)}{'' if chosen else ', as written: nothing is known of the client'}"


NO_GUIDES = Guides()


Maps = dict[int, Mapped | ByClient]
"""Under a number that no other has while either is there."""


class Guiding:
    """The guides of many trees by one atlas. What a tree has in common with another, or had before, is made once.

    `maps` are those of all guides, and `blind` the hosts of blind ones: another object as soon as one moved.
    """

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.maps: Maps = {}
        self.blind: frozenset[str] = frozenset()
        self._uses: Counter[int] = Counter()
        self._nodes: dict[tuple[str, AnyNode], Guide | None] = {}
        self._trees: dict[str, Routing] = {}
        self._held: dict[str, Guides] = {}
        self._most = NODES_LEAST

    def adjust(self, trees: Mapping[str, Routing | None]) -> dict[str, Guides]:
        """The guides by host, when these are the trees of some (None: it has none) and all others are as they were: the
        same map when nothing moved.
        """
        changed = {host: tree for host, tree in trees.items() if tree is not self._trees.get(host)}
        if changed:
            self._held, self.maps = dict(self._held), dict(self.maps)
        for host, tree in changed.items():
            before = self._held.pop(host, NO_GUIDES)
            if tree is None:
                del self._trees[host]
            else:
                self._trees[host], self._held[host] = tree, self._guides(tree)
            self._count(self._held.get(host, NO_GUIDES), before)
        blind = {host for host in changed if self._held.get(host, NO_GUIDES).blind}
        if changed and (blind or self.blind):
            self.blind = self.blind.difference(changed) | blind
        self._forget()
        return self._held

    def _count(self, now: Guides, before: Guides) -> None:
        for one in (one for guide in now.guides for one in guide.maps):
            self.maps[id(one)] = one
            self._uses[id(one)] += 1
        for one in (one for guide in before.guides for one in guide.maps):
            self._uses[id(one)] -= 1
            if not self._uses[id(one)]:
                del self._uses[id(one)], self.maps[id(one)]

    def _forget(self) -> None:
        if len(self._nodes) > self._most:
            used = {one for tree in self._trees.values() for one in tree.nodes.items()}
            self._nodes = {one: guide for one, guide in self._nodes.items() if one in used}
            self._most = NODES_LEAST + 2 * len(self._nodes)

    def _guides(self, tree: Routing) -> Guides:
        made = [self._made(one) for one in tree.nodes.items()]
        blind = not self.atlas.geo and any(isinstance(node, Geo | Proximity) for node in tree.nodes.values())
        return Guides(tuple(guide for guide in made if guide is not None), blind)

    def _made(self, one: tuple[str, AnyNode]) -> Guide | None:
        if one not in self._nodes:
            self._nodes[one] = _guide(*one, self.atlas)
        return self._nodes[one]


def _guide(name: str, node: AnyNode, atlas: Atlas) -> Guide | None:
    match node:
        case Geo():
            return Guide(name, tuple(valued(table, _ruled(node)) for table in atlas.geo))
        case Subnets():
            rules = [(network_of(cidr), at) for at, rule in enumerate(node.rules) for cidr in rule.match]
            return Guide(name, (by_client(rules),))
        case Proximity():
            return _proximity(name, node, atlas.geo)
        case Latency():
            return Guide(name, (atlas.latencies.by_client,))
        case _:
            return None


def _ruled(node: Geo) -> Callable[[Spot], int]:
    """The rule of the narrowest place that one names, with how narrow it is."""
    rules = {place: at for at, rule in reversed(list(enumerate(node.rules))) for place in rule.match}

    def ruled(spot: Spot) -> int:
        found = next((place for place in spot.places if place in rules), "")
        return WIDTH[found.partition("/")[0]] * RULES + rules[found] if found else NONE

    return ruled


WIDTH = {"asn": 0, "subdivision": 1, "country": 2, "continent": 3}


def _proximity(name: str, node: Proximity, tables: Iterable[GeoTable]) -> Guide:
    numbers: dict[tuple[int, ...], int] = {}

    def order(spot: Spot) -> int:
        return NONE if spot.at is None else numbers.setdefault(by_distance(node.to, *spot.at), len(numbers))

    maps = tuple(valued(table, order) for table in tables)
    return Guide(name, maps, {number: found for found, number in numbers.items()})


def by_distance(branches: Iterable[BranchSpot], north: int, east: int) -> tuple[int, ...]:
    """The branches' indexes, the nearest first, from there (thousandths of a degree)."""
    away = [distance(north, east, one.latitude, one.longitude) * (100 - one.bias) for one in branches]
    return tuple(sorted(range(len(away)), key=lambda at: (away[at], at)))


def distance(north: int, east: int, to_north: int, to_east: int) -> int:
    """Kilometres over the ground between two places in thousandths of a degree (haversine formula)."""
    here, there = radians(north / DEGREES), radians(to_north / DEGREES)
    across = radians((to_east - east) / DEGREES)
    part = sin((there - here) / 2) ** 2 + cos(here) * cos(there) * sin(across / 2) ** 2
    return round(2 * EARTH_KM * asin(min(1.0, sqrt(part))))


def _meant(guide: Guide, mark: int, node: AnyNode, nearest: Nearest) -> tuple[int, ...]:
    match node:
        case Geo():
            return () if mark == NONE else (mark % RULES,)
        case Latency():
            away = [nearest(branch, mark) for branch in branches_of(node)]
            return tuple(sorted(range(len(away)), key=lambda at: (away[at], at)))
        case Proximity():
            return (guide.meanings or {}).get(mark, ())
        case _:
            return () if mark == NONE else (mark,)
