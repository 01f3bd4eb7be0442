"""Where a client of public names stands: the member whose subnets contain its address, longest prefix first. Pure."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from msgspec import Struct

from federation.model.cidr import Network
from federation.model.errors import InputError
from federation.model.handout import Place
from federation.model.names import is_label
from gslb.client import Client
from gslb.ranges import NONE, ByClient, by_client


class Line(Struct, frozen=True):
    """One line of `--subnets`: the clients of this range stand at a member, or at a region's first member."""

    where: str
    network: Network
    name: str


class Subnets(Struct, frozen=True):
    """Which member a client stands near: `members` by value. `problems` are lines that name nobody."""

    by_client: ByClient = ByClient()
    members: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def locate(self, client: Client) -> tuple[str | None, int]:
        """The member by the longest prefix around the client (None when there is none), and the bits that say so."""
        value, bits = self.by_client.find(client)
        return (None if value == NONE else self.members[value]), bits


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
    members = tuple(dict.fromkeys(networks.values()))
    values = {member: at for at, member in enumerate(members)}
    found = by_client((network, values[member]) for network, member in networks.items())
    return Subnets(found, members, tuple(problems))


def _names(places: Iterable[Place]) -> Mapping[str, str]:
    """Members and regions: a region means its member with the lowest number, a member's own name goes first."""
    ranked = sorted(places, key=lambda place: -place.number)
    return {place.region: place.member for place in ranked} | {place.member: place.member for place in ranked}
