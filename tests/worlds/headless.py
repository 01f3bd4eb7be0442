"""A DNS server's handout with the headless import shop/db of three members, as seen from us-east."""

import dns.message
from gslb.client import Client
from gslb.compiler import Compiler
from gslb.steer import Steering
from gslb.wire import UDP_MAX, respond
from msgspec import Struct

from federation.model.handout import Candidate, HeadlessSlice, Import, Listener, Witness
from federation.model.moves import Leaving
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy
from federation.model.record import Endpoint, Evidence, Port, ports_mark
from tests.worlds.public_names import site

DB = ServiceKey("shop", "db")
NAME = f"{DB.host}."
SQL = Port("sql", 5432)
COSTS = {"us-east": 0, "us-west": 60, "eu-central": 90}


def pod(address: str, hostname: str = "", ready: bool = True) -> Endpoint:
    """One endpoint."""
    return Endpoint(address, "ready" if ready else "unready", hostname)


def part(member: str, *endpoints: Endpoint, ports: tuple[Port, ...] = (SQL,), az: str = "a") -> HeadlessSlice:
    """One slice of a member's endpoints."""
    return HeadlessSlice(service=DB, member=MemberName(member), az=az, ports=ports, endpoints=endpoints)


def headless(*slices: HeadlessSlice, policy: Policy = Policy(), draining: str = "") -> dict[str, Struct]:  # noqa: B008
    """The handout of these slices: import and candidates follow from them as a controller's plan makes them."""
    ports = {port: None for one in slices for port in one.ports}
    imported = Import(
        service=DB,
        kind="Headless",
        addresses=(),
        ports=tuple(
            Listener(name=p.name, port=p.port, protocol=p.protocol, app_protocol="", listener=0) for p in ports
        ),
        candidates=tuple(_candidate(member, slices, draining) for member in COSTS),
        policy=policy,
    )
    keyed = {f"headless/{DB}/{one.member}/{one.az}/{_mark(one)}": one for one in slices}
    return {"site": site(), f"import/{DB}": imported, **keyed}


def _mark(one: HeadlessSlice) -> str:
    return ports_mark(one)  # type: ignore[arg-type]


def _candidate(member: str, slices: tuple[HeadlessSlice, ...], draining: str) -> Candidate:
    own = [one for one in slices if one.member == member]
    states = [endpoint.state for one in own for endpoint in one.endpoints]
    return Candidate(
        member=MemberName(member),
        region=member,
        cost=COSTS[member],
        ready=states.count("ready"),
        total=len(states),
        ports=tuple(dict.fromkeys(port.name for one in own for port in one.ports)),
        leaving=Leaving(0) if member == draining else None,
    )


def link_down(member: str, observer: str = "us-east") -> dict[str, Struct]:
    """The observer's word that its links to a member are down."""
    word = Evidence(kind="link", about=MemberName(member), since=5)
    return {f"witness/{observer}/link/{member}": Witness(MemberName(observer), word)}


def serving(values: dict[str, Struct]) -> Steering:
    """A server's steering with this handout."""
    return Steering(Compiler().compile(values, 7), {})


def ask(server: Steering, name: str, kind: str, tcp: bool = False, now: int = 0) -> dns.message.Message:
    """The server's response as dnspython reads it."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=UDP_MAX)
    reply = respond(server, query.to_wire(), Client("192.0.2.1"), tcp, now)
    assert reply is not None
    response = dns.message.from_wire(reply.data)
    assert (response.id, response.question) == (query.id, query.question)
    return response


def texts(response: dns.message.Message) -> list[str]:
    """The data of the answer, sorted."""
    return sorted(rr.to_text() for rrset in response.answer for rr in rrset)


def added(response: dns.message.Message) -> list[str]:
    """The additional section as `owner data`, sorted."""
    return sorted(f"{rrset.name} {rr.to_text()}" for rrset in response.additional for rr in rrset)
