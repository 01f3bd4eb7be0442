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
from tests.worlds.geo_file import write_geo
from tests.worlds.public_names import NUMBERS, ZONE, target

NETS = Subnets(
    rules=(Match(("10.0.0.0/8",), ("us-west",)), Match(("10.1.2.0/25", "2001:db8::/32"), ("eu-central",))),
    otherwise=("*",),
)
WORLD = Geo(
    rules=(Match(("country/FR", "continent/AS"), ("eu-central",)), Match(("subdivision/US-CA",), ("law",))),
    otherwise=("*",),
)
NEAR = Proximity(
    to=(Spot("us-east", 40_700, -74_000), Spot("us-west", 37_800, -122_400), Spot("eu-central", 50_100, 8_700))
)
SPLIT = Weighted(to=(Weight("us-east", 3), Weight("eu-central", 1)))
SPARE = Failover(to=("us-east", "spare"))
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


def lost() -> Evidence:
    """Nobody reaches us-east for the names `closed` and `spare`."""
    gone = {"us-east": Standing(up=False, since=1)}
    return {(f"{label}.{ZONE}", kind): gone for label in ("closed", "spare") for kind in (A, AAAA)}


@cache
def atlas() -> Atlas:
    """Where clients are, and how far from the members."""
    measured = "10.1.0.0/16 us-west=5 eu-central=30\n10.2.0.0/16 us-east=1"
    with tempfile.TemporaryDirectory() as folder:
        return Atlas((read_geo(write_geo(Path(folder) / "world.mmdb")),), parse_latencies(measured, "f"))
