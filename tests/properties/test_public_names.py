"""Properties of public names that hold for every handout, evidence and client."""

from ipaddress import ip_network
from math import sqrt

import dns.edns
import dns.exception
import dns.message
import dns.rcode
from gslb.client import SCOPE, Client
from gslb.query import MalformedError, parse_query
from gslb.steer import Evidence, Steering
from gslb.wire import respond
from gslb.zone import AAAA, A
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from federation.model.handout import Steered
from federation.model.policy import Policy
from federation.model.standing import Standing
from tests.worlds.public_names import NUMBERS, SHOP, handout, steered, steering, table, target, v4, v6

MEMBERS = tuple(NUMBERS)
NOW = 1_000_000


def client(number: int, subnet: bool = True) -> Client:
    """One of 65,536 clients, each of its own /24, whom no subnet contains."""
    return Client(f"100.{64 + number // 256 % 64}.{number % 256}.{number % 254 + 1}", subnet)


@st.composite
def names(draw: st.DrawFn) -> Steered:
    """A name with any readiness, families, returns, weights and drain; at least one target has an IPv4 address."""
    members = draw(st.lists(st.sampled_from(MEMBERS), unique=True, min_size=1))
    targets = []
    for index, member in enumerate(members):
        total = draw(st.integers(0, 8))
        six, four = draw(st.booleans()), draw(st.booleans()) or index == 0
        addresses = (v4(member),) * four + (v6(member),) * six
        one = target(member, draw(st.integers(0, total)), total, addresses)
        back = {"floor": draw(st.integers(0, 1_000_000)), "since": draw(st.sampled_from([0, NOW - 30_000, NOW]))}
        targets.append(structs.replace(one, candidate=structs.replace(one.candidate, **back)))
    weights = draw(st.dictionaries(st.sampled_from(MEMBERS), st.integers(0, 5)))
    drain = tuple(draw(st.lists(st.sampled_from(MEMBERS), unique=True)))
    kind = draw(st.sampled_from(["steered", "weighted"]))
    return steered(SHOP, *targets, policy=Policy(weights=weights, drain=drain), steering=kind)


standings = st.builds(Standing, st.booleans(), st.sampled_from([0, NOW - 30_000, NOW]))
evidences: st.SearchStrategy[Evidence] = st.dictionaries(
    st.sampled_from([(SHOP, A), (SHOP, AAAA)]), st.dictionaries(st.sampled_from(MEMBERS), standings)
)
clients = st.builds(client, st.integers(0, 16_383), st.booleans())


@settings(derandomize=True, deadline=None)
@given(names(), evidences, clients, st.sampled_from(MEMBERS))
def test_a_live_name_is_never_answered_empty(name: Steered, held: Evidence, asker: Client, own: str) -> None:
    server = Steering(table(handout(own, name)), held)
    for kind, text in ((A, "."), (AAAA, ":")):
        have = {address for one in name.targets for address in one.addresses if text in address}
        part = server.choose(SHOP, kind, asker, NOW).part
        got = set(part.addresses) if part else set()
        assert got <= have
        assert bool(got) == bool(have)


@settings(derandomize=True, deadline=None)
@given(names(), evidences, clients)
def test_the_same_inputs_give_the_same_answer(name: Steered, held: Evidence, asker: Client) -> None:
    """On every server, after any restart, whatever was asked before."""
    first, second = (Steering(table(handout("us-east", name)), held) for _ in range(2))
    second.choose(SHOP, A, client(1), NOW - 40_000)
    one, other = (server.choose(SHOP, A, asker, NOW) for server in (first, second))
    assert (one.outcome.ruling.shares, one.part) == (other.outcome.ruling.shares, other.part)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.tuples(*[st.integers(0, 100)] * 3).filter(any), st.integers(0, 10_000))
def test_the_clients_that_get_a_member_are_its_share(weights: tuple[int, ...], start: int) -> None:
    """Over 3,000 client subnets, within four standard deviations."""
    policy = Policy(weights=dict(zip(MEMBERS, weights, strict=True)))
    name = steered(SHOP, *(target(member) for member in MEMBERS), policy=policy, steering="weighted")
    server = steering(handout("us-east", name))
    size = 3_000
    parts = [server.choose(SHOP, A, client(start + n), NOW).part for n in range(size)]
    picked = [part.members for part in parts if part]
    for member, weight in zip(MEMBERS, weights, strict=True):
        due = weight / sum(weights)
        assert abs(picked.count((member,)) - size * due) <= 4 * sqrt(size * due * (1 - due))


ranges = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32), st.sampled_from(MEMBERS)), min_size=1, max_size=20
)


@settings(derandomize=True, deadline=None)
@given(ranges, st.booleans(), st.data())
def test_all_of_one_scope_get_the_same_answer(
    found: list[tuple[int, int, str]], weighted: bool, data: st.DataObject
) -> None:
    """Whatever the map: whoever lies in the scope of an answer gets the same one, with the same scope. So scopes never
    overlap; none is longer than 24 bits, and of those to whom shares give one answer it is as wide as the map allows.
    """
    lines = {
        f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.0/{min(bits, 24)}": m for number, bits, m in found
    }
    networks = {_network(text): member for text, member in lines.items()}
    networks |= {f"{_dotted(number)}/32": member for number, _, member in found}
    text = "\n".join(f"{network} {member}" for network, member in networks.items())
    values = handout()
    if weighted:
        half = Policy(weights=dict.fromkeys(MEMBERS, 1))
        values = handout("us-east", steered(SHOP, *map(target, MEMBERS), policy=half, steering="weighted"))
    server = Steering(table(values, text), {})
    number = data.draw(st.sampled_from([number for number, _, _ in found]))
    answer, scope = _ask(server, number, 24)
    assert scope == SCOPE[4] if weighted else scope <= SCOPE[4]
    inside = number >> 32 - scope << 32 - scope
    for _ in range(5):
        other = inside + data.draw(st.integers(0, (1 << 32 - scope) - 1))
        for source in (24, 32):
            assert _ask(server, other, source) == (answer, scope)


def _network(text: str) -> str:
    return str(ip_network(text, strict=False))


def _dotted(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def _ask(server: Steering, address: int, source: int) -> tuple[str, int]:
    option = dns.edns.ECSOption(_dotted(address), source)
    query = dns.message.make_query(SHOP, "A", use_edns=0, options=[option])
    reply = respond(server, query.to_wire(), Client("198.18.1.1"), False, NOW)
    assert reply is not None
    response = dns.message.from_wire(reply.data)
    echoed = response.options[0]
    assert isinstance(echoed, dns.edns.ECSOption)
    return response.answer[0][0].to_text(), echoed.scopelen


QUERY = dns.message.make_query(SHOP, "A", use_edns=0, options=[dns.edns.ECSOption("198.18.3.0", 24)]).to_wire()
changes = st.lists(st.tuples(st.integers(2, len(QUERY) - 1), st.integers(0, 255)), max_size=4)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(changes, st.integers(12, len(QUERY)), st.booleans())
def test_any_bytes_are_met_with_silence_or_a_response_that_reads(
    changed: list[tuple[int, int]], size: int, tcp: bool
) -> None:
    bent = bytearray(QUERY)
    for index, value in changed:
        bent[index] = value
    data = bytes(bent[:size])
    reply = respond(steering(handout()), data, Client("198.18.1.1"), tcp, NOW)
    if reply is None:
        assert data[2] & 0x80
        return
    assert reply.data[:2] == data[:2]
    dns.message.from_wire(reply.data)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(changes, st.integers(12, len(QUERY)))
def test_a_question_is_read_as_dnspython_reads_it(changed: list[tuple[int, int]], size: int) -> None:
    bent = bytearray(QUERY)
    for index, value in changed:
        bent[index] = value
    try:
        theirs = dns.message.from_wire(bytes(bent[:size]), ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return
    if len(theirs.question) != 1:
        return
    try:
        ours = parse_query(bytes(bent[:size]))
    except MalformedError:
        assert b"\xc0" in bytes(bent), "only a compressed question or a misplaced OPT is ours alone to refuse"
        return
    assert ours.labels == theirs.question[0].name.labels
    assert (ours.kind, ours.rdclass) == (theirs.question[0].rdtype, theirs.question[0].rdclass)
    assert (ours.edns is None) == (theirs.edns < 0)
