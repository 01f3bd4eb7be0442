"""What an AccessPolicy or an EgressPolicy may not say, one mistake each: (spec, what check.py says, what the API server says)."""

from typing import Any

ANY: dict[str, Any] = {"from": [{}]}
PORT = "is no name of a port and no number from 1 to 65535"

ACCESS: dict[str, tuple[dict[str, Any], str, str]] = {
    "nobody who may call": (
        {"from": []},
        "Expected `array` of length >= 1 - at `$.spec.from`",
        "spec.from: Invalid value: 0: spec.from in body should have at least 1 items",
    ),
    "no word of who may call": (
        {"service": "web"},
        "Object missing required field `from` - at `$.spec`",
        "spec.from: Required value",
    ),
    "a service of another namespace": (
        ANY | {"service": "ops/web"},
        'field "spec.service": "ops/web" is not a DNS label',
        'spec.service: Invalid value: "ops/web": is not a DNS label',
    ),
    "a caller of what is no member": (
        {"from": [{"member": "us-east"}, {"member": "US"}]},
        'field "spec.from[1].member": "US" is not a DNS label',
        'spec.from[1].member: Invalid value: "US": is not a DNS label',
    ),
    "a caller of what is no namespace": (
        {"from": [{"namespace": "*"}]},
        'field "spec.from[0].namespace": "*" is not a DNS label',
        'spec.from[0].namespace: Invalid value: "*": is not a DNS label',
    ),
    "a caller of what is no account": (
        {"from": [{"serviceAccount": "a/b"}]},
        'field "spec.from[0].serviceAccount": "a/b" is not a DNS name in lower case',
        'spec.from[0].serviceAccount: Invalid value: "a/b": is not a DNS name in lower case',
    ),
    "a port that is too high": (
        ANY | {"ports": ["http", "65536"]},
        f'field "spec.ports": "65536" {PORT}',
        f'spec.ports: Invalid value: "65536" {PORT}',
    ),
    "port 0": (
        ANY | {"ports": ["0"]},
        f'field "spec.ports": "0" {PORT}',
        f'spec.ports: Invalid value: "0" {PORT}',
    ),
    "a port that no name can be": (
        ANY | {"ports": ["-http"]},
        f'field "spec.ports": "-http" {PORT}',
        f'spec.ports: Invalid value: "-http" {PORT}',
    ),
    "a method that is none": (
        ANY | {"methods": ["get"]},
        "Invalid enum value 'get' - at `$.spec.methods[0]`",
        'spec.methods[0]: Unsupported value: "get": supported values: '
        '"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"',
    ),
    "a path without its slash": (
        ANY | {"paths": ["/a", "b"]},
        'field "spec.paths": \'b\' must begin with "/" and hold printable ASCII without spaces',
        'spec.paths: Invalid value: one does not begin with "/" or holds more than printable ASCII without spaces',
    ),
}

EGRESS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an account for what is none": (
        {"serviceAccounts": ["cart", "a/b"]},
        'field "spec.serviceAccounts": "a/b" is not a DNS name in lower case',
        "one is not a DNS name in lower case",
    ),
    "an account without a name": (
        {"serviceAccounts": [""]},
        "Expected `str` of length >= 1 - at `$.spec.serviceAccounts[0]`",
        "should be at least 1 chars long",
    ),
    "a way to what is no namespace": (
        {"to": [{"namespace": "shop"}, {"namespace": "*"}]},
        'field "spec.to[1].namespace": "*" is not a DNS label',
        'spec.to[1].namespace: Invalid value: "*": is not a DNS label',
    ),
    "a way to what is no service": (
        {"to": [{"service": "web.shop"}]},
        'field "spec.to[0].service": "web.shop" is not a DNS label',
        'spec.to[0].service: Invalid value: "web.shop": is not a DNS label',
    ),
    "addresses of what is no member": (
        {"addresses": ["EU"]},
        'field "spec.addresses": "EU" is not a DNS label',
        "one is not a DNS label",
    ),
}
