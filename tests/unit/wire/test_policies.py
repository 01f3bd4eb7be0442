"""What a policy's spec asks for in the model's words, and numbers that only YAML can say."""

import msgspec
import pytest

from federation.model.errors import InputError
from federation.model.policy import Affinity, Panic, Portion, Price, Probe, Ramp, Range
from federation.model.resilience import Breakers, Outlier, RateLimit, Retries, SlowStart, Timeouts
from federation.model.wish import Wish
from federation.wire.k8s.policies import SteeringSpec
from federation.wire.k8s.strict import read_manifest
from federation.wire.k8s.types import TrafficPolicy
from federation.wire.k8s.wishes import wish_of

HEAD = "apiVersion: isthmus.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  "
SAID = {  # as users write it -> what it means
    "order: [us-west, member/a, label/tier=gold, '@region', '@az']": Wish(
        order=("us-west", "member/a", "label/tier=gold", "@region", "@az")
    ),
    "threshold: 50": Wish(threshold=50),
    "capacity: 200": Wish(capacity=200),
    "weights: {us-east: 9, us-west: 1}": Wish(weights={"us-east": 9, "us-west": 1}),
    "drain: [us-west]": Wish(drain=("us-west",)),
    "prices: [{from: us-east, to: '*', perGB: 0.09}, {from: '*', to: us-east, perGB: 1}]": Wish(
        prices=(Price("us-east", "*", 90_000), Price("*", "us-east", 1_000_000))
    ),
    "priceMs: 500": Wish(price_ms=500),
    "residency: [eu-central]": Wish(residency=("eu-central",)),
    "minShare: {us-east: 10}": Wish(least={"us-east": 100_000}),
    "maxShare: {us-east: 0}": Wish(most={"us-east": 0}),
    "canary: {to: member/us-west, percent: 0.1}": Wish(canary=Portion("member/us-west", 1_000)),
    "mirror: {to: us-west, percent: 33.3}": Wish(mirror=Portion("us-west", 333_000)),
    "panic: {action: fallback, below: 25, fallback: sorry}": Wish(panic=Panic("fallback", 25, "sorry")),
    "affinity: {by: cookie, name: seat, seconds: 600}": Wish(affinity=Affinity("cookie", "seat", 600)),
    "return: {percent: 20, seconds: 5}": Wish(ramp=Ramp(20, 5)),
    "probe: {path: /healthz}": Wish(probe=Probe(path="/healthz")),
    "probe: {kind: https, path: /up, statuses: ['200', 301-399], body: ready, host: a.example, serverName: b.example, verify: none}": Wish(
        probe=Probe(
            kind="https",
            path="/up",
            statuses=(Range(200, 200), Range(301, 399)),
            body="ready",
            host="a.example",
            server_name="b.example",
            verify="none",
        )
    ),
    "probe: {kind: http, method: HEAD, port: 8080}": Wish(probe=Probe(kind="http", method="HEAD", port=8_080)),
    "probe: {kind: grpc, service: shop.Cart, intervalMs: 500}": Wish(
        probe=Probe(kind="grpc", service="shop.Cart", interval_ms=500)
    ),
    "probes: [{kind: icmp}, {path: /up}]": Wish(probe=Probe(parts=(Probe(kind="icmp"), Probe(path="/up")))),
    "{probes: [{kind: icmp}, {}], need: all}": Wish(probe=Probe(parts=(Probe(kind="icmp"), Probe()))),
    "{probes: [{kind: icmp}, {}], need: any}": Wish(probe=Probe(parts=(Probe(kind="icmp"), Probe()), need=1)),
    "{probes: [{kind: icmp}, {}, {port: 9}], need: 2}": Wish(
        probe=Probe(parts=(Probe(kind="icmp"), Probe(), Probe(port=9)), need=2)
    ),
    "timeouts: {requestMs: 2000, idleMs: 30000, connectMs: 250}": Wish(
        timeouts=Timeouts(request=2_000, idle=30_000, connect=250)
    ),
    "retries: {retryOn: [5xx], attempts: 3, perTryMs: 500, baseMs: 25, maxMs: 250, budget: {percent: 10, least: 3}}": Wish(
        retries=Retries(on=("5xx",), attempts=3, per_try=500, base=25, most=250, budget=10, least=3)
    ),
    "retries: {attempts: 1}": Wish(retries=Retries(attempts=1)),
    "circuitBreakers: {maxConnections: 100, maxPending: 50, maxRequests: 200}": Wish(
        breakers=Breakers(connections=100, pending=50, requests=200)
    ),
    "outlierDetection: {consecutiveErrors: 5, baseEjectionMs: 1000, maxEjectionMs: 9000, maxEjectionPercent: 50}": Wish(
        outlier=Outlier(errors=5, base=1_000, most=9_000, percent=50)
    ),
    "slowStart: {seconds: 30, percent: 5}": Wish(slow_start=SlowStart(seconds=30, percent=5)),
    "rateLimit: {requestsPerSecond: 1000, burst: 100}": Wish(rate_limit=RateLimit(rps=1_000, burst=100)),
    "maxConnectionAgeSeconds: 600": Wish(connection_seconds=600),
    "target: Namespace": Wish(),
}


@pytest.mark.parametrize("text", SAID)
def test_what_is_written_is_what_is_wished(text: str) -> None:
    [found] = read_manifest(HEAD + text, "web.yaml")
    assert isinstance(found.value, TrafficPolicy)
    assert wish_of(found.value.spec) == SAID[text]


def test_every_field_of_a_wish_can_be_written() -> None:
    said = {name for wish in SAID.values() for name in wish.__struct_fields__ if getattr(wish, name) is not None}
    assert said == set(Wish.__struct_fields__)


def test_a_public_name_takes_what_makes_sense_without_proxies() -> None:
    assert set(SteeringSpec.__struct_encode_fields__) == {
        "order", "threshold", "weights", "drain", "prices", "priceMs", "residency", "minShare", "maxShare", "return",
        "probe", "probes", "need",
    }  # fmt: skip


NAN = {
    "canary: {to: us-west, percent: .nan}": 'field "spec.canary.percent": expected float >= 0.1',
    "mirror: {to: us-west, percent: .nan}": 'field "spec.mirror.percent": expected float >= 0.1',
    "prices: [{from: us-east, to: '*', perGB: .nan}]": ('field "spec.prices[0].perGB": expected float >= 0.0'),
    "prices: [{from: us-east, to: '*', perGB: .inf}]": 'field "spec.prices[0].perGB": expected float <= 1000.0',
    "weights: {us-east: .nan}": 'field "spec.weights[...]": expected int, got float',
    "capacity: .nan": 'field "spec.capacity": expected int | null, got float',
    "minShare: {us-east: .nan}": 'field "spec.minShare[...]": expected int, got float',
}


@pytest.mark.parametrize("text", NAN)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        read_manifest(HEAD + text, "web.yaml")
    assert refused.value.text.partition(": ")[2] == NAN[text]
    assert refused.value.text.startswith("web.yaml:5: ")


def test_a_wish_survives_the_wire() -> None:
    for wish in SAID.values():
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(wish), type=Wish) == wish
