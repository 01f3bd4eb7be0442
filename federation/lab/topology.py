"""What the lab is made of: pure, frozen values. A further member is one more row in MEMBERS and its rows
in WAN.
"""

from dataclasses import dataclass

ENDPOINTS_EACH = 8
WEB_PORT = 8080
SYNC_PORT = 7443
WIREGUARD_PORT = 51820


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod of `shop/web`: a name that is unique in the federation, its pod address and its zone."""

    name: str
    address: str
    zone: str


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the lab; every address follows from its admission number."""

    name: str
    number: int
    region: str
    zones: tuple[str, ...]

    @property
    def underlay(self) -> str:
        """Its address on the WAN."""
        return f"192.0.2.{self.number}"

    @property
    def sync(self) -> str:
        """Where peers dial its controller."""
        return f"{self.underlay}:{SYNC_PORT}"

    @property
    def wireguard(self) -> str:
        """Where peers' WireGuard devices send to."""
        return f"{self.underlay}:{WIREGUARD_PORT}"

    @property
    def pod_prefix(self) -> str:
        """The range of its pods, as a CIDR."""
        return f"10.{self.number}.0.0/16"

    @property
    def gateway(self) -> str:
        """The machine's address on the pod bridge: the pods' gateway, DNS server and controller."""
        return f"10.{self.number}.0.1"

    @property
    def client(self) -> str:
        """The client pod's address."""
        return f"10.{self.number}.2.10"

    @property
    def clusterset_prefix(self) -> str:
        """The range from which it gives clusterset addresses, as a CIDR."""
        return f"10.{100 + self.number}.0.0/16"

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Pods that answer as soon as the member's manifests name them; zones take turns."""
        return tuple(
            Endpoint(f"{self.name}-web-{i}", f"10.{self.number}.1.{10 + i}", self.zones[(i - 1) % len(self.zones)])
            for i in range(1, ENDPOINTS_EACH + 1)
        )


@dataclass(frozen=True, slots=True)
class Topology:
    """A federation domain, its members (the first one is the registrar) and the WAN's round trips in ms."""

    domain: str
    members: tuple[Member, ...]
    wan: tuple[tuple[str, str, float], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names in order of admission."""
        return tuple(member.name for member in self.members)

    def member(self, name: str) -> Member:
        """The member of this name; KeyError when there is none."""
        for member in self.members:
            if member.name == name:
                return member
        raise KeyError(name)

    def rtt_ms(self, a: str, b: str) -> float:
        """The planned round trip between two members; KeyError when the table has no such pair."""
        for left, right, rtt in self.wan:
            if {left, right} == {a, b}:
                return rtt
        raise KeyError((a, b))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every directed pair of members."""
        return tuple((a, b) for a in self.names for b in self.names if a != b)


LAB = Topology(
    domain="acme.mesh",
    members=(
        Member("us-east", 1, "us-east", ("us-east-1",)),
        Member("eu-central", 2, "eu-central", ("eu-central-1",)),
    ),
    wan=(("us-east", "eu-central", 90.0),),
)
