"""What a link carries and what it costs: node Envoy, WireGuard and gateway Envoy against bare WireGuard, against the same
Envoys without a tunnel, and against the bare wire, in turns of one run.
"""

import json
import secrets
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from federation.link.possession import WireGuardKey, wireguard_key
from gateways.kernel.routes import LinuxRoutes
from gateways.kernel.wg import LinuxWireGuard
from gateways.render import routes, wireguard
from gateways.state import Way
from tests.bench.row import Row, quantile, rounded
from tests.netns.gateways_world import CLIENT, POD, WEST_UNDERLAY, GatewaysWorld
from tests.netns.spaces import Space, await_true

NAMES = ("link-throughput", "link-cpu", "link-latency", "link-cold-start")
TARGETS = {"link-throughput": 1 / 0.85, "link-cpu": 0.3, "link-latency": 1.0}
ROUNDS, SECONDS, TRIPS, STARTS = 5, 4, 1_000, 5
BARE_PORT, PORT = 8090, 8080
CLUSTERSET = "10.96.0.1"
WIRE = {"e": "fd00:99::1", "w": "fd00:99::2"}
BARE = {"e": "fd00:98::1", "w": "fd00:98::2"}


class Bare:
    """One end of a tunnel that is nobody's."""

    def __init__(self, space: Space, end: str) -> None:
        self.space, self.end = space, end
        self.device = f"ist{secrets.token_hex(3)}0"
        self.key: WireGuardKey = wireguard_key(secrets.token_bytes(32), "bench", end)

    def join(self, other: "Bare", underlay: str, behind: tuple[str, ...] = ()) -> None:
        """Lead to the other end, and to what is behind it."""
        prefixes = (f"{BARE[other.end]}/128", *behind)
        peer = wireguard.Peer(key=other.key.public, endpoint=f"{underlay}:51999", allowed=prefixes)
        device = wireguard.Device(name=self.device, private_key=self.key.private, port=51999, peers=(peer,))
        link = routes.Link(
            device=self.device,
            mtu=routes.MTU,
            up=True,
            addresses=(f"{BARE[self.end]}/128",),
            routes=tuple(map(Way, prefixes)),
        )
        with self.space.entered():
            LinuxWireGuard().apply(wireguard.changes(device, None))
            LinuxRoutes().apply(routes.changes(link, LinuxRoutes().read(self.device)))


class Turn(Struct):
    """What was measured over one kind of path."""

    bits: list[float] = []
    cores_per_gbit: list[float] = []
    trips: list[float] = []

    def more(self, space: Space, host: str, port: int, source: str = "") -> None:
        found = drawn(space, "rate", host, port, source, SECONDS)
        self.bits.append(found["bits"])
        self.cores_per_gbit.append(found["cores"] / (found["bits"] / 1e9))
        self.trips += drawn(space, "trips", host, port, source, TRIPS)


def drawn(space: Space, what: str, host: str, port: int, source: str, much: int):  # type: ignore[no-untyped-def]
    script = str(Path(__file__).with_name("draw.py"))
    return json.loads(space.run(sys.executable, script, what, host, str(port), source, str(much)))


def measure(names: tuple[str, ...]) -> list[Row]:
    """Every row: they come from the same worlds."""
    colds = [cold() for _ in range(STARTS)] if "link-cold-start" in names else []
    rows = [Row("link-cold-start", rounded(statistics.median(colds)), "s", len(colds), COLD)] if colds else []
    if set(names) == {"link-cold-start"}:
        return rows
    whole, tunnel, wire, without = Turn(), Turn(), Turn(), Turn()
    with pouring() as world:
        for _ in range(ROUNDS):
            whole.more(world.east, CLUSTERSET, 80, CLIENT)
            tunnel.more(world.east, BARE["w"], BARE_PORT)
            wire.more(world.east, WEST_UNDERLAY, BARE_PORT)
        take_tunnel_away(world)
        for _ in range(ROUNDS):
            without.more(world.east, CLUSTERSET, 80, CLIENT)
    return rows + [row for row in _rows(whole, tunnel, wire, without) if row.row in names]


COLD = "two gateways' agents and Envoys and a node's start at once, from disk, on two cores; to the first answer"


def _rows(whole: Turn, tunnel: Turn, wire: Turn, without: Turn) -> list[Row]:
    gbits = {name: statistics.median(one.bits) / 1e9 for name, one in _named(whole, tunnel, wire, without)}
    cores = {name: statistics.median(one.cores_per_gbit) for name, one in _named(whole, tunnel, wire, without)}
    said = ", ".join(f"{name} {value:.2f} Gbit/s" for name, value in gbits.items())
    spent = ", ".join(f"{name} {value:.2f}" for name, value in cores.items())
    p50 = {name: statistics.median(one.trips) for name, one in _named(whole, tunnel, wire, without)}
    times = ", ".join(
        f"{n} {p50[n]:.2f}/{quantile(one.trips, 0.99):.2f}" for n, one in _named(whole, tunnel, wire, without)
    )
    found = (
        (
            "link-throughput",
            gbits["bare WireGuard"] / gbits["whole"],
            "times",
            f"{said}; two connections, wireguard-go",
        ),
        ("link-cpu", cores["whole"] - cores["bare WireGuard"], "core-s/Gbit", f"{spent} core-seconds a Gbit"),
        ("link-latency", p50["whole"] - p50["Envoys alone"], "ms", f"p50/p99 of 1 KiB in ms: {times}"),
    )
    return [Row(name, rounded(value), unit, ROUNDS, note, TARGETS[name]) for name, value, unit, note in found]


def _named(whole: Turn, tunnel: Turn, wire: Turn, without: Turn) -> list[tuple[str, Turn]]:
    return [("whole", whole), ("bare WireGuard", tunnel), ("Envoys alone", without), ("wire", wire)]


def cold() -> float:
    """Seconds from the start of every program to the first answer."""
    world = GatewaysWorld()
    try:
        world.build()
        began = time.monotonic()
        world.start()
        world.wait_until_serving()
        return time.monotonic() - began
    finally:
        world.remove()


@contextmanager
def pouring() -> Iterator[GatewaysWorld]:
    """The world serves from a pod that pours, and a bare tunnel stands beside it."""
    world = GatewaysWorld()
    try:
        world.build()
        script = str(Path(__file__).with_name("pour.py"))
        world.start(pod=(sys.executable, script, POD, str(PORT)))
        world.programs.start(world.west, "pour", sys.executable, script, "::", str(BARE_PORT))
        ends = Bare(world.east, "e"), Bare(world.west, "w")
        ends[0].join(ends[1], "10.99.0.2")
        ends[1].join(ends[0], "10.99.0.1")
        await_true("an answer", lambda: status(world) == 200, 30)
        yield world
    finally:
        world.remove()


def status(world: GatewaysWorld) -> int:
    """Of one byte through the whole path."""
    try:
        drawn(world.east, "trips", CLUSTERSET, 80, CLIENT, 1)
    except AssertionError:
        return 0
    return 200


def take_tunnel_away(world: GatewaysWorld) -> None:
    """The same Envoys with their connections go over the wire: the agents are gone, and so are their devices."""
    for name in ("eg", "en", "wg"):
        world.programs.stop(world.started[name])
    ends = {
        "e": (world.east, "fd49:7374:0:1::1", "fd49:7374:0:2::/64"),
        "w": (world.west, "fd49:7374:0:2::1", "fd49:7374:0:1::/64"),
    }
    for end, (space, own, other) in ends.items():
        wire = next(one["ifname"] for one in json.loads(space.ip("-j", "link")) if one["ifname"].startswith("v"))
        table = "isthmus_gateway"
        space.run("nft", "delete", "table", "inet", table)
        for one in json.loads(space.ip("-j", "link")):
            if one["ifname"].startswith("ist") and own in space.ip("-6", "address", "show", "dev", one["ifname"]):
                space.ip("link", "del", one["ifname"])
        space.ip("-6", "address", "add", f"{own}/128", "dev", "lo", "nodad")
        space.ip("-6", "address", "add", f"{WIRE[end]}/64", "dev", wire, "nodad")
        space.ip("-6", "route", "add", other, "via", WIRE["w" if end == "e" else "e"], "src", own)
    await_true("an answer over the wire", lambda: status(world) == 200, 30)
