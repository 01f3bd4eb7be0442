"""What a reader refuses of demand, of grants and of an export's hint: each text in full."""

from typing import Any

import pytest
from msgspec import structs

from federation.model.errors import Refused
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Affinity, Ramp
from federation.model.record import Demand, Export, Granted, Port, Resource
from federation.model.resilience import Outlier, RateLimit, Retries, SlowStart, Timeouts
from federation.model.wish import Wish
from tests.worlds.reader import GOOD, Reader

WEB = ServiceKey("shop", "web")
US = MemberName("us-east")
SERVICE = "E120 service shop/web of member eu-central"
DEMAND = 'resource "demand/shop/web" of member "eu-central"'
GRANT = 'resource "grant/shop/web" of member "eu-central"'


def hinting(**said: Any) -> Export:
    return Export(service=WEB, ports=(Port("http", 80),), hint=Wish(**said))


def demand(rps: int = 10, **wants: int) -> Demand:
    return Demand(WEB, rps, {MemberName(name.replace("_", "-")): rate for name, rate in wants.items()})


def granted(**grants: int) -> Granted:
    return Granted(WEB, {MemberName(name.replace("_", "-")): rate for name, rate in grants.items()})


MANY = {MemberName(f"m{number}"): 1 for number in range(4_097)}
BAD: dict[str, tuple[Resource, str]] = {
    "negative demand": (
        demand(-1),
        f"E120 {DEMAND}: requests per second -1 is not 0 to 1000000000; last good kept",
    ),
    "more than anybody asks": (
        demand(us_east=10**9 + 1),
        f'E120 {DEMAND}: requests per second for member "us-east" 1000000001 is not 0 to 1000000000; last good kept',
    ),
    "demand of itself": (
        demand(eu_central=1),
        f"E114 {DEMAND}: 'eu-central' is not another member; last good kept",
    ),
    "demand of no name": (
        Demand(WEB, 1, {MemberName("US East"): 1}),
        f"E114 {DEMAND}: 'US East' is not another member; last good kept",
    ),
    "demand of everybody": (
        Demand(WEB, 1, MANY),
        f"E118 {DEMAND}: names 4097 members > 4096; last good kept",
    ),
    "demand for no service": (
        Demand(ServiceKey("shop", "a b"), 1, {US: 1}),
        'E114 service "shop/a b" of member "eu-central": not a DNS label; last good kept',
    ),
    "a negative grant": (
        granted(us_east=-5),
        f'E120 {GRANT}: requests per second for member "us-east" -5 is not 0 to 1000000000; last good kept',
    ),
    "a grant to itself": (
        granted(eu_central=5),
        f"E114 {GRANT}: 'eu-central' is not another member; last good kept",
    ),
    "grants to everybody": (
        Granted(WEB, MANY),
        f"E118 {GRANT}: names 4097 members > 4096; last good kept",
    ),
    "an order": (
        hinting(order=("eu-central",)),
        f'{SERVICE}: its hint says "order", which is the caller\'s to say; last good kept',
    ),
    "a residency": (
        hinting(residency=()),
        f'{SERVICE}: its hint says "residency", which is the caller\'s to say; last good kept',
    ),
    "no capacity": (
        hinting(capacity=0),
        f"{SERVICE}: capacity 0 is not 1 to 10000000; last good kept",
    ),
    "a ramp of nothing": (
        hinting(ramp=Ramp(0, 10)),
        f"{SERVICE}: return percent 0 is not 1 to 100; last good kept",
    ),
    "a ramp of no time": (
        hinting(ramp=Ramp(10, 0)),
        f"{SERVICE}: return seconds 0 is not 1 to 3600; last good kept",
    ),
    "a header that is none": (
        hinting(affinity=Affinity("header", "x y")),
        f"{SERVICE}: header 'x y' is no name; last good kept",
    ),
    "a cookie for ever": (
        hinting(affinity=Affinity("cookie", "c", 86_401)),
        f"{SERVICE}: affinity seconds 86401 is not 0 to 86400; last good kept",
    ),
    "a time-out": (
        hinting(timeouts=Timeouts(request=-1)),
        f"{SERVICE}: timeout request -1 is not 0 to 3600000; last good kept",
    ),
    "retries without end": (
        hinting(retries=Retries(attempts=101)),
        f"{SERVICE}: retry attempts 101 is not 0 to 100; last good kept",
    ),
    "an address with a name": (
        hinting(affinity=Affinity("source", "x" * 100_000)),
        f"{SERVICE}: affinity by source has a name; last good kept",
    ),
    "the same word again and again": (
        hinting(retries=Retries(on=("5xx",) * 10_000)),
        f"{SERVICE}: words to retry on 10000 is not 0 to 14; last good kept",
    ),
    "a word of no proxy": (
        hinting(retries=Retries(on=("always",))),
        f"{SERVICE}: 'always' is nothing to retry on; last good kept",
    ),
    "outliers": (
        hinting(outlier=Outlier(percent=101)),
        f"{SERVICE}: outlier percent 101 is not 0 to 100; last good kept",
    ),
    "a slow start": (
        hinting(slow_start=SlowStart(seconds=0)),
        f"{SERVICE}: slow start seconds 0 is not 1 to 3600; last good kept",
    ),
    "a rate limit": (
        hinting(rate_limit=RateLimit(rps=0)),
        f"{SERVICE}: rate limit 0 is not 1 to 10000000; last good kept",
    ),
    "an age": (
        hinting(connection_seconds=604_801),
        f"{SERVICE}: connection seconds 604801 is not 0 to 604800; last good kept",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_alone(name: str) -> None:
    resource, text = BAD[name]
    assert Reader().refusal(resource, GOOD[2]) == text


def test_what_honest_members_say_passes() -> None:
    reader = Reader()
    full = hinting(
        capacity=50,
        ramp=Ramp(),
        affinity=Affinity("source"),
        timeouts=Timeouts(request=1_000),
        retries=Retries(on=("5xx",)),
    )
    reader.take(demand(us_east=12), granted(us_east=40, mars=2), full)
    assert reader.held.refusals == {}


def test_a_grant_needs_the_namespace_and_demand_does_not() -> None:
    reader = Reader()
    member = structs.replace(reader.held.member, namespaces=("other",))
    reader.held.member = member
    reader.take(demand(us_east=12), granted(us_east=40))
    assert [str(error) for error in reader.held.refusals.values()] == [
        'E102 service shop/web: namespace "shop" is not granted to member "eu-central" [other]; last good kept'
    ]
    assert list(reader.held.view) == ["demand/shop/web"]


def test_more_rates_than_the_quota_are_refused_whole() -> None:
    reader = Reader()
    quota = structs.replace(reader.held.member.quota, rates=2)
    reader.held.member = structs.replace(reader.held.member, quota=quota)
    other = Demand(ServiceKey("shop", "db"), 1, {})
    reader.take(*GOOD, demand(us_east=12), other)
    with pytest.raises(Refused) as refused:
        reader.take(*GOOD, demand(us_east=12), other, granted(us_east=40))
    assert str(refused.value) == 'E118 member "eu-central": 3 rates > quota 2; last good kept'
    assert "grant/shop/web" not in reader.held.view
