"""Public names under trees of policies of every kind, and the files by which clients are located."""

import tempfile
from functools import cache
from pathlib import Path

from gslb.geo import read_geo
from gslb.guides import Atlas
from gslb.latencies import parse_latencies
from gslb.steer import Evidence
from gslb.zone import AAAA, A

from federation.model.handout import Steered
from federation.model.names import MemberName, ServiceKey
from federation.model.public import GlobalName
from federation.model.routing import (
    AnyNode,
    Failover,
    Geo,
    Latency,
    Law,
    Match,
    Proximity,
    Routing,
    Spot,
    Static,
    Subnets,
    Weight,
    Weighted,
)
from federation.model.standing import Standing
from tests.worlds.geo_file import CALIFORNIA, FRANCE, GERMANY, NEW_YORK, write_geo
from tests.worlds.public_names import NUMBERS, ZONE, target

NETS = Subnets(
    rules=(Match(("10.0.0.0/8",), ("us-west",)), Match(("10.1.2.0/25", "2001:db8::/32"), ("eu-central",))),
    otherwise=("*",),
)
WORLD = Geo(
    rules=(Match(("country/FR", "continent/AS"), ("eu-central",)), Match(("subdivision/US-CA",), ("policy/law",))),
    otherwise=("*",),
)
NEAR = Proximity(
    to=(Spot("us-east", 40_700, -74_000), Spot("us-west", 37_800, -122_400), Spot("eu-central", 50_100, 8_700))
)
SPLIT = Weighted(to=(Weight("us-east", 3), Weight("eu-central", 1)))
SPARE = Failover(to=("us-east", "policy/spare"))


def deep(levels: int) -> dict[str, AnyNode]:
    """So many nodes that look at the client, each below the other."""
    rules = (Match(("10.1.2.0/25",), ("us-west",)),)
    nodes = {f"n{at}": Subnets(rules=rules, otherwise=(f"policy/n{at + 1}",)) for at in range(levels)}
    return {**nodes, f"n{levels}": Law(to=("*",))}


TREES: dict[str, dict[str, AnyNode]] = {
    "nets": {"nets": NETS},
    "alone": {"nets": NETS},
    "world": {"world": WORLD, "law": Law(to=("us-west", "us-east"))},
    "near": {"near": NEAR},
    "fast": {"fast": Latency(to=("eu-central", "us-west"))},
    "split": {"split": SPLIT},
    "two": {"law": Law(to=("*",))},
    "closed": {"only": Failover(to=("us-east",), down="closed")},
    "spare": {"only": SPARE, "spare": Static(addresses=("192.0.2.99",))},
    "alpn": {"law": Law(to=("*",))},
    "deep": deep(17),
}
MORE: dict[str, dict[str, object]] = {
    "alone": {"ignore_subnet": True},
    "two": {"answers": 2, "apart": "region"},
    "alpn": {"alpn": ("h2",)},
}


def routed() -> tuple[Steered, ...]:
    """One name for each tree, below the federation's zone."""
    return tuple(_name(label, nodes) for label, nodes in TREES.items())


def _name(label: str, nodes: dict[str, AnyNode]) -> Steered:
    usual: dict[str, object] = {"ttl": 60, "routing": Routing(next(iter(nodes)), nodes)}
    host, service = f"{label}.{ZONE}", ServiceKey("shop", label)
    name = GlobalName(host=host, service=service, **{**usual, **MORE.get(label, {})})  # type: ignore[arg-type]
    return Steered(name, ZONE, MemberName("us-east"), tuple(map(target, NUMBERS)))


def lost(since: int = 1) -> Evidence:
    """From this Unix millisecond on nobody reaches us-east for the names `closed` and `spare`."""
    gone = {"us-east": Standing(up=False, since=since)}
    return {(f"{label}.{ZONE}", kind): gone for label in ("closed", "spare") for kind in (A, AAAA)}


CITIES = {"10.1.2.0/24": CALIFORNIA, "10.5.0.0/25": FRANCE, "2001:db8:b::/52": NEW_YORK, "198.18.0.0/15": GERMANY}
"""What another file has of the same and of other networks."""


@cache
def atlas() -> Atlas:
    """Where clients are, and how far from the members."""
    measured = "10.1.0.0/16 us-west=5 eu-central=30\n10.2.0.0/16 us-east=1"
    with tempfile.TemporaryDirectory() as folder:
        world = read_geo(write_geo(Path(folder) / "world.mmdb"))
        cities = read_geo(write_geo(Path(folder) / "cities.mmdb", CITIES))
        return Atlas((world, cities), parse_latencies(measured, "f"))
