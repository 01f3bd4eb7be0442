"""What a tree of policies may not be: what -> (spec.routing, what check.py says, what the API server says), and what
only the former says, as no schema can.
"""

from typing import Any

Nodes = list[dict[str, Any]]
KINDS = "steered, failover, weighted, canary, geo, subnets, proximity, latency, static"
EU: dict[str, Any] = {"name": "eu", "failover": ["eu-central"]}

ROUTING: dict[str, tuple[Nodes, str, str]] = {
    "a policy of no kind": (
        [{"name": "root"}],
        f'field "spec.routing[0]": has 0 kinds, write exactly one of {KINDS}',
        f"spec.routing[0]: Invalid value: write exactly one of {KINDS}",
    ),
    "a policy of two kinds": (
        [{"name": "root", "failover": ["us-east"], "steered": ["*"]}],
        f'field "spec.routing[0]": has 2 kinds, write exactly one of {KINDS}',
        f"spec.routing[0]: Invalid value: write exactly one of {KINDS}",
    ),
    "a canary without others": (
        [{"name": "root", "canary": {"to": "us-east", "percent": 5}}],
        'field "spec.routing[0].otherwise": says who gets all other clients: write it with canary, geo, subnets',
        "spec.routing[0]: Invalid value: otherwise: goes with canary, geo, subnets, and with these alone",
    ),
    "otherwise where nobody asks": (
        [{"name": "root", "failover": ["us-east"], "otherwise": ["eu-central"]}],
        'field "spec.routing[0].otherwise": is only used with canary, geo, subnets',
        "spec.routing[0]: Invalid value: otherwise: goes with canary, geo, subnets, and with these alone",
    ),
    "two policies of one name": (
        [{"name": "eu", "failover": ["us-east"]}, EU],
        'field "spec.routing": policy "eu" stands there twice',
        "spec.routing: Invalid value: a policy stands there twice",
    ),
    "a policy that is no label": (
        [{"name": "Eu", "failover": ["us-east"]}],
        'field "spec.routing": policy "Eu": its name is not a DNS label',
        'spec.routing[0].name: Invalid value: "Eu": is not a DNS label',
    ),
    "a place beyond the pole": (
        [{"name": "root", "proximity": [{"to": "us-east", "latitude": 91, "longitude": 0}]}],
        "Expected `float` <= 90.0 - at `$.spec.routing[0].proximity[0].latitude`",
        "spec.routing[0].proximity[0].latitude: Invalid value: 91: spec.routing[0].proximity[0].latitude in body "
        "should be less than or equal to 90",
    ),
}

ONLY_HERE: dict[str, tuple[Nodes, str]] = {
    "a circle": (
        [{"name": "a", "failover": ["policy/b"]}, {"name": "b", "failover": ["policy/a"]}],
        'policy "a": a -> b -> a leads back to itself',
    ),
    "a policy that is not there": (
        [{"name": "a", "failover": ["policy/b"]}],
        'policy "a": there is no policy "b"; known: a',
    ),
    "a policy that nobody asks": (
        [{"name": "a", "failover": ["us-east"]}, EU],
        'policy "eu": no other leads to it, and "a" is the first',
    ),
    "what is no branch": (
        [{"name": "a", "failover": ["US"]}],
        'policy "a": "US" is no branch: write policy/NAME, a region, member/NAME, label/KEY=VALUE or *',
    ),
    "a law over policies": (
        [{"name": "a", "steered": ["policy/eu"]}, EU],
        'policy "a": "policy/eu": steered takes members, not policies; write failover',
    ),
    "weights of 0 alone": (
        [{"name": "a", "weighted": [{"to": "us-east", "weight": 0}]}],
        'policy "a": all weights are 0: give at least one branch a weight',
    ),
    "what is no place": (
        [{"name": "a", "geo": [{"match": ["France"], "to": ["us-east"]}], "otherwise": ["*"]}],
        'policy "a": "France" is no place: write asn/NUMBER, subdivision/US-CA, country/FR or continent/EU',
    ),
    "a place twice": (
        [{"name": "a", "geo": [{"match": ["country/FR", "country/FR"], "to": ["us-east"]}], "otherwise": ["*"]}],
        'policy "a": "country/FR" stands there twice',
    ),
    "what is no range": (
        [{"name": "a", "subnets": [{"match": ["192.0.2.1/24"], "to": ["us-east"]}], "otherwise": ["*"]}],
        'policy "a": "192.0.2.1/24" is no range such as 192.0.2.0/24, without host bits',
    ),
    "a range of IPv6 that is too long": (
        [{"name": "a", "subnets": [{"match": ["2001:db8::/65"], "to": ["us-east"]}], "otherwise": ["*"]}],
        'policy "a": "2001:db8::/65": /64 is the longest prefix of IPv6',
    ),
    "a range in another form": (
        [{"name": "a", "subnets": [{"match": ["2001:DB8::/32"], "to": ["us-east"]}], "otherwise": ["*"]}],
        'policy "a": "2001:DB8::/32": write 2001:db8::/32',
    ),
    "an address of ourselves": (
        [{"name": "a", "static": ["127.0.0.1"]}],
        'policy "a": address "127.0.0.1" lies in 127.0.0.0/8, which is never an endpoint',
    ),
    "more branches than anybody walks": (
        [{"name": f"p{n}", "failover": [*(f"r{m}" for m in range(31)), f"policy/p{n + 1}"]} for n in range(4)]
        + [{"name": "p4", "failover": ["r1"]}],
        "129 branches in all policies together, at most 128",
    ),
    "what is no address": (
        [{"name": "a", "static": ["sorry.example.com"]}],
        'policy "a": address "sorry.example.com" is not an IP address',
    ),
}
