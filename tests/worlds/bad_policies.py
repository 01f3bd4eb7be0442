"""What a policy may not ask for, one mistake each: field -> (spec, what check.py says, what the API server says)."""

from typing import Any

Spec = dict[str, Any]
NO_TERM = "is no term: write a region, member/NAME, label/KEY=VALUE, @region or @az"
NOBODY = "names nobody: write a region, member/NAME or label/KEY=VALUE"
ON = (
    '"5xx", "cancelled", "connect-failure", "deadline-exceeded", "envoy-ratelimited", "gateway-error", '
    '"http3-post-connect-failure", "internal", "refused-stream", "reset", "reset-before-request", '
    '"resource-exhausted", "retriable-4xx", "unavailable"'
)

STEERING: dict[str, tuple[Spec, str, str]] = {
    "a term that is none": (
        {"order": ["@region", "member/US"]},
        f'field "spec.order": "member/US" {NO_TERM}',
        f'spec.order: Invalid value: "member/US" {NO_TERM}',
    ),
    "an unknown @ term": (
        {"order": ["@zone"]},
        f'field "spec.order": "@zone" {NO_TERM}',
        f'spec.order: Invalid value: "@zone" {NO_TERM}',
    ),
    "a label without a value": (
        {"order": ["label/tier"]},
        f'field "spec.order": "label/tier" {NO_TERM}',
        f'spec.order: Invalid value: "label/tier" {NO_TERM}',
    ),
    "a negative weight": (
        {"weights": {"us-east": -1}},
        "Expected `int` >= 0 - at `$.spec.weights[...]`",
        "spec.weights.us-east: Invalid value: -1: spec.weights.us-east in body should be greater than or equal to 0",
    ),
    "a threshold over 100": (
        {"threshold": 101},
        "Expected `int` <= 100 - at `$.spec.threshold`",
        "spec.threshold: Invalid value: 101: spec.threshold in body should be less than or equal to 100",
    ),
    "least shares over 100 in all": (
        {"minShare": {"us-east": 60, "eu-central": 41}},
        'field "spec.minShare": 101 per cent in all, at most 100',
        "spec.minShare: Invalid value: more than 100 per cent in all",
    ),
    "a share over 100": (
        {"maxShare": {"us-east": 101}},
        "Expected `int` <= 100 - at `$.spec.maxShare[...]`",
        "spec.maxShare.us-east: Invalid value: 101: spec.maxShare.us-east in body should be less than or equal to 100",
    ),
    "a least share above the most": (
        {"minShare": {"us-east": 60}, "maxShare": {"us-east": 50}},
        'field "spec.minShare": us-east has more than its maxShare',
        "spec: Invalid value: minShare: a region has more than its maxShare",
    ),
    "a least share where nobody may serve": (
        {"minShare": {"us-east": 60}, "residency": ["eu-central"]},
        'field "spec.minShare": "us-east" is not in spec.residency',
        "spec: Invalid value: minShare: a region is not in spec.residency",
    ),
    "a residency that weights leave empty": (
        {"residency": ["eu-central"], "weights": {"us-east": 1, "eu-central": 0}},
        'field "spec.residency": leaves nobody: no region in it has a weight above 0',
        "spec: Invalid value: residency: leaves nobody: no region in it has a weight above 0",
    ),
    "a negative price": (
        {"prices": [{"from": "us-east", "to": "*", "perGB": -0.01}]},
        "Expected `float` >= 0.0 - at `$.spec.prices[0].perGB`",
        "spec.prices[0].perGB: Invalid value: -0.01: spec.prices[0].perGB in body should be greater than or equal to 0",
    ),
    "a price twice": (
        {"prices": [{"from": "us-east", "to": "*", "perGB": 0.02}, {"from": "us-east", "to": "*", "perGB": 0.01}]},
        'field "spec.prices": from us-east to * stands there twice',
        "spec.prices: Invalid value: a pair of regions stands there twice",
    ),
    "a probe of no kind": (
        {"probe": {"kind": "udp"}},
        "Invalid enum value 'udp' - at `$.spec.probe.kind`",
        'spec.probe.kind: Unsupported value: "udp"',
    ),
    "a status that is none": (
        {"probe": {"path": "/", "statuses": ["2xx"]}},
        "Expected `str` matching regex '^[1-5][0-9]{2}(-[1-5][0-9]{2})?$' - at `$.spec.probe.statuses[0]`",
        'spec.probe.statuses[0]: Invalid value: "2xx": spec.probe.statuses[0] in body should match',
    ),
    "a program without a name": (
        {"probe": {"kind": "exec"}},
        'field "spec.probe.command": kind exec needs the name that the operator gave to a program',
        "spec.probe: Invalid value: command: kind exec needs one, and no other kind has one",
    ),
    "a name of a program that is not asked for": (
        {"probe": {"command": "own"}},
        'field "spec.probe.command": only used with kind exec',
        "spec.probe: Invalid value: command: kind exec needs one, and no other kind has one",
    ),
    "a path that is none": (
        {"probe": {"path": "up"}},
        """field "spec.probe.path": 'up' must begin with "/" and hold printable ASCII without spaces""",
        'must begin with "/" and hold printable ASCII without spaces',
    ),
    "more probes than there are": (
        {"probes": [{}] * 9},
        "Expected `array` of length <= 8 - at `$.spec.probes`",
        "spec.probes: Too many: 9: must have at most 8 items",
    ),
    "a need that is none": (
        {"probes": [{}], "need": "most"},
        "Invalid enum value 'most' - at `$.spec.need`",
        "must be all, any or a number from 1 to 8",
    ),
    "a need of nobody": (
        {"probes": [{}], "need": 0},
        "Expected `int` >= 1 - at `$.spec.need`",
        "must be all, any or a number from 1 to 8",
    ),
}
"""Of a TrafficPolicy and of a GlobalName alike."""

PROXIED: dict[str, tuple[Spec, str, str]] = {
    "a capacity of 0": (
        {"capacity": 0},
        "Expected `int` >= 1 - at `$.spec.capacity`",
        "spec.capacity: Invalid value: 0: spec.capacity in body should be greater than or equal to 1",
    ),
    "an unknown target": (
        {"target": "Cluster"},
        "Invalid enum value 'Cluster' - at `$.spec.target`",
        'spec.target: Unsupported value: "Cluster": supported values: "Namespace", "Service"',
    ),
    "a canary over 100": (
        {"canary": {"to": "us-west", "percent": 100.5}},
        "Expected `float` <= 100.0 - at `$.spec.canary.percent`",
        "spec.canary.percent: Invalid value: 100.5: spec.canary.percent in body should be less than or equal to 100",
    ),
    "a canary of too little": (
        {"canary": {"to": "us-west", "percent": 0.05}},
        "Expected `float` >= 0.1 - at `$.spec.canary.percent`",
        "spec.canary.percent: Invalid value: 0.05: spec.canary.percent in body should be greater than or equal to 0.1",
    ),
    "a canary to nobody": (
        {"canary": {"to": "@az", "percent": 1}},
        f'field "spec.canary.to": "@az" {NOBODY}',
        f'spec.canary.to: Invalid value: "@az": {NOBODY}',
    ),
    "a canary out of residency": (
        {"canary": {"to": "us-west", "percent": 1}, "residency": ["eu-central"]},
        'field "spec.canary.to": "us-west" is not in spec.residency',
        "spec: Invalid value: canary.to: is not in spec.residency",
    ),
    "a mirror to nobody": (
        {"mirror": {"to": "label/x", "percent": 1}},
        f'field "spec.mirror.to": "label/x" {NOBODY}',
        f'spec.mirror.to: Invalid value: "label/x": {NOBODY}',
    ),
    "a mirror out of residency": (
        {"mirror": {"to": "us-west", "percent": 1}, "residency": ["eu-central"]},
        'field "spec.mirror.to": "us-west" is not in spec.residency',
        "spec: Invalid value: mirror.to: is not in spec.residency",
    ),
    "a fallback without a name": (
        {"panic": {"action": "fallback"}},
        'field "spec.panic.fallback": action fallback needs the name of a service of the same namespace',
        "spec.panic: Invalid value: fallback: action fallback needs the name of a service of the same namespace",
    ),
    "a fallback that is not used": (
        {"panic": {"action": "open", "fallback": "sorry"}},
        'field "spec.panic.fallback": only used with action fallback',
        "spec.panic: Invalid value: fallback: only used with action fallback",
    ),
    "a fallback in another namespace": (
        {"panic": {"action": "fallback", "fallback": "ops/sorry"}},
        'field "spec.panic.fallback": "ops/sorry" is not a DNS label',
        'spec.panic.fallback: Invalid value: "ops/sorry": is not a DNS label',
    ),
    "a fallback to itself": (
        {"panic": {"action": "fallback", "fallback": "web"}},
        'field "spec.panic.fallback": "web" cannot take the place of itself',
        "spec.panic.fallback: a service cannot take the place of itself",
    ),
    "a fallback of a namespace": (
        {"target": "Namespace", "panic": {"action": "fallback", "fallback": "sorry"}},
        'field "spec.panic.action": fallback is for one service: set spec.target to Service',
        "spec: Invalid value: panic.action: fallback is for one service: set spec.target to Service",
    ),
    "a panic below 101": (
        {"panic": {"below": 101}},
        "Expected `int` <= 100 - at `$.spec.panic.below`",
        "spec.panic.below: Invalid value: 101: spec.panic.below in body should be less than or equal to 100",
    ),
    "an affinity by a header without its name": (
        {"affinity": {"by": "header"}},
        'field "spec.affinity.name": affinity by header needs the name of the header',
        "spec.affinity: Invalid value: name: affinity by header or cookie needs its name",
    ),
    "an affinity by a cookie without its name": (
        {"affinity": {"by": "cookie", "seconds": 60}},
        'field "spec.affinity.name": affinity by cookie needs the name of the cookie',
        "spec.affinity: Invalid value: name: affinity by header or cookie needs its name",
    ),
    "an affinity by source with a name": (
        {"affinity": {"by": "source", "name": "x-user"}},
        'field "spec.affinity.name": only used with by header or cookie',
        "spec.affinity: Invalid value: name: only used with by header or cookie",
    ),
    "a header that is none": (
        {"affinity": {"by": "header", "name": "x user"}},
        "field \"spec.affinity.name\": 'x user' is no name of a header or cookie (RFC 9110, token)",
        'spec.affinity.name: Invalid value: "x user": is no name of a header or cookie (RFC 9110, token)',
    ),
    "seconds of a header": (
        {"affinity": {"by": "header", "name": "x-user", "seconds": 5}},
        'field "spec.affinity.seconds": only used with by cookie',
        "spec.affinity: Invalid value: seconds: only used with by cookie",
    ),
    "a retry word that Envoy does not know": (
        {"retries": {"retryOn": ["5xx", "sometimes"]}},
        "Invalid enum value 'sometimes' - at `$.spec.retries.retryOn[1]`",
        f'spec.retries.retryOn[1]: Unsupported value: "sometimes": supported values: {ON}',
    ),
    "a back-off that ends before it begins": (
        {"retries": {"baseMs": 100, "maxMs": 50}},
        'field "spec.retries.maxMs": 50 is less than baseMs 100',
        "spec.retries: Invalid value: maxMs: is less than baseMs",
    ),
    "an ejection that ends before it begins": (
        {"outlierDetection": {"baseEjectionMs": 1000, "maxEjectionMs": 500}},
        'field "spec.outlierDetection.maxEjectionMs": 500 is less than baseEjectionMs 1000',
        "spec.outlierDetection: Invalid value: maxEjectionMs: is less than baseEjectionMs",
    ),
    "a retry budget over 100": (
        {"retries": {"budget": {"percent": 101}}},
        "Expected `int` <= 100 - at `$.spec.retries.budget.percent`",
        "spec.retries.budget.percent: Invalid value: 101: "
        "spec.retries.budget.percent in body should be less than or equal to 100",
    ),
    "a rate limit of 0": (
        {"rateLimit": {"requestsPerSecond": 0}},
        "Expected `int` >= 1 - at `$.spec.rateLimit.requestsPerSecond`",
        "spec.rateLimit.requestsPerSecond: Invalid value: 0: "
        "spec.rateLimit.requestsPerSecond in body should be greater than or equal to 1",
    ),
    "a negative timeout": (
        {"timeouts": {"requestMs": -1}},
        "Expected `int` >= 0 - at `$.spec.timeouts.requestMs`",
        "spec.timeouts.requestMs: Invalid value: -1: "
        "spec.timeouts.requestMs in body should be greater than or equal to 0",
    ),
}
"""Of a TrafficPolicy alone."""
