"""Measured round trips from clients to members: lines of a file that whoever measures them writes. Pure."""

from collections.abc import Iterator
from ipaddress import ip_network

from msgspec import Struct

from federation.model.cidr import Network
from federation.model.errors import InputError
from federation.model.names import is_label
from federation.model.policy import Range
from gslb.ranges import ByClient, by_client

MS = Range(0, 60_000)
FORM = "write a line as CIDR MEMBER=MILLISECONDS..."


class Latencies(Struct, frozen=True):
    """`lines` by value: milliseconds by member."""

    by_client: ByClient = ByClient()
    lines: tuple[dict[str, int], ...] = ()


NO_LATENCIES = Latencies()


def parse_latencies(text: str, path: str) -> Latencies:
    """Lines `CIDR MEMBER=MS...` with `#` comments. InputError (E122) naming file and line."""
    found: dict[Network, dict[str, int]] = {}
    for where, words in _lines(text, path):
        network = _network(words[0], where)
        if network in found:
            raise InputError(f'{where}: "{words[0]}" stands there twice', "E122")
        found[network] = dict(_measured(word, where) for word in words[1:])
        if not found[network]:
            raise InputError(f'{where}: "{words[0]}": {FORM}', "E122")
    values = ((network, at) for at, network in enumerate(found))
    return Latencies(by_client(values), tuple(found.values()))


def _lines(text: str, path: str) -> Iterator[tuple[str, list[str]]]:
    for number, raw in enumerate(text.splitlines(), 1):
        words = raw.partition("#")[0].split()
        if words:
            yield f"--latencies {path}:{number}", words


def _network(text: str, where: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise InputError(f'{where}: "{text}" is no range such as 192.0.2.0/24, without host bits', "E122") from None


def _measured(word: str, where: str) -> tuple[str, int]:
    member, _, said = word.partition("=")
    if not is_label(member) or not said.isdecimal() or not said.isascii() or len(said) > 9:
        raise InputError(f'{where}: "{word[:80]}": {FORM}', "E122")
    if not MS.low <= int(said) <= MS.high:
        raise InputError(f"{where}: {member} {said} ms is not {MS.low} to {MS.high}", "E122")
    return member, int(said)
