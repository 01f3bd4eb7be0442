"""Routing: a tree of policies that says which members a client of a public name gets (design section 9).

A branch is named by a reference: a term (`region`, `member/NAME`, `label/KEY=VALUE`), `*` for every member, or
`policy/NAME` for another node. Integers only, so that every DNS server computes the same.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from federation.model.policy import Range

NODES_MAX = 32
BRANCHES = Range(1, 32)
RULES = Range(1, 64)
MATCHES = Range(1, 256)
TOGETHER = Range(1, 128)
"""References of all policies of a tree: they bound what a walk of it costs the DNS servers of other members."""

AT_LEAST = Range(1, 64)
ANSWERS = Range(1, 8)
ADDRESSES = Range(1, 8)
DEGREES = 1_000
"""Latitude and longitude are in thousandths of a degree."""

LATITUDE = Range(-90 * DEGREES, 90 * DEGREES)
LONGITUDE = Range(-180 * DEGREES, 180 * DEGREES)
BIAS = Range(-99, 99)
EVERYBODY = "*"
NODE = "policy/"

Down = Literal["up", "open", "closed", "last"]


class Node(Struct, frozen=True, kw_only=True):
    """What every node says. With fewer than `at_least` members that can take requests it counts as down.

    Then, by `down`: `up`, the node above decides, as if it were not there; `open`, as if all its members were ready;
    `closed`, its clients get no address; `last`, the members that went away last.
    """

    at_least: int = 1
    down: Down = "up"


class Law(Node, frozen=True, kw_only=True, tag="steered"):
    """The federation's law over all whom these terms name."""

    to: tuple[str, ...]


class Failover(Node, frozen=True, kw_only=True, tag="failover"):
    """Each branch takes what it has room for, the first one first."""

    to: tuple[str, ...]


class Weight(Struct, frozen=True):
    """A branch and its weight; with 0 it stands by for when all others are down."""

    to: str
    weight: int


class Weighted(Node, frozen=True, kw_only=True, tag="weighted"):
    """By weights, and by the room that each branch has."""

    to: tuple[Weight, ...]


class Match(Struct, frozen=True):
    """Clients that one of these tells apart, and the branches for them, in order."""

    match: tuple[str, ...]
    to: tuple[str, ...]


class Geo(Node, frozen=True, kw_only=True, tag="geo"):
    """By where the client is: `asn/NUMBER`, `subdivision/US-CA`, `country/FR`, `continent/EU`; narrowest first.

    Clients that none matches, and what its branches have no room for, go to `otherwise`, in order.
    """

    rules: tuple[Match, ...]
    otherwise: tuple[str, ...]


class Subnets(Node, frozen=True, kw_only=True, tag="subnets"):
    """By the longest prefix around the client's address, as Geo."""

    rules: tuple[Match, ...]
    otherwise: tuple[str, ...]


class Spot(Struct, frozen=True):
    """A branch and where it is, in thousandths of a degree. A `bias` of so many per cent makes it that much nearer (or,
    below 0, farther) than it is.
    """

    to: str
    latitude: int
    longitude: int
    bias: int = 0


class Proximity(Node, frozen=True, kw_only=True, tag="proximity"):
    """The nearest first, over the ground; as they are written for a client of whom no place is known."""

    to: tuple[Spot, ...]


class Latency(Node, frozen=True, kw_only=True, tag="latency"):
    """The branch of the smallest measured round trip from where the client stands first."""

    to: tuple[str, ...]


class Canary(Node, frozen=True, kw_only=True, tag="canary"):
    """This part of all clients, in parts per million, to a branch first; the rest to `otherwise`, in order."""

    to: str
    ppm: int
    otherwise: tuple[str, ...]


class Static(Node, frozen=True, kw_only=True, tag="static"):
    """These addresses, whatever the health of anybody."""

    addresses: tuple[str, ...]


AnyNode = Law | Failover | Weighted | Geo | Subnets | Proximity | Latency | Canary | Static


class Routing(Struct, frozen=True):
    """Nodes by name; `root` is where a question begins."""

    root: str
    nodes: dict[str, AnyNode]


def branches_of(node: AnyNode) -> tuple[str, ...]:
    """All branches that a node refers to, in order."""
    match node:
        case Law() | Failover() | Latency():
            return node.to
        case Weighted() | Proximity():
            return tuple(one.to for one in node.to)
        case Geo() | Subnets():
            return (*(to for rule in node.rules for to in rule.to), *node.otherwise)
        case Canary():
            return (node.to, *node.otherwise)
        case Static():
            return ()


def node_name(reference: str) -> str:
    """The node that a reference names; "" for a term."""
    return reference.removeprefix(NODE) if reference.startswith(NODE) else ""


def terms_of(routing: Routing) -> Iterator[tuple[str, str]]:
    """Each node's terms, by the node's name."""
    for name, node in routing.nodes.items():
        for reference in branches_of(node):
            if not node_name(reference) and reference != EVERYBODY:
                yield name, reference


Chosen = Mapping[str, tuple[int, ...]]
"""By node: the index of the rule (of geo and subnets; none: otherwise), or its branches in order (of proximity and
latency), for the clients of one place.
"""
