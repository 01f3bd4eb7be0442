"""What a reader refuses of another member's public names and evidence: code and text to the letter."""

from collections.abc import Iterable

import pytest
from msgspec import structs

from federation.model.errors import Refused
from federation.model.flat import Flat
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Panic, Policy, Portion, Price, Probe, Ramp
from federation.model.public import GlobalName
from federation.model.record import Distance, Evidence, PublicName, Resource, key_of
from federation.model.routing import Failover, Routing
from federation.sync.held import HeldRecord
from tests.unit.sync.test_gateway_refusals import gateway
from tests.worlds.acme import Acme, content

HOST = "shop.example.test"
SERVICE = ServiceKey("shop", "web")
WHERE = f'name "{HOST}" of member "eu-central"'


def named(host: str = HOST, ttl: int = 30, **policy: object) -> PublicName:
    return PublicName(GlobalName(host=host, service=SERVICE, ttl=ttl, policy=Policy(**policy)))  # type: ignore[arg-type]


def take(*resources: Resource) -> HeldRecord:
    """us-east takes eu-central's record; its zone is example.test."""
    acme = Acme()
    writer = structs.replace(acme.member("eu-central"), dns_zones=("example.test",))
    held = HeldRecord(writer, acme.member("us-east"))
    tree = content(*resources)
    held.take(acme.keys["eu-central"].head(tree, 1), tree)
    return held


BAD: dict[str, tuple[Resource, str]] = {
    "outside its zones": (
        named("shop.example.org"),
        'E102 name "shop.example.org" of member "eu-central": lies in no zone granted to it [example.test]; last good kept',
    ),
    "ends like its zone": (
        named("badexample.test"),
        'E102 name "badexample.test" of member "eu-central": lies in no zone granted to it [example.test]; last good kept',
    ),
    "ttl 0": (named(ttl=0), f"E120 {WHERE}: ttl 0 is not 1 to 86400; last good kept"),
    "a least ttl above the ttl": (
        PublicName(GlobalName(host=HOST, service=SERVICE, ttl=30, least_ttl=31)),
        f"E120 {WHERE}: least ttl 31 is not 0 to 30; last good kept",
    ),
    "answers of nobody": (
        PublicName(GlobalName(host=HOST, service=SERVICE, answers=0)),
        f"E120 {WHERE}: answers 0 is not 1 to 8; last good kept",
    ),
    "a tree with a circle": (
        PublicName(GlobalName(host=HOST, service=SERVICE, routing=Routing("a", {"a": Failover(to=("policy/a",))}))),
        f'E120 {WHERE}: policy "a": a -> a leads back to itself; last good kept',
    ),
    "a tree that is none": (
        PublicName(GlobalName(host=HOST, service=SERVICE, routing=Routing("a", {}))),
        f"E120 {WHERE}: 0 policies, write 1 to 32; last good kept",
    ),
    "a weight below 0": (
        named(weights={"eu": -1}),
        f"E120 {WHERE}: weight of 'eu' -1 is not 0 to 1000000; last good kept",
    ),
    "a share over all": (
        named(least={"eu": 1_000_001}),
        f"E120 {WHERE}: share of 'eu' 1000001 is not 0 to 1000000; last good kept",
    ),
    "a price below 0": (
        named(prices=(Price("eu", "*", -1),)),
        f"E120 {WHERE}: price from 'eu' -1 is not 0 to 1000000000; last good kept",
    ),
    "too many prices": (
        named(prices=(Price("eu", "*", 1),) * 65),
        f"E120 {WHERE}: number of prices 65 is not 0 to 64; last good kept",
    ),
    "a millisecond at a price": (
        named(price_ms=-1),
        f"E120 {WHERE}: price of a millisecond -1 is not 0 to 1000000; last good kept",
    ),
    "a residency of the whole world": (
        named(residency=tuple(f"r{index}" for index in range(101))),
        f"E120 {WHERE}: number of regions 101 is not 0 to 100; last good kept",
    ),
    "a return of 0 s": (named(ramp=Ramp(10, 0)), f"E120 {WHERE}: return seconds 0 is not 1 to 3600; last good kept"),
    "a probe every millisecond": (
        named(probe=Probe(interval_ms=1)),
        f"E120 {WHERE}: probe interval 1 is not 100 to 60000; last good kept",
    ),
    "an endless path": (
        named(probe=Probe(path="/" + "x" * 2_000)),
        f"E120 {WHERE}: length of the probe path 2001 is not 0 to 1024; last good kept",
    ),
    "a path that splits the request": (
        named(probe=Probe(path="/a HTTP/1.1\r\nHost: b")),
        f"E120 {WHERE}: probe path: '/a HTTP/1.1\\r\\nHost: b' must begin with \"/\" and hold printable ASCII without spaces; "
        "last good kept",
    ),
    "the same region again and again": (
        named(order=("eu",) * 101),
        f"E120 {WHERE}: number of regions 101 is not 0 to 100; last good kept",
    ),
    "a canary of five times all": (
        named(canary=Portion("eu", 5_000_000)),
        f'E120 {WHERE}: its policy says "canary", which no public name may; last good kept',
    ),
    "a panic": (
        named(panic=Panic("open", 99)),
        f'E120 {WHERE}: its policy says "panic", which no public name may; last good kept',
    ),
    "a capacity": (
        named(capacity=-1),
        f'E120 {WHERE}: its policy says "capacity", which no public name may; last good kept',
    ),
    "a region that is a book": (
        named(weights={"x" * 100_000: 1}),
        f"E114 {WHERE}: {'x' * 80!r} is no region, member or label; last good kept",
    ),
    "a price to nowhere": (
        named(prices=(Price("eu", "", 1),)),
        f"E114 {WHERE}: '' is no region, member or label; last good kept",
    ),
    "evidence about itself": (
        Evidence(kind="link", about=MemberName("eu-central"), since=1),
        'E114 resource "evidence/link/eu-central" of member "eu-central": is not about another member; last good kept',
    ),
    "evidence on a target without a name": (
        Evidence(kind="target", about=MemberName("us-east"), since=1),
        'E114 resource "evidence/target/us-east/" of member "eu-central": \'\' is not what a target needs; last good kept',
    ),
    "a negative distance": (
        Distance(MemberName("us-east"), -1),
        'E120 resource "distance/us-east" of member "eu-central": -1 is out of range; last good kept',
    ),
    "flat mode with itself": (
        Flat(MemberName("eu-central")),
        'E114 resource "flat/eu-central" of member "eu-central": is not about another member; last good kept',
    ),
    "flat mode with no name": (
        Flat(MemberName("US East")),
        'E114 resource "flat/US East" of member "eu-central": is not about another member; last good kept',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_resource_is_refused_alone(case: str) -> None:
    resource, text = BAD[case]
    held = take(resource)
    assert str(held.refusals[key_of(resource)]) == text
    assert held.view == {}


def many(count: int) -> Iterable[Resource]:
    return (named(f"n{number}.example.test", probe=Probe(interval_ms=100)) for number in range(count))


TOO_MANY: dict[str, tuple[tuple[Resource, ...], str]] = {
    "gateways": (
        tuple(gateway(id=n, overlay="fd00::1") for n in range(1, 66)),
        'E118 member "eu-central": 65 gateways > quota 64; last good kept',
    ),
    "probes": (tuple(many(21)), 'E118 member "eu-central": 210 probes a second > quota 200; last good kept'),
    "names": (
        tuple(named(f"n{number}.example.test") for number in range(1_001)),
        'E118 member "eu-central": 1001 names > quota 1000; last good kept',
    ),
    "evidence": (
        tuple(
            Evidence(kind="target", about=MemberName("us-east"), since=1, host=f"n{n}.example.test")
            for n in range(2_001)
        ),
        'E118 member "eu-central": 2001 evidence > quota 2000; last good kept',
    ),
}


@pytest.mark.parametrize("case", TOO_MANY)
def test_too_many_are_refused_whole(case: str) -> None:
    resources, text = TOO_MANY[case]
    if case == "gateways":
        overlay = Acme().member("eu-central").overlay.removesuffix("/64")
        resources = tuple(gateway(id=n, overlay=f"{overlay}{n:x}") for n in range(1, 66))
    with pytest.raises(Refused) as caught:
        take(*resources)
    assert str(caught.value) == text
