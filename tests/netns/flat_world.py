"""Three members in flat mode, every controller dead. us-east: two gateways and a node; eu-central: a gateway and a node;
ap-south: both on one machine. The pods of the first two have the same addresses, which others see as different ones.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path

from msgspec import Struct, structs

from federation.link.possession import wireguard_key
from federation.model.access import AccessRule, Source
from federation.model.confine import Callee, Confined
from federation.model.flat import Image
from federation.model.handout import Here, Offer, OwnGateway, OwnNode, Peer, PeerGateway, Pool, Role, Site, Workload
from federation.model.record import Endpoint, Port
from tests.netns.machines import Machines
from tests.netns.spaces import Space, await_true, join
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import EVERYONE, WEB, keyed, peer, real, site

LOCAL = "10.244.0.0/16"
PODS, POD = "10.244.3.0/24", "10.244.3.10"
US, EU, AP = "100.71.0.0/16", "100.72.0.0/16", "10.3.0.0/16"
US6, EU6 = "fd00:a1::/48", "fd00:a2::/48"
US_POD, EU_POD, AP_POD = "100.71.3.10", "100.72.3.10", "10.3.3.10"
US_POD6, EU_POD6 = "fd00:a1:0:3::10", "fd00:a2:0:3::10"
RANGES = {"us-east": (US, US6), "eu-central": (EU, EU6), "ap-south": (AP,)}
NODES = {name: f"fd49:7374:0:{number}:0:1:0:7" for name, number in (("us-east", 1), ("eu-central", 2), ("ap-south", 3))}
SEEN: dict[str, tuple[str, ...]] = {
    "us-east": ("100.71.3.0/24", "fd00:a1:0:3::/64"),
    "eu-central": ("100.72.3.0/24", "fd00:a2:0:3::/64"),
}
SEEN["ap-south"] = ("10.3.3.0/24",)
OPEN = ("tcp:8080", "udp:5353")
CLOSED = ("tcp:9090", "tcp:15443", "udp:5354", "udp:53")
OWNERS = {"g1": "us-east", "g2": "us-east", "n": "us-east", "w": "eu-central", "m": "eu-central", "x": "ap-south", "y": "ap-south", "h": "us-east"}  # fmt: skip
PORT, INSIDE = 51820, 51900
PEOPLE = ("p", "q", "r", "s")
BESIDE, SEEN_BESIDE, BESIDE_POD = "fd49:7374:0:1:0:1:0:8", "100.71.4.0/24", "100.71.4.10"
SHOP = {"n": ("100.71.200.1", "fd00:a1:0:e::1"), "h": ("100.71.200.2",)}
SHOP_RANGES = ("100.71.200.0/28", "fd00:a1:0:e::/112")
FOR_SHOP = ("tcp:9090", "udp:5354")
"""Egress addresses of us-east's namespace shop by node, and what eu-central opens to it alone."""

TAKEN = "g1"
"""Over whom eu-central's gateway sends to us-east's pods while both get there: by the hash of its name."""


def seed_of(word: str) -> bytes:
    return sha256(f"flat {word}".encode()).digest()


def key_of(word: str) -> bytes:
    return wireguard_key(seed_of(word), "", "").public


class FlatWorld(Machines):
    """`p` is the pod of us-east behind n, `s` that on g2, whose node's agent is h, `q` that of eu-central behind m, `r` that of ap-south on x, where the node's
    agent y is too. `allowed` are the pairs in flat mode; `stray` is what us-east's programs take for eu-central's; in `shop`
    p and s are of that namespace, and while `kept` an EgressPolicy is for it.
    """

    def __init__(self) -> None:
        super().__init__(("g1", "g2", "n", "p", "s", "w", "m", "q", "x", "r"))
        self.members = {name: real(name) for name in RANGES}
        self.allowed = {frozenset(("us-east", "eu-central")), frozenset(("eu-central", "ap-south"))}
        self.stray: tuple[str, ...] = ()
        self.shop = self.kept = False
        self.version = 1

    def build(self) -> None:
        s = self.spaces
        for number, gateway in enumerate((s["g1"], s["g2"]), start=1):
            join(gateway, f"10.99.{number}.1/24", s["w"], f"10.99.{number}.2/24")
            join(gateway, f"10.98.{number}.1/24", s["n"], f"10.98.{number}.2/24")
            gateway.ip("route", "add", "10.99.0.2", "via", f"10.99.{number}.2")
        s["w"].ip("address", "add", "10.99.0.2/32", "dev", "lo")
        join(s["w"], "10.97.1.1/24", s["m"], "10.97.1.2/24")
        join(s["w"], "10.96.9.1/24", s["x"], "10.96.9.2/24")
        s["x"].ip("route", "add", "10.99.0.2", "via", "10.96.9.1")
        join(s["g1"], "10.95.1.1/24", s["g2"], "10.95.1.2/24")
        s["g2"].ip("route", "add", "10.98.1.1", "via", "10.95.1.1")
        for node, pod, prefix, six in (
            ("n", "p", "10.244.3", "fd00:a1:0:3"), ("m", "q", "10.244.3", "fd00:a2:0:3"), ("x", "r", "10.3.3", "fd00:a3:0:3"),
            ("g2", "s", "10.244.4", "fd00:a1:0:4"),
        ):  # fmt: skip
            pod_of(s[node], s[pod], prefix, six)
        for name in ("g1", "g2", "n", "w", "m", "x"):
            s[name].run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for name in OWNERS:
            own = self.members[OWNERS[name]]
            role: Role = "node" if name in "nmyh" else "gateway"
            identity = own.identity("default", "client") if role == "node" else own.identity("isthmus", "gateway")
            make_folder(
                self.root / name, own, role, self.handout(name), [identity], node=f"prog-{name}", seed=seed_of(name)
            )

    def handout(self, name: str) -> dict[str, Struct]:
        """What this program's controller would say."""
        own = OWNERS[name]
        found: list[object] = [
            self._site(own),
            *(self._peer(own, other) for other in RANGES if self._knows(own, other)),
        ]
        if name in "nmyh":
            here = Here(overlay=BESIDE if name == "h" else NODES[own])
            found += [*self._in_shop(name, here), *self._gateways(own)]
        else:
            node, address = {"us-east": ("n", "10.98.1.2"), "eu-central": ("m", "10.97.1.2"), "ap-south": ("y", "10.96.9.2")}[own]  # fmt: skip
            pods = (*SEEN[own], *self._single(node))
            found.append(OwnNode(node=f"prog-{node}", key=key_of(node), overlay=NODES[own], pods=pods, address=address))
            if own == "us-east":
                beside = OwnNode(
                    node="prog-h",
                    key=key_of("h"),
                    overlay=BESIDE,
                    pods=(SEEN_BESIDE, *self._single("h")),
                    address="10.98.2.1",
                )
                found.append(beside)
        if own != "us-east":
            found += offered(*((POD, EU_POD6) if own == "eu-central" else (AP_POD,)))
        return keyed(*found)  # type: ignore[arg-type]

    def _in_shop(self, name: str, here: Here) -> list[Struct]:
        """Where a node stands, and in us-east while it says so its pod as one of the namespace shop."""
        if not (self.shop and name in SHOP):
            return [here]
        pod = (POD, "fd00:a1:0:3::10") if name == "n" else ("10.244.4.10",)
        kept = [Confined(namespace="shop", name="kept", services=(Callee(),))] if self.kept else []
        return [structs.replace(here, egress={"shop": SHOP[name]}), Workload("shop", "cart", pod), *kept]

    def _single(self, node: str) -> tuple[str, ...]:
        return tuple(str(ip_network(one)) for one in SHOP.get(node, ())) if self.shop else ()

    def _knows(self, own: str, other: str) -> bool:
        """us-east and ap-south do not even link."""
        return own != other and "eu-central" in (own, other)

    def _site(self, name: str) -> Site:
        ids = {"us-east": {"prog-g1": 1, "prog-g2": 2}, "eu-central": {"prog-w": 1}, "ap-south": {"prog-x": 1}}[name]
        mapped = {"us-east": (Image(LOCAL, US),), "eu-central": (Image(LOCAL, EU),), "ap-south": ()}[name]
        local = (LOCAL,) if mapped else ()
        made = structs.replace(site(self.members[name]), gateways=ids, rails=ids)
        egress = SHOP_RANGES if name == "us-east" and self.shop else ()
        return structs.replace(made, reachable=RANGES[name], local=local, images=mapped, egress=egress)

    def _peer(self, own: str, name: str) -> Peer:
        number = self.members[name].number
        ends = {"us-east": ("10.99.1.1", "10.99.2.1"), "eu-central": ("10.99.0.2",), "ap-south": ("10.96.9.2",)}[name]
        words = {"us-east": ("g1", "g2"), "eu-central": ("w",), "ap-south": ("x",)}[name]
        gateways = [
            PeerGateway(
                id=i, key=key_of(word), endpoint=f"{end}:{PORT}", overlay=f"fd49:7374:0:{number}::{i}", port=15443, rail=i
            )
            for i, (word, end) in enumerate(zip(words, ends, strict=True), start=1)
        ]  # fmt: skip
        ranges = RANGES[name] if frozenset((own, name)) in self.allowed else ()
        made = peer(self.members[name], "", gateways)
        egress = {"shop": SHOP_RANGES} if name == "us-east" else {}
        return structs.replace(made, flat=(*ranges, *(self.stray if own == "us-east" else ())), egress=egress)

    def _gateways(self, own: str) -> list[OwnGateway]:
        ends = {"us-east": {"g1": "10.98.1.1", "g2": "10.98.2.1"}, "eu-central": {"w": "10.97.1.1"}, "ap-south": {}}[
            own
        ]
        number = self.members[own].number
        return [
            OwnGateway(id=i, node=f"prog-{word}", key=key_of(word), endpoint=f"{end}:{INSIDE}", overlay=f"fd49:7374:0:{number}::{i}")
            for i, (word, end) in enumerate(ends.items(), start=1)
        ]  # fmt: skip

    def agent(self, name: str) -> None:
        """Start a program."""
        options = {
            "g1": ("--address", "10.99.1.1", "--underlay", f"10.99.1.1:{PORT}", "--inside", f"10.98.1.1:{INSIDE}"),
            "g2": ("--address", "10.99.2.1", "--underlay", f"10.99.2.1:{PORT}", "--inside", f"10.98.2.1:{INSIDE}"),
            "w": ("--address", "10.99.0.2", "--underlay", f"10.99.0.2:{PORT}", "--inside", f"10.97.1.1:{INSIDE}"),
            "x": ("--address", "10.96.9.2", "--underlay", f"10.96.9.2:{PORT}"),
            "n": ("--address", "10.98.1.2", "--pods", PODS, "--pods", "fd00:a1:0:3::/64"),
            "m": ("--address", "10.97.1.2", "--pods", PODS, "--pods", "fd00:a2:0:3::/64"),
            "h": ("--address", "10.98.2.1", "--pods", "10.244.4.0/24"),
            "y": ("--address", "10.96.9.2", "--pods", "10.3.3.0/24"),
        }
        self.run_agent(name, {"y": "x", "h": "g2"}.get(name, name), *options[name])

    def tell(self, *names: str) -> None:
        """Give these programs the handout of now: each is stopped, which leaves the data path, and started."""
        self.version += 1
        for name in names:
            self.stop_and_keep(name, self.members[OWNERS[name]], self.handout(name), self.version)
            self.agent(name)

    def start(self) -> None:
        pod = str(Path(__file__).with_name("flat_pod.py"))
        for name in PEOPLE:
            self.programs.start(self.spaces[name], f"pod-{name}", sys.executable, pod, *OPEN, *CLOSED)
        for name in OWNERS:
            self.agent(name)
        for name in PEOPLE:
            log = self.root / f"pod-{name}.log"
            await_true(f"{name} listens", lambda log=log: "there" in log.read_text())  # type: ignore[misc]

    def ask(self, pod: str, *words: str, source: str = "") -> str:
        """What a pod is told, that asks from this address ("": its own); "" when nothing answers."""
        script = str(Path(__file__).with_name("flat_ask.py"))
        return self.spaces[pod].run("env", f"SOURCE={source}", sys.executable, script, *words, check=False).strip()

    def wait_until_flat(self) -> None:
        await_true("v4 passes", lambda: self.ask("p", "tcp", EU_POD, "8080"), 30)
        await_true("v6 passes", lambda: self.ask("p", "tcp", EU_POD6, "8080"), 30)
        await_true("one machine for both passes", lambda: self.ask("q", "tcp", AP_POD, "8080"), 30)
        for gateway in ("g1", "g2"):
            await_true(f"{gateway} carries", lambda gateway=gateway: self.reaches(gateway), 30)  # type: ignore[misc]

    def reaches(self, gateway: str) -> bool:
        """The echo of us-east's node gets to eu-central's gateway over this one of its own."""
        return self.echoed("n", f"fd49:7374:0:2::1%{self.devices('n')[gateway]}")

    def devices(self, name: str) -> dict[str, str]:
        """The devices of the node of us-east by gateway."""
        return {f"g{one[9:]}": one for one in self.tunnels(name)}

    def carrier(self) -> str:
        """The gateway of us-east over which its node sends to eu-central's pods."""
        route = self.spaces["n"].ip("route", "get", EU_POD, "from", POD, "iif", self.pod_device())
        return next(name for name, device in self.devices("n").items() if f"dev {device} " in route)

    def pod_device(self) -> str:
        links = json.loads(self.spaces["n"].ip("-j", "address", "show", "to", "10.244.3.1"))
        return str(next(link["ifname"] for link in links if link))


class Beat:
    """What a pod that asks all the time has been told: when, and what."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def answers(self) -> list[tuple[float, str]]:
        found = (line.partition(" ") for line in self._log.read_text().splitlines()[:-1])
        return [(float(moment), said) for moment, _, said in found]

    def gap(self) -> float:
        """Seconds of the longest silence."""
        moments = [moment for moment, _ in self.answers()]
        return max(after - before for before, after in pairwise(moments))


@contextmanager
def beating(world: FlatWorld, kind: str, target: str) -> Iterator[Beat]:
    """us-east's pod asks each 20 ms within the block: over one connection, or from one port."""
    name, script = f"beat-{kind}-{target}", str(Path(__file__).with_name("flat_ask.py"))
    port = next(port for one, port in (word.split(":") for word in OPEN) if one == kind)
    child = world.programs.start(world.spaces["p"], name, sys.executable, script, f"beat-{kind}", target, port)
    try:
        yield Beat(world.root / f"{name}.log")
    finally:
        world.programs.stop(child)


def pod_of(node: Space, pod: Space, prefix: str, six: str) -> None:
    """A pod behind its node, as a CNI has it, with masquerading of what leaves the pods' range."""
    join(node, f"{prefix}.1/24", pod, f"{prefix}.10/24")
    device = json.loads(node.ip("-j", "address", "show", "to", f"{prefix}.1"))
    inner = json.loads(pod.ip("-j", "address", "show", "to", f"{prefix}.10"))
    names = [next(link["ifname"] for link in found if link) for found in (device, inner)]
    node.ip("address", "add", f"{six}::1/64", "dev", names[0], "nodad")
    pod.ip("address", "add", f"{six}::10/64", "dev", names[1], "nodad")
    pod.ip("route", "add", "default", "via", f"{prefix}.1")
    pod.ip("route", "add", "default", "via", f"{six}::1")
    node.run("nft", "add", "table", "ip", "cni")
    node.run("nft", "add", "chain", "ip", "cni", "post", "{ type nat hook postrouting priority 100; }")
    for rule in ((f"{prefix}.0/24", f"!= {prefix}.0/24"), (f"!= {prefix}.0/24", f"{prefix}.0/24")):
        node.run("nft", "add", "rule", "ip", "cni", "post", "ip", "saddr", *rule[0].split(), "ip", "daddr", *rule[1].split(), "masquerade")  # fmt: skip


def offered(*addresses: str) -> list[Offer | Pool]:
    ports = Port("http", 80, "TCP", "http"), Port("dns", 53, "UDP"), Port("admin", 90), Port("stats", 54, "UDP")
    behind = Port("http", 8080), Port("dns", 5353, "UDP"), Port("admin", 9090), Port("stats", 5354, "UDP")
    endpoints = tuple(Endpoint(address) for address in addresses)
    everyone = AccessRule(sources=EVERYONE[0].sources, ports=("http", "dns"))
    shop = AccessRule(sources=(Source("us-east", "shop"),), ports=("admin", "stats"))
    return [Offer(WEB, ports, access=(everyone, shop)), Pool(service=WEB, az="a", ports=behind, endpoints=endpoints)]


@contextmanager
def flat() -> Iterator[FlatWorld]:
    """A world whose pods reach each other."""
    made = FlatWorld()
    try:
        made.build()
        made.start()
        made.wait_until_flat()
        yield made
    finally:
        made.remove()
