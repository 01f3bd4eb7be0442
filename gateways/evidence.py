"""What this node has seen by itself, and what follows from it for the law's inputs. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from federation.law.recovery import follow
from federation.law.room import line
from federation.model.handout import Candidate, Import, Peer, Pool
from federation.model.names import ServiceKey
from federation.model.record import with_unready
from federation.model.standing import UNKNOWN, Standing, best


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
    return best(ways.get(gateway.overlay, UNKNOWN) for gateway in peer.gateways)


def with_sick(pools: Iterable[Pool], sick: frozenset[tuple[ServiceKey, str]]) -> list[Pool]:
    """The pools with endpoints that fail their probes as unready."""
    addresses: dict[ServiceKey, set[str]] = {}
    for service, address in sick:
        addresses.setdefault(service, set()).add(address)
    return [
        structs.replace(pool, endpoints=with_unready(pool.endpoints, addresses[pool.service]))
        if pool.service in addresses
        else pool
        for pool in pools
    ]


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
