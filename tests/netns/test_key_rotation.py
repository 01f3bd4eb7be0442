"""The WireGuard key of a member's only gateway is exchanged under floods of echoes and under requests, and nothing is lost:
with every part real, and with a node on another machine.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from federation.lab import look, netns
from federation.lab.look import Answer
from federation.lab.state import Lab, load
from gateways.keys import Keys
from tests.netns.lone_world import OURS, THEIRS, LoneWorld
from tests.netns.rails_world import ticking
from tests.netns.rotations import Flood, flooding, gateway, line, overlays, rotated, to_and_fro
from tests.netns.spaces import await_true
from tests.netns.test_live_lab import raised

pytestmark = pytest.mark.netns

EAST, WEST = "us-east", "us-west"
STEPS = (
    "1 of 4: the new key has rail 2; links under it come up\n"
    "2 of 4: 2 links stand under both keys\n"
    "3 of 4: everybody is told to send under the new key\n"
    "4 of 4: nobody sends under the old key, and it is gone\n"
    "new public key "
)
RATE = 50
PACED = ("--rate", str(RATE), "--timeout", "5", "--keep")
SECONDS = 1.0
"""The slowest request; what it takes is a row of the bench (`key-rotation-slowest`)."""

GAP = 0.5
"""Seconds between two answered echoes, for a busy machine."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with raised() as path:
        yield load(path)


def unbroken(floods: list[Flood], said: object = ()) -> None:
    """No echo was lost, and none was long in coming, whatever a rotation `said`."""
    told = [one.told for one in floods]
    assert all(one["lost"] == 0 and one["sent"] > 500 and one["gap"] < GAP for one in told), (told, said)


def unmoved(answers: list[Answer]) -> None:
    """No request failed, and none waited."""
    assert [one for one in answers if not one["ok"]] == []
    assert max(one["ms"] for one in answers) < 1_000 * SECONDS


def go_on(answers: list[Answer]) -> None:
    """Wait for another second of requests."""
    count = len(answers) + RATE
    await_true("a second of requests", lambda: len(answers) >= count)


def key_of(lab: Lab, member: str) -> tuple[str, ...]:
    views = json.loads(gateway(lab, member, "show", "--output", "json").stdout)
    return tuple(sorted({view["key"] for view in views}))


def test_the_key_of_the_only_gateway_is_exchanged_and_nothing_is_lost(lab: Lab) -> None:
    before = key_of(lab, EAST)
    with (
        look.recording(lab, EAST, *PACED) as answers,
        flooding(*to_and_fro(lab, EAST)) as floods,
    ):
        go_on(answers)
        status, *said = rotated(lab, EAST)
        await_true("the old devices are gone", lambda: len(key_of(lab, EAST)) == 1)
        go_on(answers)
    unbroken(floods, said)
    unmoved(answers)
    (now,) = key_of(lab, EAST)
    assert (status, said[0]) == (0, f"{STEPS}{now}\n") and now not in before
    for member, overlay in overlays(lab, EAST).items():
        assert overlay and [peer["key"] for peer in peers_of(lab, member, EAST)] == [now]


def peers_of(lab: Lab, member: str, other: str) -> list[dict[str, object]]:
    """What a member's devices hold of another member's gateways, once the record of now has arrived."""
    await_true("one key", lambda: len(_peers(lab, member, other)) == 1)
    return _peers(lab, member, other)


def _peers(lab: Lab, member: str, other: str) -> list[dict[str, object]]:
    views = json.loads(gateway(lab, member, "show", "--output", "json").stdout)
    return [peer for view in views for peer in view["peers"] if peer["member"] == other]


def test_two_members_exchange_theirs_at_once(lab: Lab) -> None:
    with (
        look.recording(lab, EAST, *PACED) as answers,
        flooding(*to_and_fro(lab, EAST)) as floods,
    ):
        go_on(answers)
        both = [started(lab, member) for member in (EAST, "eu-central")]
        said = [child.communicate(timeout=150) for child in both]
        go_on(answers)
    unbroken(floods, said)
    unmoved(answers)
    assert [child.returncode for child in both] == [0, 0], said


def started(lab: Lab, member: str) -> "subprocess.Popen[str]":
    command = line(lab, member, "rotate-key")
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_where_a_port_is_shut_nothing_is_lost_and_the_old_key_stays(lab: Lab) -> None:
    before, west = key_of(lab, EAST), netns.machine(lab.lab, WEST)
    port = "51820-51827" if slot(lab, EAST) else "51828-51835"
    with shut(west, port), flooding(*to_and_fro(lab, EAST)) as floods:
        done = gateway(lab, EAST, "rotate-key", "--wait", "10")
        await_true("the new devices are gone", lambda: key_of(lab, EAST) == before)
    unbroken(floods, done.stderr)
    ports = port.partition("-")[0]
    assert done.returncode == 2 and done.stderr.strip() == (
        "isthmus: E127 gateway gw1: no link under the new key with us-west gateway 1 within 10 s; the old key stays. "
        f"Open UDP {ports} here, and there as for a rail"
    )


def slot(lab: Lab, member: str) -> bool:
    """Whether its key is in the second slot."""
    views = json.loads(gateway(lab, member, "show", "--output", "json").stdout)
    return any(view["device"].endswith("b") for view in views)


@contextmanager
def shut(space: str, ports: str) -> Iterator[None]:
    """What comes from and goes to these UDP ports of others is lost at a machine within the block."""
    nft = ("ip", "netns", "exec", space, "nft")
    rules = "".join(
        f"chain {way} {{ type filter hook {way} priority -500; udp {end} {ports} drop; }}\n"
        for way, end in (("input", "sport"), ("output", "dport"))
    )
    subprocess.run([*nft, "-f", "-"], input=f"table inet shut {{ {rules} }}", text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*nft, "delete", "table", "inet", "shut"], check=True)


def test_one_that_is_killed_on_its_way_goes_on_when_it_is_run_again(lab: Lab) -> None:
    before = key_of(lab, EAST)
    with flooding(*to_and_fro(lab, EAST)) as floods:
        for words in ("1 of 4", "3 of 4"):
            with started(lab, EAST) as child:
                assert child.stdout is not None
                assert any(words in line for line in child.stdout)
                child.kill()
        done = gateway(lab, EAST, "rotate-key")
        await_true("the old devices are gone", lambda: len(key_of(lab, EAST)) == 1)
    unbroken(floods, done.stdout)
    assert done.returncode == 0 and done.stdout.startswith("a rotation was begun: it goes on\n4 of 4"), done
    assert key_of(lab, EAST) != before


@pytest.fixture
def lone() -> Iterator[LoneWorld]:
    made = LoneWorld()
    try:
        made.build()
        made.start()
        made.wait_until_serving()
        yield made
    finally:
        made.remove()


def test_a_node_on_another_machine_loses_nothing_either(lone: LoneWorld) -> None:
    isthmus = str(Path(sys.executable).with_name("isthmus"))
    one, node, far = (lone.spaces[name].name for name in ("g1", "n", "w"))
    command = ["ip", "netns", "exec", one, isthmus, "gateway", "rotate-key", "--state", str(lone.root / "g1")]
    before = lone.held().first
    with (
        ticking(lone) as ticks,
        flooding((node, THEIRS), (node, OURS), (one, THEIRS), (far, OURS)) as floods,
    ):
        ticks.until(time.time() + 1)
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        follow(lone, lambda held: held.spare is not None, "g1", "w", "n")
        follow(lone, lambda held: held.leaving, "w", "n")
        said = child.communicate(timeout=100)
        follow(lone, lambda held: held.spare is None, "g1", "w", "n")
        ticks.until(time.time() + 2)
    assert child.returncode == 0 and lone.held().first != before, said
    unbroken(floods)
    assert ticks.failed() == [] and ticks.longest() < SECONDS


def follow(lone: LoneWorld, reached: Callable[[Keys], bool], *names: str) -> None:
    """Once the gateway's folder is so far, everybody is told."""
    await_true("the next step", lambda: reached(lone.held()), 60)
    lone.tell_all(lone.held(), *names)
