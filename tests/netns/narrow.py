"""Two members over an underlay that becomes narrow while requests of 1 MiB pass."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.netns.gateways_world import CLIENT, PORT, URL, GatewaysWorld
from tests.netns.spaces import Space, await_true, fetch

MIB = 1 << 20
PATIENCE = 30.0
"""Seconds in which a transfer must be over; the first after a hole waits for it to be seen and for TCP to send again."""
MOST = 1420
FITS = {1400: 1328, 1360: 1296}
"""What a hole leaves of a packet in the tunnel: WireGuard over IPv4 pads to 16 bytes and adds 60."""


@contextmanager
def wide() -> Iterator[GatewaysWorld]:
    """They serve, and both gateways know that all passes."""
    made = GatewaysWorld()
    try:
        made.build()
        made.start()
        made.wait_until_serving()
        await_true("both ends know that all passes", lambda: measures(made, MOST), 30)
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
    return of_link(world, name, member, "mtu_bytes")


def of_link(world: GatewaysWorld, name: str, member: str, what: str) -> float:
    """A metric of the gateway's link to this member; -1 while there is none."""
    space = world.east if name.startswith("e") else world.west
    status, body = fetch(space, f"http://{world.metrics[name]}/metrics")
    pattern = rf'^isthmus_agent_link_{what}{{gateway="1",member="{member}"}} (\S+)$'
    found = re.search(pattern, body.get("text", ""), re.M)
    return float(found[1]) if status == 200 and found else -1.0


def measures(world: GatewaysWorld, size: int) -> bool:
    return mtu(world, "eg", "eu-central") == mtu(world, "wg", "us-east") == size
