"""Two gateways of a member carry at once: one is lost under load and comes back, and no request fails."""

import json
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.rails_world import NODE, RailsWorld, serving, ticking
from tests.netns.spaces import await_true

pytestmark = pytest.mark.netns

MOVED_SECONDS, UNMOVED_SECONDS = 5.0, 1.0
"""Bounds for a busy machine; what it takes is a row of the bench (`gateway-loss-gap`)."""
OTHER_END, RAILS = "w", {"g1": "51820", "g2": "51821"}
"""The other member's gateway, and its port for the rail of each of ours."""


@pytest.fixture(scope="module")
def world() -> Iterator[RailsWorld]:
    with serving() as made:
        yield made


def test_a_lost_gateway_moves_the_requests_of_its_nodes_and_none_fails(world: RailsWorld) -> None:
    before = world.carrier()
    with ticking(world) as ticks:
        ticks.until(time.time() + 2)
        with world.cut(before):
            await_true("another carries", lambda: world.carrier() != before)
            ticks.until(time.time() + 5)
        await_true("the gateway carries again", lambda: world.carrier() == before, 30)
        ticks.until(time.time() + 3)
    assert ticks.failed() == []
    assert ticks.longest() < MOVED_SECONDS


def test_a_gateway_whose_link_to_the_other_member_is_lost_is_left_as_well(world: RailsWorld) -> None:
    before = world.carrier()
    with ticking(world) as ticks:
        ticks.until(time.time() + 2)
        with world.cut(before, "udp", "sport", "{ 51820, 51821 }"):
            await_true("another carries", lambda: world.carrier() != before)
            ticks.until(time.time() + 5)
        await_true("the gateway carries again", lambda: world.carrier() == before, 30)
        ticks.until(time.time() + 2)
    assert ticks.failed() == []
    assert ticks.longest() < MOVED_SECONDS


def test_answers_that_do_not_get_there_on_their_rail_take_another(world: RailsWorld) -> None:
    """Only what the other member sends over this rail is lost: nothing has to move but the answers."""
    before = world.carrier()
    with ticking(world) as ticks:
        ticks.until(time.time() + 2)
        with world.cut(OTHER_END, "udp", "sport", RAILS[before], ways=("output",)):
            ticks.until(time.time() + 6)
        ticks.until(time.time() + 6)
    assert ticks.failed() == []
    assert ticks.longest() < MOVED_SECONDS


def test_nobody_of_another_member_opens_a_connection_to_a_node(world: RailsWorld) -> None:
    listen = (
        "import socket,time\n"
        "one=socket.create_server(('::',15443),family=socket.AF_INET6)\n"
        "two=socket.create_server(('::',8081),family=socket.AF_INET6)\n"
        "print('there',flush=True)\ntime.sleep(30)\n"
    )
    child = world.programs.start(world.spaces["n"], "listen", sys.executable, "-c", listen)
    await_true("the node listens", lambda: "there" in (world.root / "listen.log").read_text())
    scan = (
        "import socket,sys\n"
        "for port in (22, 8081, 15443, 16001):\n"
        "    for source in (0, 15443):\n"
        "        try:\n"
        "            socket.create_connection((sys.argv[1], port), 0.5, ('', source)).close()\n"
        "            print(port)\n"
        "        except OSError as error:\n"
        "            assert not isinstance(error, ConnectionRefusedError), port\n"
    )
    assert world.spaces["w"].run(sys.executable, "-c", scan, NODE).split() == []
    at_home = scan.replace("assert", "assert True or")
    assert {"8081", "15443"} <= set(world.spaces["n"].run(sys.executable, "-c", at_home, NODE).split())
    world.programs.stop(child)


def test_a_node_reaches_nothing_of_another_member_but_the_entrance(world: RailsWorld) -> None:
    scan = (
        "import socket,sys\n"
        "for port in (22, 8080, 10901, 15443, 51820):\n"
        "    try:\n"
        "        socket.create_connection((sys.argv[1], port), 0.5).close()\n"
        "        print(port)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    assert world.spaces["n"].run(sys.executable, "-c", scan, "fd49:7374:0:2::1").split() == ["15443"]
    assert world.spaces["n"].run(sys.executable, "-c", scan, f"fd49:7374:0:1::{world.carrier()[1:]}").split() == []


def test_a_drained_gateway_gets_nothing_new_and_no_request_waits(world: RailsWorld) -> None:
    before = world.carrier()
    space, state = world.spaces[before], str(world.root / before)
    isthmus = str(Path(sys.executable).with_name("isthmus"))
    with ticking(world) as ticks:
        ticks.until(time.time() + 2)
        said = space.run(isthmus, "gateway", "drain", "--state", state, "--reason", "a new kernel", "--wait", "25")
        assert said == "drained: nobody sends through it\n"
        assert world.carrier() != before
        ticks.until(time.time() + 1)
        assert space.run(isthmus, "gateway", "undrain", "--state", state) == "carries again\n"
        await_true("the gateway carries again", lambda: world.carrier() == before, 30)
        ticks.until(time.time() + 1)
    assert ticks.failed() == []
    assert ticks.longest() < UNMOVED_SECONDS


def test_the_bench_measures_each_link_and_keeps_to_its_limit(world: RailsWorld) -> None:
    isthmus = str(Path(sys.executable).with_name("isthmus"))
    run = ("bench", "link", "--state", str(world.root / "w"), "--seconds", "3", "--limit", "5", "--output", "json")
    found = json.loads(world.spaces["w"].run(isthmus, *run))
    assert [(one["member"], one["gateway"]) for one in found] == [("us-east", 1), ("us-east", 2)]
    for one in found:
        assert one["idle"]["lost_percent"] == 0
        assert 2 < one["carried"]["mbit"] <= 5.1


def test_preshared_keys_are_given_while_requests_run(world: RailsWorld) -> None:
    isthmus = str(Path(sys.executable).with_name("isthmus"))
    with ticking(world) as ticks:
        ticks.until(time.time() + 1)
        key = world.spaces["w"].run(isthmus, "gateway", "preshared", "us-east", "--state", str(world.root / "w"))
        (world.root / "key").write_text(key)
        for name in ("g1", "g2"):
            give = ("preshared", "eu-central", "--state", str(world.root / name), "--file", str(world.root / "key"))
            world.spaces[name].run(isthmus, "gateway", *give)
        await_true("both ends of both rails have it", lambda: ends_with(world, key) == 4)
        ticks.until(time.time() + 1)
    assert ticks.failed() == []
    assert ticks.longest() < UNMOVED_SECONDS


def ends_with(world: RailsWorld, key: str) -> int:
    """Ends of links with this preshared key: namespaces share the sockets by which `wg` finds devices."""
    return world.spaces["w"].run("wg", "show", "all", "preshared-keys").count(key.strip())


def test_a_key_is_rotated_and_no_request_fails(world: RailsWorld) -> None:
    before = world.carrier()
    number, space, state = int(before[1:]), world.spaces[before], str(world.root / before)
    isthmus = str(Path(sys.executable).with_name("isthmus"))
    with ticking(world) as ticks:
        ticks.until(time.time() + 1)
        space.run(isthmus, "gateway", "drain", "--state", state, "--wait", "25")
        said = space.run(isthmus, "gateway", "rotate-key", "--state", state)
        world.keys[number] = b64decode(said.split()[3].rstrip(":"))
        for name in ("w", before):
            world.tell(name)
        await_true("its peer knows the new key", lambda: shakes(world, before, "0"))
        world.tell("n")
        await_true("its node knows the new key", lambda: shakes(world, before, "9"))
        space.run(isthmus, "gateway", "undrain", "--state", state)
        await_true("it carries again", lambda: world.carrier() == before and world.reaches(before), 30)
        ticks.until(time.time() + 2)
    assert ticks.failed() == []
    assert ticks.longest() < MOVED_SECONDS


def shakes(world: RailsWorld, name: str, digit: str) -> bool:
    """This device of a gateway has a session, under its key of now."""
    device = world.devices(name)[digit]
    key = b64encode(world.keys[int(name[1:])]).decode()
    shown = world.spaces[name].run("wg", "show", device, "public-key").strip()
    ages = world.spaces[name].run("wg", "show", device, "latest-handshakes").split()[1::2]
    return shown == key and all(age != "0" for age in ages)


def test_the_only_gateway_is_not_drained_unasked(world: RailsWorld) -> None:
    isthmus = str(Path(sys.executable).with_name("isthmus"))
    with pytest.raises(AssertionError) as caught:
        world.spaces["w"].run(isthmus, "gateway", "drain", "--state", str(world.root / "w"))
    assert (
        "E127 gateway eu-central-gateway: is the only one of this member, which nobody else would reach: "
        "see `isthmus drain`, or give --force" in str(caught.value)
    )
