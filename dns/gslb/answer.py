"""The answer to one question (RFC 1034 section 4.3.2, RFC 2308). Pure."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice

from msgspec import structs

from gslb.alias import aliased
from gslb.answered import NOERROR, NXDOMAIN, REFUSED, SERVFAIL, YXDOMAIN, Answered
from gslb.client import Client
from gslb.hints import SVCB_KINDS, hinted, https_row
from gslb.lookup import ANY, Step, host_of, look_up, targets_of
from gslb.steer import FAMILY, Standpoint, Steering
from gslb.zone import AAAA, DS, HTTPS, NS, A, Row, Rows, Zone, lies_in

TARGETS_MAX = 32
"""Hosts whose addresses an answer brings along; who wants those of more asks."""

COMMON = 65
"""The largest type that clients usually ask for (HTTPS); answers for others are not kept."""

ALIAS_MAX = 8
"""Of an ALIAS that leads to another."""

CHAIN_MAX = 16
"""CNAMEs of one answer; who would know where it goes on asks for that."""


def answer(steering: Steering, name: str, kind: int, client: Client, now: int, depth: int = 0) -> Answered:
    """Answer for a lower-case name without its final dot and a query type of class IN, at this Unix millisecond.

    CNAMEs are followed within our own zones; the code is that of the last name (RFC 6604 section 3).
    """
    zone = _zone_for(steering, name, kind)
    if zone is None:
        return Answered(REFUSED if steering.table.known else SERVFAIL)
    first, rows, at = zone.apex, Rows(), name
    until, exact = 0, kind <= COMMON
    stand: Standpoint | None = None
    scope = 0
    seen = {name}
    while True:
        found, step = _one(steering, zone, at, kind, client, now)
        if step.alias:
            target = host_of(step.alias[3])
            behind = answer(steering, target, kind, client, now, depth + 1) if depth < ALIAS_MAX else Answered(SERVFAIL)
            found = aliased(zone, step.alias, kind, behind)
        if found.code == SERVFAIL:
            return found
        rows += found.records
        stand, scope = found.stand or stand, max(scope, found.scope)
        until = min(filter(None, (until, found.until)), default=0)
        exact = (
            exact
            and (at in zone.names or at in steering.table.steered)
            and (not step.alias or found.exact)
            and not _hangs_on_client(steering, at, kind, found)
        )
        if not (step.target and len(seen) < CHAIN_MAX) or step.target in seen:
            break
        following = _zone_for(steering, step.target, kind)
        if following is None:
            break
        zone, at = following, step.target
        seen.add(at)
    return structs.replace(found, zone=first, records=rows, until=until, exact=exact, stand=stand, scope=scope)


def _hangs_on_client(steering: Steering, name: str, kind: int, found: Answered) -> bool:
    """True where a steered name has nothing for this client: what it has for another is not known by that."""
    return name in steering.table.steered and kind in FAMILY and found.stand is None


def _zone_for(steering: Steering, name: str, kind: int) -> Zone | None:
    """The zone that answers: of DS at an apex the one above, where that is ours too (RFC 4035 section 3.1.4.1)."""
    zone = steering.table.zone_of(name)
    if kind == DS and zone is not None and zone.apex == name:
        return steering.table.zone_of(name.partition(".")[2]) or zone
    return zone


def _one(steering: Steering, zone: Zone, name: str, kind: int, client: Client, now: int) -> tuple[Answered, Step]:
    if name in steering.table.steered:
        found = _steered(steering, zone, name, kind, client, now)
        if found is not None:
            return found, Step()
    data = partial(steering.rrsets, zone, now=now)
    step = look_up(zone, data, name, kind)
    found = _said(steering, zone, step, now)
    return (hinted(steering, found, client, now) if kind in SVCB_KINDS and found.records else found), step


def _said(steering: Steering, zone: Zone, step: Step, now: int) -> Answered:
    if step.cut:
        rows = (steering.rrsets(zone, step.cut, now) or {})[NS]
        return Answered(NOERROR, zone.apex, additional=_targets(steering, zone, rows, now), referral=rows)
    if step.too_long:
        return Answered(YXDOMAIN, zone.apex, step.records)
    if step.alias:
        return Answered(NOERROR, zone.apex)
    if step.records:
        more = () if step.target else _targets(steering, zone, step.records, now)
        return Answered(NOERROR, zone.apex, step.records, more)
    if not steering.table.known:
        return Answered(SERVFAIL)
    return Answered(NOERROR if step.exists else NXDOMAIN, zone.apex, negative=zone.soa)


def _steered(steering: Steering, zone: Zone, name: str, kind: int, client: Client, now: int) -> Answered | None:
    """The picked members' addresses; for ANY those of one family (RFC 8482 section 4.1). None where no target has any;
    the negative answer where this client shall get none.
    """
    if kind == HTTPS and steering.table.steered[name].name.alpn:
        row = https_row(steering.table.steered[name].name)
        return hinted(steering, Answered(NOERROR, zone.apex, (row,)), client, now)
    found = None
    for one in _families(kind):
        choice = steering.choose(name, one, client, now)
        if choice.part is not None:
            rows = tuple((name, one, choice.outcome.ttl, address) for address in choice.part.addresses)
            found = Answered(
                NOERROR,
                zone.apex,
                rows,
                negative=None if rows else zone.soa,
                scope=choice.scope,
                until=choice.outcome.until,
                stand=choice.stand,
            )
            if rows:
                return found
    return found


def _families(kind: int) -> Sequence[int]:
    return (A, AAAA) if kind == ANY else (kind,) if kind in FAMILY else ()


def _targets(steering: Steering, zone: Zone, rows: Iterable[Row], now: int) -> Rows:
    """The addresses in this zone of the hosts that these records name, of many only the first."""
    named = dict.fromkeys(targets_of(tuple(rows)))
    inside = (name for name in named if lies_in(name, zone.apex))
    found = [steering.rrsets(zone, name, now) or {} for name in islice(inside, TARGETS_MAX)]
    return tuple(row for rrsets in found for kind in FAMILY for row in rrsets.get(kind, ()))
