"""Where one member hears the gateways of another: in its record, and in the handouts of those who look for them."""

from msgspec import Struct

from federation.model.names import MemberName

SIGHTED_MAX = 4
"""Endpoints by the word of others that are tried of one socket of a gateway."""


class Sighting(Struct, frozen=True, kw_only=True):
    """The owner of the record hears this gateway of another member from elsewhere than that member's record says, as it
    does when that is behind NAT. Key `sighting/<member>/<gateway>/<rail>`.

    `rail` is that of the owner's gateway that hears it, and so tells which socket of the other speaks; `endpoint` is
    its `ip:port` as the underlay shows it.
    """

    member: MemberName
    gateway: int
    rail: int
    endpoint: str


class Sighted(Struct, frozen=True, kw_only=True):
    """Where other members hear a gateway of a peer, when that is elsewhere than its record says. Key
    `sighted/<member>/<gateway>/<rail>`.

    `endpoints` (`ip:port`) are of the socket that speaks with gateways on `rail`; what most of them say comes first.
    """

    member: MemberName
    gateway: int
    rail: int
    endpoints: tuple[str, ...]
