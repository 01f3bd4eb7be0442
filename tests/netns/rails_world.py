"""A member with two gateways and a node on three machines, and a member of one machine: every controller dead."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from msgspec import Struct, structs

from federation.link.possession import wireguard_key
from federation.model.handout import Here, OwnGateway, OwnNode, PeerGateway, Workload
from federation.model.record import Endpoint
from tests.netns.machines import Machines
from tests.netns.spaces import await_true, fetch, join
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import candidate, keyed, peer, real, site, web_import, web_offer, web_pool

AGENT, CLIENT, POD, FAR = "10.1.0.1", "10.1.0.10", "10.2.0.10", "10.99.0.2"
URL = "http://10.96.0.1/hello"
NODE = "fd49:7374:0:1:0:1:0:7"
PORT, INSIDE = 51820, 51900
PAUSE = 0.02
FIRST = "g1"
"""Whom the node takes of the two while both get there: by the hash of its name."""


def seed_of(word: str) -> bytes:
    return sha256(f"rails {word}".encode()).digest()


def key_of(word: str) -> bytes:
    return wireguard_key(seed_of(word), "", "").public


class RailsWorld(Machines):
    """`us-east` has the gateways g1 and g2 and the node n with the client, `eu-central` (w) the pod."""

    def __init__(self) -> None:
        super().__init__(("g1", "g2", "n", "w"))
        self.us, self.eu = real("us-east"), real("eu-central")
        self.keys = {1: key_of("g1"), 2: key_of("g2")}

    def build(self) -> None:
        one, two, node, far = (self.spaces[name] for name in ("g1", "g2", "n", "w"))
        for number, gateway in enumerate((one, two), start=1):
            join(gateway, f"10.99.{number}.1/24", far, f"10.99.{number}.2/24")
            join(gateway, f"10.98.{number}.1/24", node, f"10.98.{number}.2/24")
            gateway.ip("route", "add", FAR, "via", f"10.99.{number}.2")
            gateway.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for space, addresses in ((node, (AGENT, CLIENT)), (far, ("10.2.0.1", POD, FAR))):
            for address in addresses:
                space.ip("address", "add", f"{address}/32", "dev", "lo")
        node.ip("route", "add", "10.96.0.0/16", "dev", "lo")
        self._folders()

    def _folders(self) -> None:
        us, gateway = self.us, self.us.identity("isthmus", "gateway")
        for word in ("g1", "g2"):
            seed = seed_of(word)
            make_folder(
                self.root / word, us, "gateway", self.handout(word), [gateway], node=f"us-east-{word}", seed=seed
            )
        client = [us.identity("default", "client")]
        make_folder(self.root / "n", us, "node", self.handout("n"), client, node="us-east-n", seed=seed_of("n"))
        make_folder(self.root / "w", self.eu, "gateway", self.handout("w"), [self.eu.identity("isthmus", "gateway")])

    def handout(self, name: str) -> dict[str, Struct]:
        """What this machine's controller would say by the keys of now."""
        us, eu = self.us, self.eu
        if name == "w":
            return keyed(site(eu), peer(us, "", list(map(self._rail, (1, 2)))), web_offer(), web_pool(Endpoint(POD)))
        ids = {"us-east-g1": 1, "us-east-g2": 2}
        both = structs.replace(site(us), gateways=ids, rails=ids), peer(eu, f"{FAR}:{PORT}")
        if name != "n":
            return keyed(*both, OwnNode(node="us-east-n", key=key_of("n"), overlay=NODE, address=AGENT))
        client = Workload("default", "client", (CLIENT,))
        web = web_import(candidate(eu, 1, 1, cost=90))
        return keyed(*both, Here(overlay=NODE), *map(self._own, (1, 2)), client, web)

    def _own(self, number: int) -> OwnGateway:
        return OwnGateway(
            id=number,
            node=f"us-east-g{number}",
            key=self.keys[number],
            endpoint=f"10.98.{number}.1:{INSIDE}",
            overlay=f"fd49:7374:0:1::{number}",
        )

    def _rail(self, number: int) -> PeerGateway:
        return PeerGateway(
            id=number,
            key=self.keys[number],
            endpoint=f"10.99.{number}.1:{PORT}",
            overlay=f"fd49:7374:0:1::{number}",
            port=15443,
            rail=number,
        )

    def tell(self, name: str) -> None:
        """Give a machine's agent the handout of now: it is stopped, which leaves the data path, and started."""
        self.stop_and_keep(name, self.eu if name == "w" else self.us, self.handout(name), 2)
        self.agent(name)

    def agent(self, name: str) -> None:
        """Start the agent of a machine."""
        options = {
            "g1": ("--address", "10.99.1.1", "--underlay", f"10.99.1.1:{PORT}", "--inside", f"10.98.1.1:{INSIDE}"),
            "g2": ("--address", "10.99.2.1", "--underlay", f"10.99.2.1:{PORT}", "--inside", f"10.98.2.1:{INSIDE}"),
            "n": ("--address", AGENT),
            "w": ("--address", "10.2.0.1", "--underlay", f"{FAR}:{PORT}"),
        }
        self.run_agent(name, name, *options[name])

    def start(self) -> None:
        pod = str(Path(__file__).with_name("pod.py"))
        self.programs.start(self.spaces["w"], "pod", sys.executable, pod, "pod-1", POD, "8080")
        for name in self.spaces:
            self.agent(name)
        for name in ("n", "w"):
            self.programs.isthmus(
                self.spaces[name], f"{name}-envoy", "agent", "envoy", "--state", str(self.root / name)
            )

    def wait_until_serving(self) -> None:
        """Both gateways carry: whichever the node takes."""
        await_true("an answer", lambda: fetch(self.spaces["n"], URL, CLIENT, 2)[0] == 200, 30)
        for name in ("g1", "g2"):
            await_true(f"{name} carries", lambda name=name: self.reaches(name), 30)  # type: ignore[misc]
        await_true("the node has its own by hash", lambda: self.carrier() == FIRST, 30)

    def reaches(self, gateway: str) -> bool:
        """The node's echo gets to the far gateway over this one of its own."""
        return self.echoed("n", f"fd49:7374:0:2::1%{self.devices('n')[gateway]}")

    def devices(self, name: str) -> dict[str, str]:
        """The node's devices by gateway, a gateway's by their last digit."""
        return {f"g{one[9:]}" if name == "n" else one[9:]: one for one in self.tunnels(name)}

    def carrier(self) -> str:
        """The gateway that the node's requests go through."""
        route = self.spaces["n"].ip("-6", "route", "get", "fd49:7374:0:2::1")
        return next(name for name, device in self.devices("n").items() if f"dev {device} " in route)


@contextmanager
def serving() -> Iterator[RailsWorld]:
    """A world whose gateways carry, both."""
    made = RailsWorld()
    try:
        made.build()
        made.start()
        made.wait_until_serving()
        yield made
    finally:
        made.remove()


class Ticks:
    """A client's requests as they are printed: when each began, how long it took, what came of it."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child
        self.all: list[tuple[float, float, str]] = []

    def until(self, moment: float) -> None:
        """Read until one began at this Unix second or later."""
        assert self._child.stdout is not None
        while not self.all or self.all[-1][0] < moment:
            began, took, said = self._child.stdout.readline().strip().split(" ", 2)
            self.all.append((float(began), float(took), said))

    def failed(self) -> list[tuple[float, float, str]]:
        return [one for one in self.all if one[2] != "200"]

    def longest(self) -> float:
        """Seconds of the longest request."""
        return max(took for _, took, _ in self.all)


@contextmanager
def ticking(world: RailsWorld, timeout: float = 10.0) -> Iterator[Ticks]:
    script = str(Path(__file__).with_name("ticks.py"))
    line = [
        "ip",
        "netns",
        "exec",
        world.spaces["n"].name,
        sys.executable,
        script,
        URL,
        CLIENT,
        str(PAUSE),
        str(timeout),
    ]
    child = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Ticks(child)
    finally:
        child.kill()
        child.communicate()
