"""What the law makes of a question: a public name for one client (locality, law, pick), a headless service for our
own member's clients. Pure.

For a public name the law is asked about the targets that have the asked family; a live one is never answered empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from weakref import ref

from msgspec import Struct

from federation.law.case import case_of
from federation.law.pick import bucket_of, pick
from federation.law.places import policy_of, seen_from
from federation.law.room import soonest
from federation.law.several import several
from federation.law.shares import Case, Paths, Ruling, rule_live
from federation.law.tree import STATIC, members_of, route
from federation.model.handout import Candidate, Steered, Target
from federation.model.public import GlobalName
from federation.model.routing import Routing, Static
from federation.model.standing import Standing
from gslb.client import SCOPE, Client, client_of, version_of
from gslb.guides import NO_GUIDES, Nearest
from gslb.headless import Headless, address_rrsets, choose, port_rrsets, service_host, service_rrsets
from gslb.moved import moved
from gslb.ranges import NONE
from gslb.table import Table
from gslb.zone import AAAA, CLUSTER, A, RRsets, Zone

FAMILY = {A: 4, AAAA: 6}

UNSETTLED = 60_000
"""Milliseconds after a way went down in which answers are given for a short time only."""

FAR = 1_000_000
"""Milliseconds to a member to which nobody measured any."""

Evidence = Mapping[tuple[str, int], Paths]
"""By host and type (A or AAAA): what this server holds of the way to each target."""


class Part(Struct, frozen=True):
    """One of the answers that the clients of a place may get: the part of them that gets it in parts per million, whose
    addresses it has, and those.
    """

    ppm: int
    members: tuple[str, ...]
    addresses: tuple[str, ...]


class Outcome(Struct, frozen=True):
    """What the clients of one place get for a name and type, and why. The parts sum to one million, or there are none
    because no target has an address of the family. `ttl` is in seconds; from the Unix millisecond `until` on age alone
    may make it another (0: never).
    """

    ruling: Ruling
    parts: tuple[Part, ...]
    ttl: int
    until: int = 0


class Standpoint(Struct, frozen=True):
    """Where a client stands: near which member, and what the guides of a name's tree make of it."""

    locality: str
    marks: tuple[int, ...] = ()


class Choice(Struct, frozen=True):
    """What one client gets: the outcome where it stands, and its part of that (None: nothing). `bucket` is where it
    falls, of a million; all addresses with the same first `scope` bits get the same.
    """

    stand: Standpoint
    outcome: Outcome
    part: Part | None
    scope: int
    bucket: int


class Steering:
    """One table under one state of evidence, with the rulings made so far: each is kept until age alone moves it."""

    def __init__(self, table: Table, evidence: Evidence) -> None:
        self.table = table
        self._evidence = evidence
        self._kept: dict[str, dict[tuple[Standpoint, int], Outcome]] = {}
        self._headless: dict[str, tuple[int, RRsets]] = {}
        self._moved: tuple[ref[Steering], frozenset[str]] | None = None

    def fresh(self) -> Steering:
        """The same without what was kept, so that rulings speak of ages as they are now."""
        return Steering(self.table, self._evidence)

    def after(self, before: Steering | None) -> Steering:
        """The same, with what was kept there of names of which nothing changed."""
        if before is not None and not self.elsewhere(before):
            self._kept = dict(before._kept)
            for host in self.moved(before):
                self._kept.pop(host, None)
        return self

    def elsewhere(self, before: Steering) -> bool:
        """True when places are others than there: then the clients of no name get what they got."""
        return self.table.places != before.table.places

    def moved(self, before: Steering) -> frozenset[str]:
        """The public names of which something of their own is another than there; those that are gone too."""
        if self._moved is None or self._moved[0]() is not before:
            self._moved = ref(before), self._since(before)
        return self._moved[1]

    def _since(self, before: Steering) -> frozenset[str]:
        now, was = self.table, before.table
        ways = {host for host, _ in moved(before._evidence, self._evidence)}
        return frozenset(ways | moved(was.steered, now.steered) | moved(was.guides, now.guides))

    def choose(self, host: str, kind: int, client: Client, now: int) -> Choice:
        """What this client gets for a public name and A or AAAA, at this Unix millisecond."""
        ignored = client.subnet and self.table.steered[host].name.ignore_subnet
        if ignored:
            client = client_of(client.resolver)
        stand, bits = self.stand(host, client)
        outcome = self.outcome(host, kind, stand, now)
        most = SCOPE[version_of(client.address)]
        bucket = bucket_of(self.table.key, host, client.address, most)
        scope = 0 if ignored else most if len(outcome.parts) > 1 else min(most, bits)
        return Choice(stand, outcome, pick(outcome.parts, bucket), scope, bucket)

    def stand(self, host: str, client: Client) -> tuple[Standpoint, int]:
        """Where this client stands for a name, and how many bits of its address say so."""
        near, bits = self.table.subnets.locate(client)
        marks, more = self.table.guides.get(host, NO_GUIDES).marks(client)
        return Standpoint(near or self.table.own, marks), max(bits, more)

    def said(self, host: str, stand: Standpoint) -> tuple[str, ...]:
        """What the guides of the name's tree say of who stands there."""
        item, guides = self.table.steered[host], self.table.guides.get(host, NO_GUIDES)
        routing = item.name.routing
        if routing is None:
            return ()
        return guides.said(routing, guides.chosen(stand.marks, routing, self._nearest(routing, item.targets, stand)))

    def rrsets(self, zone: Zone, name: str, now: int) -> RRsets | None:
        """The data of a name in this zone, by type, but for that of steered names; None when it does not exist."""
        found = self.table.headless.get(service_host(name)) if zone.apex == CLUSTER else None
        if found is not None:
            return self._of_headless(found, name, now) if found.exists(name) else None
        return zone.names.get(name, {}) if zone.exists(name) else None

    def _of_headless(self, found: Headless, name: str, now: int) -> RRsets:
        if name in found.hosts:
            return address_rrsets(name, found.hosts[name].addresses)
        if name in found.above:
            return {}
        kept = self._headless.get(name)
        if kept is None or (kept[0] and now >= kept[0]):
            port = found.ports[name].name if name in found.ports else ""
            case = case_of(found.item, self.table.own, self._region(self.table.own), self.table.ways, now)
            members, until = choose(found, port, case)
            rrsets = port_rrsets(found, name, members) if port else service_rrsets(found, members)
            kept = self._headless[name] = (until, rrsets)
        return kept[1]

    def outcome(self, host: str, kind: int, stand: Standpoint, now: int) -> Outcome:
        """What the clients who stand there get for a public name and A or AAAA; kept until age alone may move it."""
        held, key = self._kept.setdefault(host, {}), (stand, kind)
        kept = held.get(key)
        if kept is None or (kept.until and now >= kept.until):
            kept = held[key] = self._outcome(self.table.steered[host], stand, kind, now)
        return kept

    def _outcome(self, item: Steered, stand: Standpoint, kind: int, now: int) -> Outcome:
        name, ways = item.name, self._evidence.get((item.name.host, kind), {})
        case = Case(stand.locality, policy_of(name), ways, now, region=self._region(stand.locality))
        targets = [target for target in item.targets if addresses_of(target, kind)]
        seen = [self._seen_from(stand.locality, target.candidate) for target in targets]
        ruling = self._ruled(name, seen, case, stand)
        domains: dict[str, str] = {c.member: c.region for c in seen} if name.apart == "region" else {}
        addresses = known_addresses(item, kind)
        parts = tuple(
            Part(one.ppm, one.members, tuple(text for member in one.members for text in addresses[member]))
            for one in several(ruling.shares, ruling.standby, name.answers, domains)
        )
        return Outcome(ruling, parts, *lifetime(name, ruling, ways.values(), now))

    def _ruled(self, name: GlobalName, seen: Sequence[Candidate], case: Case, stand: Standpoint) -> Ruling:
        if name.routing is None:
            return rule_live(seen, case)
        guides = self.table.guides.get(name.host, NO_GUIDES)
        targets = self.table.steered[name.host].targets
        chosen = guides.chosen(stand.marks, name.routing, self._nearest(name.routing, targets, stand))
        return route(name.routing, seen, case, chosen)

    def _nearest(self, routing: Routing, targets: Sequence[Target], stand: Standpoint) -> Nearest:
        """The milliseconds to a branch of a tree from there: measured ones, else those between members."""
        case = Case(stand.locality, region=self._region(stand.locality))

        def nearest(branch: str, line: int) -> int:
            seen = [self._seen_from(stand.locality, target.candidate) for target in targets]
            measured = self.table.latencies.lines[line] if line != NONE else {}
            inside = members_of(routing, branch, seen, case)
            away = [measured.get(c.member, FAR) if measured else c.cost for c in seen if c.member in inside]
            return min(away, default=FAR)

        return nearest

    def _region(self, locality: str) -> str:
        place = self.table.places.get(locality)
        return place.region if place else ""

    def _seen_from(self, locality: str, candidate: Candidate) -> Candidate:
        place, there = self.table.places.get(locality), self.table.places.get(candidate.member)
        return seen_from(candidate, there.number if there else 0, locality, place.costs if place else {})


def lifetime(name: GlobalName, ruling: Ruling, ways: Iterable[Standing], now: int) -> tuple[int, int]:
    """The TTL of these answers in seconds, and the Unix millisecond until which they stand (0: for good).

    The least while shares move, and for a while after a way went down; else the whole.
    """
    settled = [way.since + UNSETTLED for way in ways if not way.up and way.since <= now < way.since + UNSETTLED]
    until = soonest([ruling.until, *settled])
    return (name.least_ttl or name.ttl) if until else name.ttl, until


def known_addresses(item: Steered, kind: int) -> dict[str, tuple[str, ...]]:
    """The addresses of a family of each member, and of each node that has its own."""
    found: dict[str, tuple[str, ...]] = {t.candidate.member: addresses_of(t, kind) for t in item.targets}
    nodes = item.name.routing.nodes if item.name.routing else {}
    for name, node in nodes.items():
        if isinstance(node, Static):
            found[STATIC + name] = of_family(node.addresses, kind)
    return found


def addresses_of(target: Target, kind: int) -> tuple[str, ...]:
    """The target's addresses of a family."""
    return of_family(target.addresses, kind)


def of_family(addresses: Iterable[str], kind: int) -> tuple[str, ...]:
    """Those that records of this type, A or AAAA, can hold."""
    return tuple(text for text in addresses if version_of(text) == FAMILY[kind])
