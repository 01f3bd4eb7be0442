"""What the lab is made of: pure, frozen values. A further member is one more row of LAB's members, and its rows of the
WAN.
"""

from dataclasses import dataclass, replace

WEB, PAY = "web", "pay"
NAMESPACE = "shop"
PODS_EACH = {WEB: 8, PAY: 2}
FIRST_POD = {WEB: 10, PAY: 30}
WEB_PORT = 8080
PUBLIC_PORT = 80
SYNC_PORT = 7443
WIREGUARD_PORT = 51820
INSIDE_PORT = 51900
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
    """One member of the lab; every address follows from its admission number. `second`: it has a further machine, with
    a gateway and nothing else.
    """

    name: str
    number: int
    region: str
    zones: tuple[str, ...]
    second: bool = False

    @property
    def machines(self) -> tuple[str, ...]:
        """Its machines, each a port of the WAN: that of everything, and that of the second gateway."""
        return (self.name, self.second_machine) if self.second else (self.name,)

    @property
    def second_machine(self) -> str:
        """The machine of its second gateway."""
        return f"{self.name}-2"

    @property
    def second_underlay(self) -> str:
        """The second machine's address on the WAN."""
        return f"192.0.2.{10 + self.number}"

    @property
    def second_address(self) -> str:
        """The second machine's address among the pods."""
        return f"10.{self.number}.0.2"

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
    def egress(self) -> str:
        """A range without pods, for a namespace's egress addresses."""
        return f"10.{self.number}.9.0/28"

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

    @property
    def ports(self) -> tuple[str, ...]:
        """The ports of the WAN: every machine."""
        return tuple(machine for member in self.members for machine in member.machines)

    def machines(self, name: str) -> tuple[str, ...]:
        """The machines of the region of this name, or the one machine; () when there is neither."""
        return next((one.machines for one in self.members if one.name == name), (name,) if name in self.ports else ())

    def member(self, name: str) -> Member:
        """The member of this name; KeyError when there is none."""
        for member in self.members:
            if member.name == name:
                return member
        raise KeyError(name)

    def rtt_ms(self, a: str, b: str) -> float:
        """The planned round trip between two machines, 0 within a member; KeyError when the table has no such pair."""
        regions = {one.name for one in self.members for port in (a, b) if port in one.machines}
        if a != b and len(regions) == 1 and {a, b} <= set(self.ports):
            return 0.0
        for left, right, rtt in self.wan:
            if {left, right} == regions:
                return rtt
        raise KeyError((a, b))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every directed pair of machines."""
        return tuple((a, b) for a in self.ports for b in self.ports if a != b)


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


SECOND_AT = "us-west"


def topology_of(second: bool) -> Topology:
    """The lab's topology; `second`: a member has a second gateway, on a machine of its own."""
    if not second:
        return LAB
    members = (replace(member, second=member.name == SECOND_AT) for member in LAB.members)
    return replace(LAB, members=tuple(members))
