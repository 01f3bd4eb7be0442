"""Holes in the MTU of the underlay appear while requests of 1 MiB pass both ways: none fails."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.netns.gateways_world import CLIENT, PORT, URL, GatewaysWorld
from tests.netns.spaces import Space, await_true, fetch

pytestmark = pytest.mark.netns

MIB = 1 << 20
PATIENCE = 30.0
"""Seconds in which a transfer must be over; the first after a hole waits for it to be seen and for TCP to send again."""
FITS = {1400: 1328, 1360: 1296}
"""What a hole leaves of a packet in the tunnel: WireGuard over IPv4 pads to 16 bytes and adds 60."""


@pytest.fixture
def world() -> Iterator[GatewaysWorld]:
    made = GatewaysWorld()
    try:
        made.build()
        made.start()
        made.wait_until_serving()
        yield made
    finally:
        made.remove()


class Transfers:
    """A client that sends 1 MiB there and back, over one connection, without end."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child
        self.took: list[float] = []

    def more(self, count: int) -> None:
        """Wait until so many more are through."""
        assert self._child.stdout is not None
        for _ in range(count):
            line = self._child.stdout.readline().strip()
            assert re.fullmatch(r"[0-9.]+", line), line
            self.took.append(float(line))


@contextmanager
def transferring(world: GatewaysWorld) -> Iterator[Transfers]:
    script = str(Path(__file__).with_name("transfers.py"))
    command = ["ip", "netns", "exec", world.east.name, sys.executable, script, URL, CLIENT, str(MIB), str(PATIENCE)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Transfers(child)
    finally:
        child.kill()
        child.communicate()


def hole(space: Space, size: int) -> None:
    """WireGuard's packets over this size that come in vanish without a word."""
    space.run("nft", "add", "table", "inet", "hole")
    space.run("nft", "flush", "table", "inet", "hole")
    space.run("nft", "add", "chain", "inet", "hole", "in", "{ type filter hook prerouting priority -400; }")
    rule = ("udp", "dport", str(PORT), "meta", "length", ">", str(size), "drop")
    space.run("nft", "add", "rule", "inet", "hole", "in", *rule)


def mtu(world: GatewaysWorld, name: str, member: str) -> float:
    """What the gateway measured towards this member."""
    space = world.east if name.startswith("e") else world.west
    status, body = fetch(space, f"http://{world.metrics[name]}/metrics")
    pattern = rf'^isthmus_agent_link_mtu_bytes{{gateway="1",member="{member}"}} (\S+)$'
    found = re.search(pattern, body.get("text", ""), re.M)
    return float(found[1]) if status == 200 and found else -1.0


def measures(world: GatewaysWorld, size: int) -> bool:
    return mtu(world, "eg", "eu-central") == mtu(world, "wg", "us-east") == size


def test_holes_at_1400_and_1360_appear_and_transfers_of_1_mib_go_on(world: GatewaysWorld) -> None:
    await_true("both ends know that all passes", lambda: measures(world, 1420), 30)
    with transferring(world) as clients:
        clients.more(3)
        for size, fits in FITS.items():
            for space in (world.east, world.west):
                hole(space, size)
            clients.more(5)
            await_true(f"both ends know of {size}", lambda fits=fits: measures(world, fits), 30)  # type: ignore[misc]
            clients.more(5)
    assert "packets of 1296 bytes get there whole of 1420" in world.east.run(
        str(Path(sys.executable).with_name("isthmus")), "gateway", "verify", "--state", str(world.root / "eg")
    )
    prefix = world.east.run("ip", "-6", "route", "show", "proto", "157")
    assert " mtu 1296 " in prefix


def test_a_hole_in_one_direction_is_seen_by_its_sender(world: GatewaysWorld) -> None:
    await_true("both ends know that all passes", lambda: measures(world, 1420), 30)
    with transferring(world) as clients:
        clients.more(2)
        hole(world.west, 1400)
        clients.more(5)
        await_true("the east sends less", lambda: mtu(world, "eg", "eu-central") == FITS[1400], 30)
        clients.more(5)
