"""The client subnet option (RFC 7871): read strictly, echoed with the scope of the answer. Pure."""

from ipaddress import ip_address

from msgspec import Struct

from gslb.query import MalformedError

_BITS = {1: 32, 2: 128}
"""The bits of an address by the registry's number of its family."""


class Subnet(Struct, frozen=True):
    """A client subnet: its address with zeros beyond `source` bits, and the option as it came."""

    address: str
    source: int
    option: bytes


def parse_subnet(option: bytes) -> Subnet:
    """The subnet in these bytes; family 0 with nothing behind it asks not to be located, as /0 does.

    MalformedError where RFC 7871 section 7.1.2 asks for FORMERR.
    """
    if len(option) < 4:
        raise MalformedError("client subnet: cut off")
    family, source, scope, given = int.from_bytes(option[:2], "big"), option[2], option[3], option[4:]
    if family == source == scope == 0 and not given:
        return Subnet(str(ip_address(0)), 0, option)
    bits = _BITS.get(family, -1)
    if source > bits or scope:
        raise MalformedError("client subnet: family, source or scope")
    if len(given) != (source + 7) // 8 or (source % 8 and given[-1] & 0xFF >> source % 8):
        raise MalformedError("client subnet: address")
    packed = given.ljust(bits // 8, b"\0")
    return Subnet(str(ip_address(packed)), source, option)


def echo(subnet: Subnet, scope: int) -> bytes:
    """The option of the response: all as it came, but for the scope."""
    return subnet.option[:3] + bytes([scope]) + subnet.option[4:]
