"""DNS cookies (RFC 7873) in the interoperable form (RFC 9018). Pure."""

import struct
from ipaddress import ip_address

from gslb.query import MalformedError

CLIENT, SERVER_LEAST, SERVER_MOST = 8, 8, 32
SECRET = 16
"""Bytes."""

VERSION = 1
RENEWED, AHEAD = 1_800, 300
"""A server cookie stays for half an hour, and is believed five minutes early: seconds (RFC 9018 section 4.3)."""

_MASK = (1 << 64) - 1


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


def siphash(key: bytes, data: bytes) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012)."""
    low, high = (int.from_bytes(part, "little") for part in (key[:8], key[8:]))
    state = [low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573]
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        state[3] ^= word
        _rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _rounds(state: list[int], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a, c = (a + b) & _MASK, (c + d) & _MASK
        b, d = _turned(b, 13) ^ a, _turned(d, 16) ^ c
        a = _turned(a, 32)
        c, a = (c + b) & _MASK, (a + d) & _MASK
        b, d = _turned(b, 17) ^ c, _turned(d, 21) ^ a
        c = _turned(c, 32)
    state[:] = a, b, c, d


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _MASK
