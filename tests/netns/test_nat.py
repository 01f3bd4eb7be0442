"""Gateways behind NAT, as nft masquerades them: port-preserving and random, with nothing let in that nobody asked for."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.netns.nat_world import CONE, PORT, PUBLIC, SYMMETRIC, NatWorld, behind
from tests.netns.side_by_side import Stories, Told
from tests.netns.spaces import await_true

pytestmark = pytest.mark.netns
stories = Stories()

MEET_SECONDS = 30.0
"""From when both know where the other is heard; 18 in the model (`unit/gateways/test_reach.py`)."""

RELAYED_SECONDS = 110.0
"""From when all know that the third carries: 60 without a byte, a round of what is tried, and a slow machine."""

AGAIN_SECONDS = 75.0
"""From when a NAT is renumbered: 25 of silence, two rounds of what is tried, and a slow machine."""


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    with stories.tell(request) as futures:
        yield futures


@stories.test
def test_two_gateways_behind_nat_find_each_other_by_what_a_third_hears_and_again_after_one_is_renumbered() -> None:
    with behind(CONE, CONE) as world:
        seen = await_true("c hears both", lambda: found if (found := world.heard()).keys() == {"a", "b"} else None)
        assert seen == {name: f"{PUBLIC[name]}:{PORT}" for name in ("a", "b")}
        assert not world.reaches("a", "b")
        for name in ("a", "b"):
            world.tell(name, seen)
        began = time.monotonic()
        await_true("a and b have a link", lambda: world.reaches("a", "b") and world.reaches("b", "a"), 60)
        assert time.monotonic() - began < MEET_SECONDS
        assert world.heard("a")["b"] == seen["b"] and world.heard("b")["a"] == seen["a"]

        world.renumber("a", "198.51.100.3")
        began = time.monotonic()
        await_true("c hears a elsewhere", lambda: world.heard()["a"] == f"198.51.100.3:{PORT}", 40)
        world.tell("b", world.heard())
        await_true("a and b have a link again", lambda: world.reaches("b", "a") and world.reaches("a", "b"), 120)
        assert time.monotonic() - began < AGAIN_SECONDS


@stories.test
def test_a_gateway_behind_a_nat_that_keeps_no_port_reaches_one_in_the_open_and_again_after_it_is_renumbered() -> None:
    with behind(SYMMETRIC, CONE) as world:
        assert world.reaches("c", "a")
        assert world.heard()["a"].startswith(f"{PUBLIC['a']}:") and not world.heard()["a"].endswith(f":{PORT}")
        world.renumber("a", "198.51.100.3")
        await_true("the link is back", lambda: world.reaches("c", "a", "3"), 40)
        assert world.heard()["a"].startswith("198.51.100.3:")


SERVE = (
    "import socket,sys\n"
    "with socket.create_server((sys.argv[1], 15443), family=socket.AF_INET6) as port:\n"
    "    while True:\n"
    "        one, _ = port.accept()\n"
    "        while data := one.recv(65536):\n"
    "            one.sendall(data)\n"
    "        one.close()\n"
)
ASK = (
    "import socket,sys,threading\n"
    "sent = bytes(range(256)) * 1024\n"
    "with socket.create_connection((sys.argv[1], 15443), 10) as one:\n"
    "    threading.Thread(target=lambda: (one.sendall(sent), one.shutdown(socket.SHUT_WR))).start()\n"
    "    came = b''\n"
    "    while data := one.recv(65536):\n"
    "        came += data\n"
    "print(came == sent)\n"
)


def asks(world: NatWorld) -> str:
    """256 KiB go from a's gateway to the door of b's, and back."""
    return world.spaces["a"].run(sys.executable, "-c", ASK, world.keys["b"].gateway_address).strip()


@stories.test
def test_behind_two_nats_that_keep_no_port_status_says_why_while_nobody_carries() -> None:
    with behind(SYMMETRIC, SYMMETRIC) as world:
        seen = world.heard()
        for name in ("a", "b"):
            world.tell(name, seen)
        why = (
            f"E190 link to eu-central gateway 1: others hear it at {seen['b']}, we do not: a NAT changes ports, and no "
            "member that we reach carries between others (`--relay`)"
        )
        await_true("a says why", lambda: why in world.log("a"), 90)
        assert not world.reaches("a", "b", "2")


@stories.test
def test_behind_two_nats_that_keep_no_port_a_third_member_carries_if_it_says_so() -> None:
    with behind(SYMMETRIC, SYMMETRIC) as world:
        seen = world.heard()
        assert not world.reaches("a", "b", "2")
        world.relay = True
        for name in ("c", "a", "b"):
            world.tell(name, seen)
        began = time.monotonic()
        await_true("a and b have a link", lambda: world.reaches("a", "b") and world.reaches("b", "a"), 150)
        assert time.monotonic() - began < RELAYED_SECONDS
        server = world.programs.start(
            world.spaces["b"], "server", sys.executable, "-c", SERVE, world.keys["b"].gateway_address
        )
        await_true("what passes is measured, and TCP keeps to it", lambda: answers(world), 40)
        assert world.shown("a").count("through a third member") == 1
        assert world.reaches("a", "c") and world.reaches("c", "b")

        assert world.programs.stop(world.started["a"]) == 0
        world.agent("a")
        await_true("the link is back after a restart", lambda: world.reaches("a", "b"), 60)
        world.programs.stop(server)


def answers(world: NatWorld) -> bool:
    try:
        return asks(world) == "True"
    except (AssertionError, subprocess.TimeoutExpired):
        return False
