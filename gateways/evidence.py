"""What this node has seen by itself, and what follows from it for the law's inputs. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from federation.law.recovery import follow
from federation.law.room import line
from federation.model.handout import Candidate, Import, Peer, Pool
from federation.model.names import ServiceKey
from federation.model.record import Endpoint
from federation.model.standing import UNKNOWN, Standing


class Evidence(Struct, frozen=True):
    """`ways` by overlay address of a peer's gateway; `sick` are own endpoints that fail their probes, as (service,
    address); `held` the own candidates as last ruled on; `now` the Unix millisecond of ruling.
    """

    ways: dict[str, Standing] = {}
    sick: frozenset[tuple[ServiceKey, str]] = frozenset()
    held: dict[ServiceKey, Candidate] = {}
    now: int = 0


NOTHING = Evidence()


def way_to(peer: Peer, ways: Mapping[str, Standing]) -> Standing:
    """The way to a member is as good as that to the best of its gateways."""
    found = [ways.get(gateway.overlay, UNKNOWN) for gateway in peer.gateways]
    return min(found, key=lambda one: (not one.up, one.since, one.loss), default=UNKNOWN)


def with_sick(pools: Iterable[Pool], sick: frozenset[tuple[ServiceKey, str]]) -> list[Pool]:
    """The pools with endpoints that fail their probes as unready."""
    return [_with_sick(pool, sick) if sick else pool for pool in pools]


def _with_sick(pool: Pool, sick: frozenset[tuple[ServiceKey, str]]) -> Pool:
    return structs.replace(pool, endpoints=tuple(_seen(pool.service, e, sick) for e in pool.endpoints))


def _seen(service: ServiceKey, endpoint: Endpoint, sick: frozenset[tuple[ServiceKey, str]]) -> Endpoint:
    failing = endpoint.state == "ready" and (service, endpoint.address) in sick
    return structs.replace(endpoint, state="unready") if failing else endpoint


def own_candidate(candidate: Candidate, item: Import, pools: Iterable[Pool], evidence: Evidence) -> Candidate:
    """Our own member as this node sees it: ready is what its probes leave of the pools, the way back the longer one of
    the controller's and our own.
    """
    policy = item.policy
    ready = min(candidate.ready, sum(e.state == "ready" for pool in pools for e in pool.endpoints))
    seen = follow(evidence.held.get(item.service), structs.replace(candidate, ready=ready), policy, evidence.now)
    if candidate.since and line(candidate, policy, evidence.now) < line(seen, policy, evidence.now):
        return structs.replace(seen, floor=candidate.floor, since=candidate.since)
    return seen
