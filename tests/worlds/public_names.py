"""A DNS server's handout of three members: us-east and us-west offer `pay`, all three `web` under shop.example.test."""

from collections.abc import Mapping

from gslb.compiler import Compiler
from gslb.locality import parse_lines
from gslb.steer import Steering
from gslb.table import Table
from gslb.zone import AAAA, A
from msgspec import Struct

from federation.model.handout import Candidate, Place, Site, Steered, Target
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy, Probe, Ramp
from federation.model.public import GlobalName
from federation.model.standing import Standing

NUMBERS = {"us-east": 1, "us-west": 2, "eu-central": 3}
COSTS = {("us-east", "us-west"): 60, ("us-east", "eu-central"): 90, ("us-west", "eu-central"): 140}
ZONE = "example.test"
SHOP, PAY = f"shop.{ZONE}", f"pay.{ZONE}"
SUBNETS = {"us-east": "198.18.1.0/24", "us-west": "198.18.2.0/24", "eu-central": "198.18.3.0/24"}


def v4(member: str) -> str:
    """A member's public IPv4 address."""
    return f"203.0.113.{NUMBERS[member]}"


def v6(member: str) -> str:
    """A member's public IPv6 address."""
    return f"2001:db8:{NUMBERS[member]}::1"


def place(member: str, /, **changed: object) -> Place:
    """Where a client may stand: 198.18.N.0/24 and 2001:db8:ffN::/48 are near member N."""
    number = NUMBERS[member]
    costs = {MemberName(b): cost for pair, cost in COSTS.items() for a, b in (pair, pair[::-1]) if a == member}
    usual = {
        "member": MemberName(member),
        "number": number,
        "region": member,
        "subnets": (SUBNETS[member], f"2001:db8:ff{number}::/48"),
        "costs": costs,
        "zones": (ZONE,),
        "nameservers": (f"192.0.2.{number}", f"2001:db8:53::{number}"),
    }
    return Place(**{**usual, **changed})  # type: ignore[arg-type]


def target(member: str, ready: int = 4, total: int = 4, addresses: tuple[str, ...] | None = None) -> Target:
    """One member behind a name, by default with an address of each family."""
    candidate = Candidate(member=MemberName(member), region=member, cost=0, ready=ready, total=total)
    return Target(candidate, (v4(member), v6(member)) if addresses is None else addresses)


def steered(host: str, *targets: Target, policy: Policy = Policy(), steering: str = "steered") -> Steered:  # noqa: B008
    """A public name with these targets, defined by us-east."""
    name = GlobalName(host=host, service=ServiceKey("shop", "web"), steering=steering, ttl=5, policy=policy)  # type: ignore[arg-type]
    return Steered(name, ZONE, MemberName("us-east"), targets)


def site(member: str = "us-east") -> Site:
    """The reader's own member."""
    anchor, overlay = "anchor", f"fd49:7374:0:{NUMBERS[member]}::/64"
    number = NUMBERS[member]
    return Site(
        member=MemberName(member), number=number, domain="acme.mesh", region=member, anchor=anchor, overlay=overlay
    )


def handout(own: str = "us-east", *names: Steered) -> dict[str, Struct]:
    """The whole handout; without names, shop and pay."""
    usual = (
        steered(SHOP, *(target(member) for member in NUMBERS)),
        steered(PAY, target("us-west"), target("eu-central")),
    )
    values: dict[str, Struct] = {"site": site(own)}
    values.update({f"place/{member}": place(member) for member in NUMBERS})
    values.update({f"steered/{item.name.host}/{item.name.service}": item for item in names or usual})
    return values


def table(values: Mapping[str, Struct], subnets: str = "", serial: int = 7) -> Table:
    """The table of a handout, with lines of `--subnets`."""
    return Compiler(parse_lines(subnets, "map")).compile(values, serial)


def steering(values: Mapping[str, Struct], **down: tuple[str, ...]) -> Steering:
    """A server's steering; `down` are members whose targets are gone, by the first label of the name."""
    gone = Standing(up=False, since=1)
    evidence = {
        (f"{host}.{ZONE}", kind): dict.fromkeys(names, gone) for host, names in down.items() for kind in (A, AAAA)
    }
    return Steering(table(values), evidence)


FAST = Policy(
    ramp=Ramp(percent=10, seconds=1), probe=Probe(path="/health", interval_ms=50, timeout_ms=200, unhealthy=2)
)
"""A policy whose probes and return are quick enough for a test."""
