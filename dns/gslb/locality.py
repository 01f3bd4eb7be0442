"""Where a client of public names stands: the member whose subnets contain its address, longest prefix first. Pure."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec import Struct

from federation.model.cidr import Network
from federation.model.errors import InputError
from federation.model.handout import Place
from federation.model.names import is_label

SCOPE = {4: 24, 6: 48}
"""The bits of a client subnet (RFC 7871) that count, by IP version: never more, so that scopes never overlap."""


class Line(Struct, frozen=True):
    """One line of `--subnets`: the clients of this range stand at a member, or at a region's first member."""

    where: str
    network: Network
    name: str


class Subnets(Struct, frozen=True):
    """Members by prefix length and by network, for IPv4 and IPv6; `problems` are lines that name nobody."""

    v4: dict[int, dict[int, str]]
    v6: dict[int, dict[int, str]]
    problems: tuple[str, ...] = ()

    def locate(self, address: str, longest: int = 128) -> str | None:
        """The member by the longest prefix of at most `longest` bits; None when no subnet contains the address."""
        parsed = ip_address(address)
        value, bits = int(parsed), parsed.max_prefixlen
        for length, networks in (self.v4 if parsed.version == 4 else self.v6).items():
            if length <= longest:
                member = networks.get(value >> (bits - length))
                if member is not None:
                    return member
        return None


def parse_lines(text: str, path: str) -> tuple[Line, ...]:
    """Lines `CIDR MEMBER-or-REGION`, with `#` comments. InputError (E122) naming file and line."""
    found: dict[Network, Line] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        where = f"{path}:{number}"
        words = raw.partition("#")[0].split()
        if not words:
            continue
        line = _line(words, where)
        if line.network in found:
            before = found[line.network].where
            raise InputError(f'--subnets {where}: "{line.network}" stands at {before} already', "E122")
        found[line.network] = line
    return tuple(found.values())


def _line(words: list[str], where: str) -> Line:
    if len(words) != 2:
        text = " ".join(words)
        raise InputError(f'--subnets {where}: "{text}": write a line as CIDR MEMBER or CIDR REGION', "E122")
    cidr, name = words
    try:
        network = ip_network(cidr)
    except ValueError:
        raise InputError(f"--subnets {where}: {_reason(cidr)}", "E122") from None
    if not is_label(name):
        raise InputError(f'--subnets {where}: "{name}": a member or a region is a DNS label in lower case', "E122")
    return Line(where, network, name)


def _reason(cidr: str) -> str:
    try:
        return f'"{cidr}": has host bits set; write "{ip_network(cidr, strict=False)}"'
    except ValueError:
        return f'"{cidr}": is not a range such as 192.0.2.0/24 or 2001:db8::/32'


def compile_subnets(own: str, places: Iterable[Place], lines: Iterable[Line]) -> Subnets:
    """The map. For the same prefix the operator's line counts, then our own member, then the lowest number."""
    ranked = sorted(places, key=lambda place: (place.member == own, -place.number))
    networks: dict[Network, str] = {ip_network(text): place.member for place in ranked for text in place.subnets}
    names = _names(ranked)
    problems = []
    for line in lines:
        if line.name in names:
            networks[line.network] = names[line.name]
        else:
            known = ", ".join(sorted(names))
            problems.append(f'--subnets {line.where}: no member or region "{line.name}"; known: {known}')
    return Subnets(_by_length(networks, 4), _by_length(networks, 6), tuple(problems))


def _names(places: Iterable[Place]) -> Mapping[str, str]:
    """Members and regions: a region means its member with the lowest number, a member's own name goes first."""
    ranked = sorted(places, key=lambda place: -place.number)
    return {place.region: place.member for place in ranked} | {place.member: place.member for place in ranked}


def _by_length(networks: Mapping[Network, str], version: int) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = {}
    for network, member in networks.items():
        if network.version == version:
            found.setdefault(network.prefixlen, {})[_bits(network)] = member
    return dict(sorted(found.items(), reverse=True))


def _bits(network: IPv4Network | IPv6Network) -> int:
    return int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
