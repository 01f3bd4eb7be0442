"""What the lab is made of: pure, frozen values. A further member is one more row of LAB's members, and its rows of the
WAN.
"""

from dataclasses import dataclass

WEB, PAY = "web", "pay"
NAMESPACE = "shop"
PODS_EACH = {WEB: 8, PAY: 2}
FIRST_POD = {WEB: 10, PAY: 30}
WEB_PORT = 8080
PUBLIC_PORT = 80
SYNC_PORT = 7443
WIREGUARD_PORT = 51820
API_PORT = 6443


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod: a name that is unique in the federation, its pod address, its zone, and its service in `shop`."""

    name: str
    address: str
    zone: str
    service: str


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
    def ingress(self) -> str:
        """The ingress pod's address."""
        return f"10.{self.number}.3.10"

    @property
    def api(self) -> str:
        """Its API server's address, where it has one."""
        return f"10.{self.number}.4.10"

    @property
    def public(self) -> str:
        """The address at which the outside reaches its ingress."""
        return f"192.0.2.{100 + self.number}"

    @property
    def clusterset_prefix(self) -> str:
        """The range from which it gives clusterset addresses, as a CIDR."""
        return f"10.{100 + self.number}.0.0/16"

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Its pods of `shop/web`, which answer as soon as its manifests name them; zones take turns."""
        return self.pods(WEB)

    def pods(self, service: str) -> tuple[Endpoint, ...]:
        """Its pods of one of the services in PODS_EACH; KeyError for another."""
        return tuple(
            Endpoint(
                f"{self.name}-{service}-{i}",
                f"10.{self.number}.1.{FIRST_POD[service] + i}",
                self.zones[(i - 1) % len(self.zones)],
                service,
            )
            for i in range(1, PODS_EACH[service] + 1)
        )

    @property
    def all_pods(self) -> tuple[Endpoint, ...]:
        """Every pod that its machine could offer."""
        return tuple(pod for service in PODS_EACH for pod in self.pods(service))


@dataclass(frozen=True, slots=True)
class Topology:
    """A federation domain, its public DNS zone, its members (the first one is the registrar) and the WAN's round trips
    in ms.
    """

    domain: str
    zone: str
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


def _member(name: str, number: int) -> Member:
    return Member(name, number, name, (f"{name}-1a", f"{name}-1b"))


LAB = Topology(
    domain="acme.mesh",
    zone="example.test",
    members=(_member("us-east", 1), _member("us-west", 2), _member("eu-central", 3)),
    wan=(("us-east", "us-west", 60.0), ("us-east", "eu-central", 90.0), ("us-west", "eu-central", 140.0)),
)
HOME, AWAY = "us-east", "eu-central"
"""The journey's regions: where its clients stand, and where its service is offered first."""
