"""Public names: what an operator says of how one is answered."""

from typing import Literal, get_args

from msgspec import Struct

from federation.model.names import ServiceKey
from federation.model.policy import Policy
from federation.model.routing import Routing

Steering = Literal["steered", "weighted"]
Apart = Literal["member", "region"]
Protocol = Literal["h2", "h3", "http/1.1"]
"""Registered names of protocols (RFC 7301) that clients of HTTPS records know."""

ALPN = get_args(Protocol)


class GlobalName(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A public name: `host` answers with the public addresses of the members that offer `service`.

    `ttl` in seconds, `least_ttl` while shares move or a target is newly down (0: `ttl`). `policy.weights` are used when
    `steering` is `weighted`. With a `routing` that says who gets which clients, within `policy`. An answer has so many
    `answers` members, no two of them in one failure domain (`apart`). `ignore_subnet`: by the resolver's address alone.
    With `alpn` the name has an HTTPS record (RFC 9460) that names these protocols and hints at the same addresses.
    """

    host: str
    service: ServiceKey
    steering: Steering = "steered"
    ttl: int = 30
    least_ttl: int = 0
    policy: Policy = Policy()
    routing: Routing | None = None
    answers: int = 1
    apart: Apart = "member"
    ignore_subnet: bool = False
    alpn: tuple[str, ...] = ()
