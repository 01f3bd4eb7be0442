"""What this node has seen by itself, and what follows from it for the law's inputs. Pure."""

from collections.abc import Container, Iterable, Mapping

from msgspec import Struct, structs

from federation.law.case import Case
from federation.law.recovery import follow
from federation.law.room import way_back
from federation.model.handout import Candidate, Peer, Pool
from federation.model.names import ServiceKey
from federation.model.record import with_unready
from federation.model.standing import UNKNOWN, Standing, best
from gateways.state import NO_PRESHARED, Preshared


class Evidence(Struct, frozen=True):
    """`ways` by overlay address of a peer's gateway, and `mtus`: bytes of the largest packet that passes there (0: not
    even what IPv6 needs; without an entry unknown); `sick` are own endpoints that fail their probes, as (service,
    address); `held` the own candidates as last ruled on, for services that were never planned yet; `now` the Unix
    millisecond of ruling. `ways`, `mtus` and `sick` that are the very objects of the last pass did not change.
    `drained` is why this gateway shall carry nothing new ("": it may). `preshared` are the keys given by hand, the very
    object of the last pass while they are the same.
    """

    ways: Mapping[str, Standing] = {}
    sick: frozenset[tuple[ServiceKey, str]] = frozenset()
    held: Mapping[ServiceKey, Candidate] = {}
    now: int = 0
    mtus: Mapping[str, int] = {}
    drained: str = ""
    preshared: Preshared = NO_PRESHARED


NOTHING = Evidence()


def way_to(peer: Peer, ways: Mapping[str, Standing]) -> Standing:
    """The way to a member is as good as that to the best of its gateways."""
    return best(ways.get(gateway.overlay, UNKNOWN) for gateway in peer.gateways)


def with_sick(pools: Iterable[Pool], addresses: Container[str]) -> tuple[Pool, ...]:
    """The pools of one service with endpoints that fail their probes as unready."""
    return tuple(structs.replace(pool, endpoints=with_unready(pool.endpoints, addresses)) for pool in pools)


def own_candidate(candidate: Candidate, case: Case, pools: Iterable[Pool], before: Candidate | None) -> Candidate:
    """Our own member as this node sees it: ready is what its probes leave of the pools, the way back the longer one of
    the controller's and our own, which follows from `before`.
    """
    ready = min(candidate.ready, sum(e.state == "ready" for pool in pools for e in pool.endpoints))
    fresh = structs.replace(candidate, ready=ready)
    seen = follow(before, fresh, case.policy, case.now, demand=case.demand, own=True)
    if candidate.since and way_back(candidate, case) < way_back(seen, case):
        return structs.replace(seen, floor=candidate.floor, since=candidate.since)
    return seen
