"""A zone with more endpoints than one slice may hold."""

from federation.model.local import LocalFacts
from federation.model.names import ServiceKey
from federation.model.record import SLICE_ENDPOINTS_MAX, Endpoint, Port, Slice
from federation.plan.bounded import bounded

WEB = ServiceKey("shop", "web")


def facts(count: int) -> LocalFacts:
    endpoints = tuple(Endpoint(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(count))
    return LocalFacts(key=WEB, slices=(Slice(service=WEB, az="a", ports=(Port("http", 80),), endpoints=endpoints),))


def test_a_slice_at_the_limit_is_left_alone() -> None:
    local = facts(SLICE_ENDPOINTS_MAX)
    assert bounded(local) == (local, ())


def test_a_wider_one_is_cut_and_that_is_said() -> None:
    cut, notes = bounded(facts(SLICE_ENDPOINTS_MAX + 5))
    assert len(cut.slices[0].endpoints) == SLICE_ENDPOINTS_MAX
    assert notes == (
        "Service shop/web: 10005 endpoints in zone a, limit 10000; the rest is left out: "
        "spread them over zones or services",
    )
