"""Flat mode: pods of two members with the same addresses reach each other by those that others see, and nothing else."""

import contextlib
import itertools
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.netns.flat_world import (
    AP_POD,
    BESIDE_POD,
    EU,
    EU_POD,
    EU_POD6,
    FOR_SHOP,
    OPEN,
    POD,
    SHOP,
    TAKEN,
    US_POD,
    US_POD6,
    Beat,
    FlatWorld,
    beating,
    flat,
)
from tests.netns.spaces import await_true

pytestmark = pytest.mark.netns

GAP_SECONDS = {"tcp": 6.5, "udp": 3.0}
"""Until both ends have seen it, each by its own probes; TCP doubles what it waits meanwhile."""

BEATS = [(kind, pod, seen) for kind in ("tcp", "udp") for pod, seen in ((EU_POD, US_POD), (EU_POD6, US_POD6))]
"""What a pod of us-east asks, of whom, and by which address it is seen there."""


@pytest.fixture(scope="module")
def world() -> Iterator[FlatWorld]:
    with flat() as made:
        yield made


def test_a_pod_is_reached_and_sees_whose_pod_asks(world: FlatWorld) -> None:
    """Over TCP and UDP, in both families; both pods have the address POD, and their node masquerades what it can."""
    for pod, six, own in ((EU_POD, EU_POD6, (US_POD, US_POD6)),):
        for kind, port in (word.split(":") for word in OPEN):
            assert world.ask("p", kind, pod, port).split()[0] == own[0]
            assert world.ask("p", kind, six, port).split()[0] == own[1]


def test_where_gateway_and_node_are_one_machine_it_is_the_same(world: FlatWorld) -> None:
    for kind, port in (word.split(":") for word in OPEN):
        assert world.ask("q", kind, AP_POD, port).split()[0] == EU_POD
        assert world.ask("r", kind, EU_POD, port).split()[0] == AP_POD


def test_pods_on_a_gateways_machine_are_reached_over_the_other_gateway(world: FlatWorld) -> None:
    """Theirs answer over TAKEN, which is not the machine of this pod."""
    assert TAKEN != "g2"
    await_true("it passes", lambda: world.ask("s", "tcp", EU_POD, "8080"), 30)
    for kind, port in (word.split(":") for word in OPEN):
        assert world.ask("s", kind, EU_POD, port).split()[0] == BESIDE_POD
    assert world.ask("q", "scan", BESIDE_POD, "123", *PORTS) == ""


PORTS = [str(port) for port in (*range(1, 12_000, 97), 53, 5353, 5354, 8080, 9090, 15443, 51820, 10250)]


@pytest.mark.parametrize("source", [0, 8080, 5353, 53, 15443])
def test_of_all_ports_only_those_exported_answer(world: FlatWorld, source: int) -> None:
    """A refusal would count as well: it would mean that the packet came through."""
    for target in (EU_POD, EU_POD6) if not source else (EU_POD,):
        assert set(world.ask("p", "scan", target, str(source), *PORTS).split()) == set(OPEN)
    assert set(world.ask("q", "scan", AP_POD, str(source), *PORTS).split()) == set(OPEN)


@pytest.mark.parametrize("source", [0, 123, 443])
def test_a_member_that_exports_nothing_has_no_port_that_answers(world: FlatWorld, source: int) -> None:
    """Though its pods asked others a moment ago: from ports that these ask here, it would be their answer."""
    assert str(source) not in PORTS
    assert world.ask("q", "scan", US_POD, str(source), *PORTS) == ""


def test_all_those_ports_answer_at_home(world: FlatWorld) -> None:
    """The scan sees what is there: at the pod's own node everything answers or refuses."""
    script = str(Path(__file__).with_name("flat_ask.py"))
    found = world.spaces["m"].run(sys.executable, script, "scan", POD, "0", "8080", "9090", "15443", "5353", "5354")
    assert {"tcp:8080", "tcp:9090", "tcp:15443", "udp:5353", "udp:5354"} <= set(found.split())


def test_nodes_and_gateways_are_no_pods(world: FlatWorld) -> None:
    ports = [str(port) for port in (22, 53, 5353, 8080, 10250, 15443, 51820, 51900)]
    targets = ("100.72.3.1", "100.72.0.1", "fd00:a2:0:3::1", "fd49:7374:0:2::1", "fd49:7374:0:2:0:1:0:7")
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda target: world.ask("p", "scan", target, "0", *ports), targets)
        assert list(found) == [""] * len(targets)


def test_a_lost_gateway_ends_no_exchange(world: FlatWorld) -> None:
    """TCP and UDP in both families, a question each 20 ms from one socket, while it is lost and when it is back."""
    await_true("both gateways are known", lambda: len(world.devices("n")) == 2)
    with contextlib.ExitStack() as stack:
        beats = [stack.enter_context(beating(world, kind, target)) for kind, target, _ in BEATS]
        answered_since(beats, time.time())
        before = world.carrier()
        with world.cut(before):
            lost = time.time()
            await_true("another carries", lambda: world.carrier() != before)
            answered_since(beats, time.time())
        await_true("the gateway carries again", lambda: world.carrier() == before, 30)
        answered_since(beats, time.time())
        for beat, (kind, _, seen) in zip(beats, BEATS, strict=True):
            (only,) = {said for _, said in beat.answers()}
            assert only.split()[0] == seen
            print(f"{kind} {seen}: a gap of {beat.gap():.2f} s")
            assert any(moment < lost for moment, _ in beat.answers())
            assert beat.gap() < GAP_SECONDS[kind]


def answered_since(beats: list[Beat], moment: float) -> None:
    for beat in beats:
        await_true("it is answered", lambda beat=beat: beat.answers() and beat.answers()[-1][0] > moment)  # type: ignore[misc]


def test_a_member_passes_nothing_on_from_one_peer_to_another(world: FlatWorld) -> None:
    """us-east takes ap-south's pods for eu-central's, whose gateway could reach them."""
    assert world.ask("q", "tcp", AP_POD, "8080")
    world.stray = ("10.3.0.0/16",)
    try:
        world.tell("g1", "g2", "n")
        await_true(
            "the way leads there", lambda: "10.3.0.0/16" in world.spaces["n"].ip("route", "show", "proto", "157")
        )
        await_true("v4 passes", lambda: world.ask("p", "tcp", EU_POD, "8080"), 30)
        assert world.ask("p", "scan", AP_POD, "0", "8080", "5353", "9090") == ""
        await_true("its packets come to eu-central", lambda: dropped(world, "w", "isthmus_gateway"))
    finally:
        world.stray = ()
        world.tell("g1", "g2", "n")


SHOPPING = (*OPEN, *FOR_SHOP)


@pytest.fixture
def shop(world: FlatWorld) -> Iterator[FlatWorld]:
    """us-east's pods are of its namespace shop."""
    programs = ("g1", "g2", "n", "h")
    world.shop = True
    try:
        world.tell(*programs)
        for pod in "ps":
            await_true(f"{pod} is known by its namespace", lambda pod=pod: world.ask(pod, "tcp", EU_POD, "9090"), 30)  # type: ignore[misc]
        yield world
    finally:
        world.shop = False
        world.tell(*programs)
        for own, pod in ((US_POD, "p"), (BESIDE_POD, "s")):
            await_true("it is known by its own address", lambda own=own, pod=pod: own in world.ask(pod, "tcp", EU_POD, "8080"), 30)  # type: ignore[misc]  # fmt: skip


def test_what_is_for_a_namespace_is_closed_to_other_pods(world: FlatWorld) -> None:
    for kind, port in (word.split(":") for word in FOR_SHOP):
        assert world.ask("p", kind, EU_POD, port) == world.ask("p", kind, EU_POD6, port) == ""


def test_a_namespaces_packets_come_from_its_egress_addresses_and_open_what_is_for_it(shop: FlatWorld) -> None:
    """From each node its own; nothing begins towards them, and no pod has one itself."""
    for kind, port in (word.split(":") for word in SHOPPING):
        assert shop.ask("p", kind, EU_POD, port).split()[0] == SHOP["n"][0]
        assert shop.ask("p", kind, EU_POD6, port).split()[0] == SHOP["n"][1]
        assert shop.ask("s", kind, EU_POD, port).split()[0] == SHOP["h"][0]
    assert set(shop.ask("p", "scan", EU_POD, "0", *PORTS).split()) == set(SHOPPING)
    way_out = ("100.71.200.0/28", "via", "10.98.1.1")
    shop.spaces["n"].ip("route", "add", *way_out)
    before = dropped(shop, "n", "isthmus_node")
    assert shop.ask("q", "scan", SHOP["n"][0], "0", *PORTS) == ""
    assert dropped(shop, "n", "isthmus_node") > before
    shop.spaces["n"].ip("route", "delete", *way_out)
    for pod, machine, table in (("p", "n", "isthmus_node"), ("s", "g2", "isthmus_gateway")):
        space = shop.spaces[pod]
        for taken in (SHOP["n"][0], SHOP["h"][0]):
            space.ip("address", "add", f"{taken}/32", "dev", "lo")
            before = dropped(shop, machine, table, "flat_forward" if pod == "p" else "forward")
            assert shop.ask(pod, "tcp", EU_POD, "8080", source=taken) == ""
            assert dropped(shop, machine, table, "flat_forward" if pod == "p" else "forward") > before
            space.ip("address", "delete", f"{taken}/32", "dev", "lo")


def test_whoever_an_egress_policy_keeps_begins_nothing_by_address(shop: FlatWorld) -> None:
    shop.kept = True
    shop.tell("n")
    await_true("p is kept", lambda: not shop.ask("p", "tcp", EU_POD, "8080"))
    before = dropped(shop, "n", "isthmus_node", "flat_kept")
    for target in (EU_POD, EU_POD6):
        assert shop.ask("p", "scan", target, "0", "8080", "5353", "9090") == ""
    assert dropped(shop, "n", "isthmus_node", "flat_kept") > before
    assert shop.ask("s", "tcp", EU_POD, "8080")
    shop.kept = False
    shop.tell("n")
    await_true("p is kept no more", lambda: shop.ask("p", "tcp", EU_POD, "8080"), 30)


def dropped(world: FlatWorld, machine: str, table: str, chain: str = "flat_in") -> int:
    """Packets that the rules of a chain dropped."""
    listed = world.spaces[machine].run("nft", "list", "chain", "inet", table, chain).split()
    return sum(int(number) for word, number in itertools.pairwise(listed) if word == "packets")


def test_denied_by_one_side_nothing_passes_and_nothing_is_left(world: FlatWorld) -> None:
    pair = frozenset(("us-east", "eu-central"))
    world.allowed.discard(pair)
    try:
        world.tell("w", "m")
        await_true("nothing passes", lambda: not world.ask("p", "tcp", EU_POD, "8080"))
        assert world.ask("p", "udp", EU_POD, "5353") == ""
        assert world.ask("q", "tcp", AP_POD, "8080")
        routes = world.spaces["m"].ip("route", "show", "proto", "157")
        assert EU not in routes and "100.71.0.0/16" not in routes
    finally:
        world.allowed.add(pair)
        world.tell("w", "m")
    await_true("it passes again", lambda: world.ask("p", "tcp", EU_POD, "8080"), 30)


def test_clean_leaves_nothing(world: FlatWorld) -> None:
    """The last: the world is taken apart."""
    isthmus = str(Path(sys.executable).with_name("isthmus"))
    for name, space in (("m", "m"), ("w", "w"), ("y", "x"), ("x", "x")):
        assert world.programs.stop(world.started[name]) == 0
        world.spaces[space].run(isthmus, "agent", "clean", "--state", str(world.root / name))
    for space in ("m", "w", "x"):
        left = world.spaces[space]
        assert "isthmus" not in left.run("nft", "list", "ruleset")
        assert left.ip("route", "show", "proto", "157") == left.ip("-6", "route", "show", "proto", "157") == ""
        assert "ist" not in left.ip("-o", "link", "show", "type", "tun")
