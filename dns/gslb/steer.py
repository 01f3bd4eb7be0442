"""What the law makes of a question: a public name for one client (locality, law, pick), a headless service for our
own member's clients. Pure.

For a public name the law is asked about the targets that have the asked family; a live one is never answered empty.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from msgspec import Struct

from federation.law.case import case_of
from federation.law.pick import bucket_of, pick
from federation.law.places import policy_of, seen_from
from federation.law.shares import Case, Paths, Ruling, rule_live
from federation.model.handout import Candidate, Steered, Target
from gslb.headless import Headless, address_rrsets, choose, port_rrsets, service_host, service_rrsets
from gslb.locality import SCOPE
from gslb.table import Table
from gslb.zone import AAAA, CLUSTER, A, RRsets, Zone

FAMILY = {A: 4, AAAA: 6}

Evidence = Mapping[tuple[str, int], Paths]
"""By host and type (A or AAAA): what this server holds of the way to each target."""


class Client(Struct, frozen=True):
    """Who asks: an address without scope id, and whether it came as a client subnet."""

    address: str
    subnet: bool = False


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


class Choice(Struct, frozen=True):
    """What one client gets: the outcome where it stands, and its part of that (None: nothing). `bucket` is where its
    prefix of `scope` bits falls, of a million.
    """

    locality: str
    outcome: Outcome
    part: Part | None
    scope: int
    bucket: int


@lru_cache(65_536)
def version_of(address: str) -> int:
    """4 or 6."""
    return ip_address(address).version


def client_of(address: str) -> Client:
    """The client behind a socket's address; IPv4 that came over an IPv6 socket is IPv4."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return Client(str(mapped or parsed))


class Steering:
    """One table under one state of evidence, with the rulings made so far: each is kept until age alone moves it."""

    def __init__(self, table: Table, evidence: Evidence) -> None:
        self.table = table
        self._evidence = evidence
        self._kept: dict[tuple[str, str, int], Outcome] = {}
        self._headless: dict[str, tuple[int, RRsets]] = {}

    def fresh(self) -> "Steering":
        """The same without what was kept, so that rulings speak of ages as they are now."""
        return Steering(self.table, self._evidence)

    def after(self, before: "Steering | None") -> "Steering":
        """The same, with what was kept there of names of which nothing changed."""
        if before is not None:
            stands = self.standing(before)
            self._kept = {key: outcome for key, outcome in before._kept.items() if key[0] in stands}
        return self

    def standing(self, before: "Steering") -> frozenset[str]:
        """The public names of which nothing that the law asks for changed since then."""
        if self.table.places != before.table.places:
            return frozenset()
        now, then, was = self._evidence, before._evidence, before.table.steered
        moved = {key[0] for key in now.keys() | then.keys() if now.get(key) != then.get(key)}
        kept = (host for host, item in self.table.steered.items() if was.get(host) is item)
        return frozenset(kept) - moved if moved else frozenset(kept)

    def choose(self, host: str, kind: int, client: Client, now: int) -> Choice:
        """What this client gets for a public name and A or AAAA, at this Unix millisecond."""
        locality = self.locality(client)
        outcome = self.outcome(host, kind, locality, now)
        scope = SCOPE[version_of(client.address)]
        bucket = bucket_of(self.table.key, host, client.address, scope)
        return Choice(locality, outcome, pick(outcome.parts, bucket), scope, bucket)

    def rrsets(self, zone: Zone, name: str, now: int) -> RRsets | None:
        """The data of a name in this zone, by type, but for that of steered names; None when it does not exist."""
        found = self.table.headless.get(service_host(name)) if zone.apex == CLUSTER else None
        if found is not None:
            return self._of_headless(found, name, now) if found.exists(name) else None
        return zone.names.get(name, {}) if zone.exists(name) else None

    def locality(self, client: Client) -> str:
        """The member near which this client stands; our own when no subnet contains it."""
        longest = SCOPE[version_of(client.address)] if client.subnet else 128
        return self.table.subnets.locate(client.address, longest) or self.table.own

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

    def outcome(self, host: str, kind: int, locality: str, now: int) -> Outcome:
        """What the clients of a place get for a public name and A or AAAA; kept until age alone may move it."""
        key = (host, locality, kind)
        kept = self._kept.get(key)
        if kept is None or (kept.until and now >= kept.until):
            item = self.table.steered[host]
            kept = self._kept[key] = _outcome(item, kind, self._ruled(item, locality, kind, now))
        return kept

    def _ruled(self, item: Steered, locality: str, kind: int, now: int) -> Ruling:
        ways, region = self._evidence.get((item.name.host, kind), {}), self._region(locality)
        case = Case(locality, policy_of(item.name), ways, now, region=region)
        targets = [target for target in item.targets if addresses_of(target, kind)]
        return rule_live([self._seen_from(locality, target.candidate) for target in targets], case)

    def _region(self, locality: str) -> str:
        place = self.table.places.get(locality)
        return place.region if place else ""

    def _seen_from(self, locality: str, candidate: Candidate) -> Candidate:
        place, there = self.table.places.get(locality), self.table.places.get(candidate.member)
        return seen_from(candidate, there.number if there else 0, locality, place.costs if place else {})


def _outcome(item: Steered, kind: int, ruling: Ruling) -> Outcome:
    addresses: dict[str, tuple[str, ...]] = {t.candidate.member: addresses_of(t, kind) for t in item.targets}
    parts = tuple(Part(share.ppm, (share.member,), addresses[share.member]) for share in ruling.shares)
    return Outcome(ruling, parts, item.name.ttl, ruling.until)


def addresses_of(target: Target, kind: int) -> tuple[str, ...]:
    """The target's addresses of a family."""
    return tuple(text for text in target.addresses if version_of(text) == FAMILY[kind])
