"""What a server says of itself when asked: EDNS options and names of class CHAOS. Pure."""

import struct

from msgspec import Struct

from gslb import cookies
from gslb.query import MalformedError, Query

NSID, COOKIE, KEEPALIVE, ZONEVERSION = 3, 10, 11, 19
CHAOS = 3
IDLE_TENTHS = 100
"""How long a TCP connection may be idle, in units of 100 ms (RFC 7828 section 3.1)."""

ID_NAMES = frozenset(("id.server", "hostname.bind"))
VERSION_NAMES = frozenset(("version.server", "version.bind"))
SOFTWARE = "isthmus"


class Itself(Struct, frozen=True):
    """`name` is what this server is called (RFC 5001; "": it does not say), `secrets` those of its cookies: the first
    makes them; none: it takes no notice of cookies.
    """

    name: str = ""
    secrets: tuple[bytes, ...] = ()


class Version(Struct, frozen=True):
    """The zone that answers, and the serial of its SOA."""

    apex: str
    serial: int


Options = list[tuple[int, bytes]]


def check_options(query: Query, tcp: bool) -> None:
    """MalformedError for an option whose form its RFC calls a format error."""
    for code, name in ((NSID, "NSID"), (ZONEVERSION, "ZONEVERSION"), *(((KEEPALIVE, "keepalive"),) if tcp else ())):
        if any(query.option(code)):
            raise MalformedError(f"{name} with data")
    for option in query.option(COOKIE):
        cookies.client_part(option)


def options_of(query: Query, itself: Itself, version: Version | None, address: str, tcp: bool, seconds: int) -> Options:
    """What is told of what was asked: NSID (RFC 5001), a cookie (RFC 9018), how long a connection may idle (RFC 7828),
    the version of the zone (RFC 9660).
    """
    found: Options = []
    if query.option(NSID) and itself.name:
        found.append((NSID, itself.name.encode()))
    if itself.secrets and (given := query.option(COOKIE)):
        found.append((COOKIE, cookies.answered(given[0], address, seconds, itself.secrets)))
    if tcp and query.option(KEEPALIVE):
        found.append((KEEPALIVE, struct.pack("!H", IDLE_TENTHS)))
    if version is not None and query.option(ZONEVERSION):
        labels = version.apex.count(".") + 1
        found.append((ZONEVERSION, struct.pack("!BBI", labels, 0, version.serial)))
    return found


def chaos(itself: Itself, name: str) -> str | None:
    """The text of a name of class CHAOS (RFC 4892); None: it is refused."""
    if name in VERSION_NAMES:
        return SOFTWARE
    return itself.name or None if name in ID_NAMES else None
