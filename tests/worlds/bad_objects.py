"""Objects of our kinds with one mistake each: what we say of it, and what the API server says by our definitions."""

from dataclasses import dataclass
from typing import Any

from tests.worlds.bad_accesses import ACCESS, EGRESS
from tests.worlds.bad_policies import PROXIED, STEERING
from tests.worlds.bad_routing import ROUTING

Spec = dict[str, Any]
LABEL = "a" * 64


@dataclass(frozen=True)
class Bad:
    """`ours`: what check.py or the types say; `server`: what stands in the API server's answer."""

    kind: str
    spec: Spec
    ours: str
    server: str
    name: str = "web"


def _name(**rest: Any) -> Spec:
    return {"host": "shop.example.com", "service": "web"} | rest


BAD = {
    "a region twice in order": Bad(
        "TrafficPolicy",
        {"order": ["us-east", "us-west", "us-east"]},
        'field "spec.order": "us-east" stands there twice',
        'spec.order: Invalid value: "us-east" stands there twice',
    ),
    "a region twice in drain": Bad(
        "GlobalName",
        _name(drain=["us-east", "us-east"]),
        'field "spec.drain": "us-east" stands there twice',
        'spec.drain: Invalid value: "us-east" stands there twice',
    ),
    "too many regions": Bad(
        "TrafficPolicy",
        {"order": [f"r{index}" for index in range(33)]},
        "Expected `array` of length <= 32 - at `$.spec.order`",
        "spec.order: Too many: 33: must have at most 32 items",
    ),
    "an empty region": Bad(
        "TrafficPolicy",
        {"order": [""]},
        "Expected `str` of length >= 1 - at `$.spec.order[0]`",
        'spec.order[0]: Invalid value: "": spec.order[0] in body should be at least 1 chars long',
    ),
    "all weights 0": Bad(
        "TrafficPolicy",
        {"weights": {"us-east": 0, "us-west": 0}},
        'field "spec.weights": all are 0: give at least one region a weight above 0',
        "spec.weights: Invalid value: all are 0: give at least one region a weight above 0",
    ),
    "a weight above its limit": Bad(
        "TrafficPolicy",
        {"weights": {"us-east": 1_000_001}},
        "Expected `int` <= 1000000 - at `$.spec.weights[...]`",
        "spec.weights.us-east: Invalid value: 1000001: spec.weights.us-east in body should be less than or equal to 1000000",
    ),
    "a threshold of 0": Bad(
        "TrafficPolicy",
        {"threshold": 0},
        "Expected `int` >= 1 - at `$.spec.threshold`",
        "spec.threshold: Invalid value: 0: spec.threshold in body should be greater than or equal to 1",
    ),
    "a probe path without its slash": Bad(
        "TrafficPolicy",
        {"probe": {"path": "healthz"}},
        'field "spec.probe.path": \'healthz\' must begin with "/" and hold printable ASCII without spaces',
        'spec.probe.path: Invalid value: "healthz": must begin with "/" and hold printable ASCII without spaces',
    ),
    "a space in a probe path": Bad(
        "TrafficPolicy",
        {"probe": {"path": "/a b"}},
        'field "spec.probe.path": \'/a b\' must begin with "/" and hold printable ASCII without spaces',
        'spec.probe.path: Invalid value: "/a b": must begin with "/" and hold printable ASCII without spaces',
    ),
    "a policy whose name no service can have": Bad(
        "TrafficPolicy",
        {},
        'field "metadata.name": "web.shop" is not a DNS label',
        'metadata.name is not a DNS label (1 to 63 of a-z, 0-9 and inner "-")',
        name="web.shop",
    ),
    "a host in upper case": Bad(
        "GlobalName",
        _name(host="Shop.example.com"),
        'field "spec.host": "Shop.example.com" is not a DNS name in lower case such as shop.example.com',
        'spec.host: Invalid value: "Shop.example.com": must be a DNS name in lower case such as shop.example.com',
    ),
    "a host of one label": Bad(
        "GlobalName",
        _name(host="shop"),
        'field "spec.host": "shop" is not a DNS name in lower case such as shop.example.com',
        'spec.host: Invalid value: "shop": must be a DNS name in lower case such as shop.example.com',
    ),
    "a host label of 64": Bad(
        "GlobalName",
        _name(host=f"{LABEL}.example.com"),
        f'field "spec.host": "{LABEL}.example.com" is not a DNS name in lower case such as shop.example.com',
        f'spec.host: Invalid value: "{LABEL}.example.com": must be a DNS name in lower case such as shop.example.com',
    ),
    "a service that is no label": Bad(
        "GlobalName",
        _name(service="shop/web"),
        'field "spec.service": "shop/web" is not a DNS label',
        'spec.service: Invalid value: "shop/web": is not a DNS label',
    ),
    "no host": Bad(
        "GlobalName",
        {"service": "web"},
        "Object missing required field `host` - at `$.spec`",
        "spec.host: Required value",
    ),
    "an unknown policy": Bad(
        "GlobalName",
        _name(policy="random"),
        "Invalid enum value 'random' - at `$.spec.policy`",
        'spec.policy: Unsupported value: "random": supported values: "steered", "weighted"',
    ),
    "weighted without weights": Bad(
        "GlobalName",
        _name(policy="weighted"),
        'field "spec.weights": policy weighted needs a weight for at least one region',
        "spec: Invalid value: weights: policy weighted needs a weight for at least one region",
    ),
    "steered with weights": Bad(
        "GlobalName",
        _name(weights={"us-east": 1}),
        'field "spec.weights": only used with policy weighted; remove it or set spec.policy to weighted',
        "spec: Invalid value: weights: only used with policy weighted; remove it or set spec.policy to weighted",
    ),
    "a least time to live above the time to live": Bad(
        "GlobalName",
        _name(ttl=10, minTTL=20),
        'field "spec.minTTL": 20 is more than spec.ttl (10)',
        "spec: Invalid value: minTTL: is more than ttl",
    ),
    "a time to live of 0": Bad(
        "GlobalName",
        _name(ttl=0),
        "Expected `int` >= 1 - at `$.spec.ttl`",
        "spec.ttl: Invalid value: 0: spec.ttl in body should be greater than or equal to 1",
    ),
    "a drain of what is no member": Bad(
        "Drain",
        {"member": "US-East"},
        'field "spec.member": "US-East" is not a member name (a DNS label)',
        'spec.member: Invalid value: "US-East": is not a member name (a DNS label)',
    ),
    "a drain with a reason that is too long": Bad(
        "Drain",
        {"reason": "x" * 1025},
        "Expected `str` of length <= 1024 - at `$.spec.reason`",
        "spec.reason: Too long: may not be more than 1024 bytes",
    ),
}
BAD |= {what: Bad("TrafficPolicy", *found) for what, found in (STEERING | PROXIED).items()}
BAD |= {
    f"{what}, of a name": Bad("GlobalName", _name(**spec), ours, server)
    for what, (spec, ours, server) in STEERING.items()
    if "weights" not in spec
}
BAD |= {what: Bad("GlobalName", _name(routing=nodes), *said) for what, (nodes, *said) in ROUTING.items()}
BAD |= {what: Bad("AccessPolicy", *found) for what, found in ACCESS.items()}
BAD |= {what: Bad("EgressPolicy", *found) for what, found in EGRESS.items()}
