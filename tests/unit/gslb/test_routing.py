"""Public names with trees of policies, from question to answer."""

from collections.abc import Iterable

import dns.edns
import dns.message
import dns.rcode
import pytest
from gslb.client import Client, client_of
from gslb.compiler import Compiler
from gslb.geo import read_geo
from gslb.guides import NODES_LEAST, Atlas, Guiding, by_distance, distance
from gslb.latencies import parse_latencies
from gslb.packed import Packed
from gslb.steer import Evidence, Steering
from gslb.table import Table
from gslb.wire import respond
from gslb.zone import AAAA, A
from msgspec import structs

from federation.model.handout import Steered
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy, Ramp
from federation.model.public import GlobalName
from federation.model.routing import (
    AnyNode,
    Canary,
    Failover,
    Geo,
    Latency,
    Law,
    Match,
    Proximity,
    Routing,
    Spot,
    Static,
    Subnets,
    Weight,
    Weighted,
)
from federation.model.standing import Standing
from tests.worlds.geo_file import write_geo
from tests.worlds.public_names import NUMBERS, SHOP, ZONE, handout, target, v4, v6

NOW = 1_700_000_000_000
EAST, WEST, EU = v4("us-east"), v4("us-west"), v4("eu-central")


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    path = write_geo(tmp_path_factory.mktemp("geo") / "world.mmdb")
    measured = "10.1.0.0/16 us-west=5 eu-central=30\n10.2.0.0/16 us-east=1"
    return Atlas((read_geo(path),), parse_latencies(measured, "f"))


def name_of(*nodes: tuple[str, AnyNode], **more: object) -> Steered:
    usual: dict[str, object] = {
        "ttl": 60,
        "routing": Routing(nodes[0][0], dict(nodes)),
        "policy": Policy(ramp=Ramp(10, 10)),
    }
    name = GlobalName(host=SHOP, service=ServiceKey("shop", "web"), **{**usual, **more})  # type: ignore[arg-type]
    return Steered(name, ZONE, MemberName("us-east"), tuple(map(target, NUMBERS)))


def table_of(item: Steered, atlas: Atlas = Atlas()) -> Table:  # noqa: B008
    return Compiler(atlas=atlas).compile(handout("us-east", item), 7)


def down(*members: str, since: int = NOW - 1_000) -> Evidence:
    return {(SHOP, kind): {one: Standing(up=False, since=since) for one in members} for kind in (A, AAAA)}


def ask(server: Steering, client: str, kind: str = "A", subnet: bool = False) -> dns.message.Message:
    options: list[dns.edns.Option] = [dns.edns.ECSOption(client, 24 if "." in client else 48)] if subnet else []
    query = dns.message.make_query(SHOP, kind, use_edns=0 if subnet else -1, options=options)
    reply = respond(server, query.to_wire(), Client("192.0.2.53") if subnet else client_of(client), False, NOW)
    assert reply is not None
    return dns.message.from_wire(reply.data)


def addresses(response: dns.message.Message) -> list[str]:
    return sorted(item.to_text() for rrset in response.answer for item in rrset)


def scope_of(response: dns.message.Message) -> int:
    [option] = [one for one in response.options if isinstance(one, dns.edns.ECSOption)]
    return option.scopelen


WORLD = Geo(
    rules=(
        Match(("country/FR", "continent/AS"), ("eu-central",)),
        Match(("subdivision/US-CA",), ("us-west",)),
        Match(("continent/EU", "country/US"), ("us-east", "us-west")),
    ),
    otherwise=("*",),
)
PLACES = {
    "a country": ("10.1.2.3", EU, 16),
    "a continent, where its country has no rule": ("10.2.3.4", EAST, 16),
    "a subdivision before its country": ("10.3.1.1", WEST, 16),
    "its country, where the subdivision has no rule": ("10.4.1.1", EAST, 16),
    "another continent": ("10.5.0.9", EU, 24),
    "where nobody knows": ("192.0.2.9", EAST, 1),
}


@pytest.mark.parametrize("case", PLACES)
def test_geo_answers_by_the_narrowest_place_with_the_widest_scope_that_is_true(atlas: Atlas, case: str) -> None:
    client, address, scope = PLACES[case]
    server = Steering(table_of(name_of(("world", WORLD)), atlas), {})
    assert addresses(ask(server, client)) == [address]
    told = ask(server, client, subnet=True)
    assert (addresses(told), scope_of(told)) == ([address], max(scope, 6 if client == "192.0.2.9" else scope))


def test_geo_by_ipv6_and_its_family_of_targets(atlas: Atlas) -> None:
    server = Steering(table_of(name_of(("world", WORLD)), atlas), {})
    assert addresses(ask(server, "2001:db8:a::9", "AAAA")) == [v6("eu-central")]
    assert scope_of(ask(server, "2001:db8:b::9", "AAAA", subnet=True)) == 48


def test_without_a_file_all_go_to_otherwise_and_it_is_told() -> None:
    table = table_of(name_of(("world", WORLD)))
    assert table.problems == (
        f'name "{SHOP}": the tree asks where clients are, which is not known: start with --geo FILE',
    )
    assert addresses(ask(Steering(table, {}), "10.1.2.3")) == [EAST]


def test_what_a_place_has_is_down_and_the_next_takes_its_clients(atlas: Atlas) -> None:
    table = table_of(name_of(("world", WORLD)), atlas)
    assert addresses(ask(Steering(table, down("us-east")), "10.4.1.1")) == [WEST]
    assert addresses(ask(Steering(table, down("us-east", "us-west")), "10.4.1.1")) == [EU]


NEAR = Proximity(
    to=(Spot("us-east", 40_700, -74_000), Spot("us-west", 37_800, -122_400), Spot("eu-central", 50_100, 8_700))
)


def test_proximity_is_the_nearest_over_the_ground(atlas: Atlas) -> None:
    server = Steering(table_of(name_of(("near", NEAR)), atlas), {})
    found = {client: addresses(ask(server, client)) for client in ("10.1.0.1", "10.3.0.1", "10.4.0.1", "10.5.0.1")}
    assert found == {"10.1.0.1": [EU], "10.3.0.1": [WEST], "10.4.0.1": [EAST], "10.5.0.1": [WEST]}


def test_a_bias_draws_clients_from_farther_away(atlas: Atlas) -> None:
    """From Paris New York is 5,840 km away, Frankfurt 480."""
    drawn = structs.replace(NEAR, to=(structs.replace(NEAR.to[0], bias=95), *NEAR.to[1:]))
    server = Steering(table_of(name_of(("near", drawn)), atlas), {})
    assert addresses(ask(server, "10.1.0.1")) == [EAST]
    assert distance(48_900, 2_400, 40_700, -74_000) == pytest.approx(5_830, abs=15)
    assert by_distance(NEAR.to, 48_900, 2_400) == (2, 0, 1)


def test_latency_is_what_was_measured_from_there_else_between_members(atlas: Atlas) -> None:
    """Near us-east (our own) with no line of the file, the way to us-west takes 60 ms, that to eu-central 90."""
    server = Steering(table_of(name_of(("fast", Latency(to=("eu-central", "us-west")))), atlas), {})
    assert addresses(ask(server, "10.1.0.1")) == [WEST]
    assert addresses(ask(server, "192.0.2.1")) == [WEST]
    assert addresses(ask(server, "198.18.3.1")) == [EU]
    assert scope_of(ask(server, "10.1.0.1", subnet=True)) == 16


NETS = Subnets(
    rules=(Match(("10.0.0.0/8",), ("us-west",)), Match(("10.9.0.0/16", "2001:db8::/32"), ("eu-central",))),
    otherwise=("*",),
)


def test_subnets_answer_by_the_longest_prefix() -> None:
    server = Steering(table_of(name_of(("nets", NETS))), {})
    assert [addresses(ask(server, one)) for one in ("10.1.1.1", "10.9.1.1", "192.0.2.1")] == [[WEST], [EU], [EAST]]
    assert scope_of(ask(server, "10.9.1.1", subnet=True)) == 16
    assert scope_of(ask(server, "10.200.1.1", subnet=True)) == 9


def test_a_name_may_be_steered_by_the_resolver_alone() -> None:
    server = Steering(table_of(name_of(("nets", NETS), ignore_subnet=True)), {})
    told = ask(server, "10.9.1.1", subnet=True)
    assert (addresses(told), scope_of(told)) == ([EAST], 0)


def test_weights_are_for_subnets_of_24_bits() -> None:
    split = Weighted(to=(Weight("us-east", 1), Weight("eu-central", 1)))
    server = Steering(table_of(name_of(("split", split))), {})
    answers = [addresses(ask(server, f"10.0.{third}.1"))[0] for third in range(200)]
    assert 70 < answers.count(EAST) < 130
    assert answers.count(EAST) + answers.count(EU) == 200
    assert scope_of(ask(server, "10.0.1.1", subnet=True)) == 24


def test_two_addresses_from_different_regions() -> None:
    item = name_of(("law", Law(to=("*",))), answers=2, apart="region")
    assert addresses(ask(Steering(table_of(item), {}), "192.0.2.1")) == [EAST, WEST]


def test_closed_is_nodata_with_a_soa_and_static_is_there_for_whom_all_is_down() -> None:
    closed = table_of(name_of(("only", Failover(to=("us-east",), down="closed"))))
    assert addresses(ask(Steering(closed, {}), "192.0.2.1")) == [EAST]
    told = ask(Steering(closed, down("us-east")), "192.0.2.1")
    assert (told.rcode(), told.answer, len(told.authority)) == (dns.rcode.NOERROR, [], 1)
    sorry = table_of(
        name_of(("levels", Failover(to=("us-east", "policy/sorry"))), ("sorry", Static(addresses=("192.0.2.99",))))
    )
    assert addresses(ask(Steering(sorry, down("us-east")), "192.0.2.1")) == ["192.0.2.99"]
    assert ask(Steering(sorry, down("us-east")), "192.0.2.1", "AAAA").answer == []


def test_the_least_ttl_holds_while_something_is_under_way() -> None:
    levels = name_of(("levels", Failover(to=("us-east", "us-west"))), least_ttl=5)
    table = table_of(levels)

    def ttl(held: Evidence) -> int:
        return ask(Steering(table, held), "192.0.2.1").answer[0].ttl

    assert ttl({}) == 60
    assert ttl(down("us-east")) == 5
    assert ttl(down("us-east", since=NOW - 60_000)) == 60
    assert ttl({(SHOP, A): {"us-east": Standing(True, NOW - 35_000)}}) == 5
    assert ttl({(SHOP, A): {"us-east": Standing(True, NOW - 200_000)}}) == 60


def test_a_canary_comes_with_the_law_behind_it() -> None:
    server = Steering(table_of(name_of(("try", Canary(to="eu-central", ppm=100_000, otherwise=("*",))))), {})
    answers = [addresses(ask(server, f"10.0.{third}.1"))[0] for third in range(250)]
    assert 8 < answers.count(EU) < 45
    assert answers.count(EAST) == 250 - answers.count(EU)


def test_kept_answers_are_those_of_the_place_by_name(atlas: Atlas) -> None:
    """Clients who stand near one member are apart where a tree looks at them."""
    steering = Steering(table_of(name_of(("world", WORLD)), atlas), {})
    packed = Packed(steering, lambda data, client, now: respond(steering, data, client, False, now))
    query = dns.message.make_query(SHOP, "A").to_wire()
    clients = ["10.1.2.3", "10.3.1.1", "10.4.1.1", "192.0.2.9"]
    for _ in range(3):
        found = [packed.respond(query, client, NOW) for client in clients]
        assert [addresses(dns.message.from_wire(one[0])) for one in found if one] == [[EU], [WEST], [EAST], [EAST]]
    assert len(packed) == len(clients)


def test_equal_nodes_are_mapped_once(atlas: Atlas) -> None:
    guiding = Guiding(atlas)
    trees = {host: Routing("world", {"world": WORLD}) for host in ("a", "b")}
    found = guiding.adjust(trees)
    assert one_of(found["a"].guides) is one_of(found["b"].guides)
    assert guiding.adjust({"a": trees["a"]}) is found
    again = guiding.adjust({"b": None, "c": Routing("world", {"world": WORLD})})
    assert found.keys() == {"a", "b"} and again.keys() == {"a", "c"}
    assert again["a"] is found["a"]
    assert one_of(again["c"].guides) is one_of(found["a"].guides)


def test_nodes_that_nobody_has_any_more_are_forgotten(atlas: Atlas) -> None:
    guiding = Guiding(atlas)
    for number in range(500):
        nets = structs.replace(NETS, otherwise=(f"member/m{number}",))
        guiding.adjust({"a": Routing("nets", {"nets": nets})})
    assert len(guiding._nodes) <= NODES_LEAST + 3


def one_of(found: Iterable[object]) -> object:
    [one] = found
    return one
