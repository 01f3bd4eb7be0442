"""DNS cookies (RFC 7873) in the interoperable form (RFC 9018). Pure."""

import struct
from ipaddress import ip_address

from federation.law.pick import siphash
from gslb.query import MalformedError

CLIENT, SERVER_LEAST, SERVER_MOST = 8, 8, 32
SECRET = 16
"""Bytes."""

VERSION = 1
RENEWED, AHEAD = 1_800, 300
"""A server cookie stays for half an hour, and is believed five minutes early: seconds (RFC 9018 section 4.3)."""


def client_part(option: bytes) -> bytes:
    """The client's cookie in the option. MalformedError for a length that it cannot have (RFC 7873 section 5.2.2)."""
    rest = len(option) - CLIENT
    if rest and not SERVER_LEAST <= rest <= SERVER_MOST:
        raise MalformedError("a cookie of that length")
    return option[:CLIENT]


def answered(option: bytes, address: str, seconds: int, secrets: tuple[bytes, ...]) -> bytes:
    """The option of the response at this Unix second: as it came where one of these secrets made it for this address of
    late, else with a server cookie that the first of them makes.
    """
    client = client_part(option)
    if _is_good(option, address, seconds, secrets):
        return option
    return client + _server(client, address, seconds & 0xFFFFFFFF, secrets[0])


def _is_good(option: bytes, address: str, seconds: int, secrets: tuple[bytes, ...]) -> bool:
    client, server = option[:CLIENT], option[CLIENT:]
    if len(server) != 16 or server[0] != VERSION:
        return False
    (at,) = struct.unpack_from("!I", server, 4)
    age = (seconds - at + (1 << 31)) % (1 << 32) - (1 << 31)
    return -AHEAD <= age <= RENEWED and any(_server(client, address, at, secret) == server for secret in secrets)


def _server(client: bytes, address: str, at: int, secret: bytes) -> bytes:
    head = struct.pack("!BxxxI", VERSION, at)
    return head + siphash(secret, client + head + ip_address(address).packed).to_bytes(8, "little")
