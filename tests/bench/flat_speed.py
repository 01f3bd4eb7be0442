"""What pods get of each other in flat mode where each gateway is on their own node's machine, against the same pods and
their machines over bare WireGuard, in turns of one run.
"""

import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, structs

from federation.model.handout import Here, OwnNode, Role
from tests.bench.link_speed import BARE, BARE_PORT, PORT, ROUNDS, Bare, Turn, drawn
from tests.bench.row import Row, rounded
from tests.netns.flat_world import key_of, offered, pod_of, seed_of
from tests.netns.machines import Machines
from tests.netns.spaces import await_true, join
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import keyed, peer, real, site

NAMES = ("flat-throughput",)
TARGET = 1 / 0.95
LISTENS = 51820
ASKS, SERVES = "us-east", "eu-central"
PLACES = {ASKS: 1, SERVES: 2}
POUR = str(Path(__file__).with_name("pour.py"))


def machine(name: str) -> str:
    """The address of the member's machine in the underlay."""
    return f"10.99.0.{PLACES[name]}"


def prefix(name: str) -> str:
    """Of the member's pods, which others know by the same addresses."""
    return f"10.{PLACES[name]}.3"


def beside(name: str) -> str:
    """Of a further address of the member's pod, which the bare tunnel carries."""
    return f"10.{PLACES[name]}.88"


def pod(name: str) -> str:
    """The member's pod among the machines."""
    return f"{name}-pod"


class FlatPair(Machines):
    """Two members of one machine and one pod each; their controllers are dead."""

    def __init__(self) -> None:
        super().__init__((*PLACES, *map(pod, PLACES)))
        self.members = {name: real(name) for name in PLACES}

    def build(self) -> None:
        """Wires, folders of the programs, and the bare tunnel."""
        join(self.spaces[ASKS], f"{machine(ASKS)}/24", self.spaces[SERVES], f"{machine(SERVES)}/24")
        for name, number in PLACES.items():
            here, inner = self.spaces[name], self.spaces[pod(name)]
            pod_of(here, inner, prefix(name), f"fd00:a{number}:0:3")
            inner.ip("address", "add", f"{beside(name)}.10/32", "dev", "lo")
            here.ip("route", "add", f"{beside(name)}.0/24", "via", f"{prefix(name)}.10")
            here.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            self._folder(name, "gateway")
            self._folder(name, "node")
        ends = {name: Bare(self.spaces[name], end) for name, end in ((ASKS, "e"), (SERVES, "w"))}
        for name, other in ((ASKS, SERVES), (SERVES, ASKS)):
            ends[name].join(ends[other], machine(other), (f"{beside(other)}.0/24",))

    def _folder(self, name: str, role: Role) -> None:
        own = self.members[name]
        identity = own.identity("isthmus", "gateway") if role == "gateway" else own.identity("default", "client")
        seed = own.seed if role == "gateway" else seed_of(name)
        make_folder(
            self.root / f"{name}-{role}", own, role, self._handout(name, role), [identity], node=role, seed=seed
        )

    def _handout(self, name: str, role: Role) -> dict[str, Struct]:
        own, other = self.members[name], self.members[SERVES if name == ASKS else ASKS]
        ids, overlay = {"gateway": 1}, f"fd49:7374:0:{own.number}:0:1:0:7"
        known = structs.replace(site(own), gateways=ids, rails=ids, reachable=(f"{prefix(name)}.0/24",))
        there = structs.replace(peer(other, f"{machine(other.name)}:{LISTENS}"), flat=(f"{prefix(other.name)}.0/24",))
        node = OwnNode(node="node", key=key_of(name), overlay=overlay, pods=known.reachable, address=machine(name))
        last = Here(overlay=overlay) if role == "node" else node
        return keyed(known, there, last, *(offered(f"{prefix(name)}.10") if name == SERVES else ()))

    def start(self) -> None:
        """Every program."""
        for name in PLACES:
            address = ("--address", machine(name))
            self.run_agent(f"{name}-gateway", name, *address, "--underlay", f"{machine(name)}:{LISTENS}")
            self.run_agent(f"{name}-node", name, *address, "--pods", f"{prefix(name)}.0/24")
        self.programs.start(self.spaces[pod(SERVES)], "pour", sys.executable, POUR, "::", str(PORT))
        self.programs.start(self.spaces[SERVES], "bare", sys.executable, POUR, "::", str(BARE_PORT))


@contextmanager
def pouring() -> Iterator[FlatPair]:
    """A pair whose pods reach each other."""
    made = FlatPair()
    try:
        made.build()
        made.start()
        await_true("pods reach each other", lambda: answers(made), 30)
        yield made
    finally:
        made.remove()


def answers(pair: FlatPair) -> bool:
    """Whether one byte comes by the address of flat mode."""
    try:
        drawn(pair.spaces[pod(ASKS)], "trips", f"{prefix(SERVES)}.10", PORT, "", 1)
    except AssertionError:
        return False
    return True


def measure(names: tuple[str, ...]) -> list[Row]:
    """The same pair of pods in turns: by the address of flat mode, and by one that a bare tunnel carries."""
    flat, bare, machines = Turn(), Turn(), Turn()
    with pouring() as pair:
        for _ in range(ROUNDS):
            flat.more(pair.spaces[pod(ASKS)], f"{prefix(SERVES)}.10", PORT)
            bare.more(pair.spaces[pod(ASKS)], f"{beside(SERVES)}.10", PORT, f"{beside(ASKS)}.10")
            machines.more(pair.spaces[ASKS], BARE["w"], BARE_PORT)
    named = (("flat", flat), ("bare WireGuard", bare), ("bare WireGuard between the machines", machines))
    gbits = {name: statistics.median(one.bits) / 1e9 for name, one in named}
    said = ", ".join(f"{name} {value:.2f} Gbit/s" for name, value in gbits.items())
    spent = ", ".join(f"{statistics.median(one.cores_per_gbit):.2f}" for _, one in named)
    note = f"median of rounds, the same two pods; {said}; {spent} core-seconds a Gbit; two connections, wireguard-go"
    ratio = rounded(statistics.median(one / other for one, other in zip(bare.bits, flat.bits, strict=True)))
    return [Row(name, ratio, "times", ROUNDS, note, TARGET) for name in names]
