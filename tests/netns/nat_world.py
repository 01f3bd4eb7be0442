"""Three members: two whose gateways stand behind NAT, and one in the open. Real agents, every controller dead.

a - na - wan - nb - b
          |
          c
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, structs

from federation.model.handout import Peer
from federation.model.names import MemberName
from federation.model.sighting import Sighted
from tests.netns.machines import Machines
from tests.netns.spaces import await_true, join
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import keyed, peer, real, site

PORT = 51820
PRIVATE = {"a": "10.91.0.2", "b": "10.92.0.2"}
PUBLIC = {"a": "198.51.100.2", "b": "203.0.113.2", "c": "192.0.2.2"}
ENDPOINT = {name: f"{PRIVATE.get(name, PUBLIC[name])}:{PORT}" for name in PUBLIC}
"""What each member's record says: who is behind NAT knows its private address alone."""

MEMBERS = {"a": "us-east", "b": "eu-central", "c": "ap-south"}
CONE, SYMMETRIC = "masquerade", "masquerade fully-random"
RULES = """
table ip nat {{
  chain postrouting {{ type nat hook postrouting priority 100; oifname "{wan}" {kind}; }}
  chain input {{ type filter hook input priority 0; policy drop; }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    iifname != "{wan}" accept
    ct state established,related accept
  }}
}}
"""
"""What nobody asked for is dropped in `input` as well: else its conntrack entry would take the port from our own."""


class NatWorld(Machines):
    """`kinds` says of a and b which NAT they are behind."""

    def __init__(self, kinds: dict[str, str]) -> None:
        super().__init__(("a", "na", "b", "nb", "c", "wan"))
        self.keys = {name: real(member) for name, member in MEMBERS.items()}
        self.public = dict(PUBLIC)
        self.relay = False
        self._kinds = kinds
        self._revision = 1
        self._wan: dict[str, str] = {}

    def build(self) -> None:
        wan = self.spaces["wan"]
        for name, address in PUBLIC.items():
            here = self.spaces[f"n{name}"] if name in PRIVATE else self.spaces[name]
            first = f"{address.rpartition('.')[0]}.1"
            join(here, f"{address}/24", wan, f"{first}/24")
            here.ip("route", "add", "default", "via", first)
            self._wan[name] = json.loads(here.ip("-j", "route", "get", first))[0]["dev"]
        for name, address in PRIVATE.items():
            router = f"{address.rpartition('.')[0]}.1"
            join(self.spaces[name], f"{address}/24", self.spaces[f"n{name}"], f"{router}/24")
            self.spaces[name].ip("route", "add", "default", "via", router)
            self._masquerade(name)
        for name in ("wan", "na", "nb"):
            self.spaces[name].run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for name, own in self.keys.items():
            make_folder(
                self.root / name, own, "gateway", self.handout(name), [own.identity("isthmus", "gateway")], node="g1"
            )

    def _masquerade(self, name: str) -> None:
        rules = self.root / f"{name}.nft"
        rules.write_text(RULES.format(wan=self._wan[name], kind=self._kinds[name]))
        self.spaces[f"n{name}"].run("nft", "-f", str(rules))

    def handout(self, name: str, seen: dict[str, str] | None = None) -> dict[str, Struct]:
        """What this member's controller would say; `seen` is where the third member hears others."""
        peers = [self._peer(other) for other in self.keys if other != name]
        told = [
            Sighted(member=MemberName(MEMBERS[other]), gateway=1, rail=1, endpoints=(endpoint,))
            for other, endpoint in (seen or {}).items()
            if other != name
        ]
        return keyed(site(self.keys[name]), *peers, *told)

    def _peer(self, name: str) -> Peer:
        found = peer(self.keys[name], ENDPOINT[name])
        (lone,) = found.gateways
        return structs.replace(found, gateways=(structs.replace(lone, relay=self.relay and name == "c"),))

    def agent(self, name: str) -> None:
        """Start the agent of a machine."""
        options = ["--address", ENDPOINT[name].rpartition(":")[0], "--underlay", ENDPOINT[name]]
        options += ["--relay"] if self.relay and name == "c" else []
        self.run_agent(name, name, *options)

    def tell(self, name: str, seen: dict[str, str]) -> None:
        """Give a machine's agent the handout of now: it is stopped, which leaves the data path, and started."""
        self._revision += 1
        self.stop_and_keep(name, self.keys[name], self.handout(name, seen), self._revision)
        self.agent(name)

    def heard(self, at: str = "c") -> dict[str, str]:
        """Where the gateway of a machine hears the others, by their machines."""
        isthmus = str(Path(sys.executable).with_name("isthmus"))
        said = self.spaces[at].run(
            isthmus, "gateway", "show", "--state", str(self.root / at), "--output", "json", check=False
        )
        names = {member: name for name, member in MEMBERS.items()}
        views = json.loads(said or "[]")
        return {names[p["member"]]: p["endpoint"] for view in views for p in view["peers"] if p["state"] == "up"}

    def shown(self, name: str) -> str:
        isthmus = str(Path(sys.executable).with_name("isthmus"))
        return self.spaces[name].run(isthmus, "gateway", "show", "--state", str(self.root / name))

    def reaches(self, name: str, other: str, seconds: str = "1") -> bool:
        """An echo gets from one machine's gateway through the tunnel to another's, and back."""
        return self.echoed(name, self.keys[other].gateway_address, seconds)

    def renumber(self, name: str, address: str) -> None:
        """The NAT in front of a machine gets another public address, and forgets whom it let through."""
        space, device = self.spaces[f"n{name}"], self._wan[name]
        space.ip("address", "del", f"{self.public[name]}/24", "dev", device)
        space.ip("address", "add", f"{address}/24", "dev", device)
        space.ip("route", "add", "default", "via", f"{address.rpartition('.')[0]}.1")
        self.public[name] = address

    def start(self) -> None:
        for name in MEMBERS:
            self.agent(name)
        await_true("both reach the one in the open", lambda: self.reaches("a", "c") and self.reaches("b", "c"), 40)

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text()


@contextmanager
def behind(a: str, b: str) -> Iterator[NatWorld]:
    """A world where both reach the third member."""
    made = NatWorld({"a": a, "b": b})
    try:
        made.build()
        made.start()
        yield made
    finally:
        made.remove()
