"""What a rotation of a gateway's WireGuard key is measured with: floods of echoes, and the command."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.lab import netns, process
from federation.lab.state import Lab

PAUSE = 0.01
Told = dict[str, float]
Way = tuple[str, str]
"""From a namespace to an address."""


class Flood:
    """Echoes from a namespace to an overlay address; what came of them is in `told` when it has ended."""

    def __init__(self, space: str, address: str) -> None:
        script = str(Path(__file__).with_name("flood.py"))
        line = ["ip", "netns", "exec", space, sys.executable, script, address, str(PAUSE)]
        self._child = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.told: Told = {}

    def end(self) -> None:
        out, _ = self._child.communicate(timeout=30)
        self.told = json.loads(out)


@contextmanager
def flooding(*ways: Way) -> Iterator[list[Flood]]:
    """A flood for each (namespace, address) during the block."""
    floods: list[Flood] = []
    try:
        floods += [Flood(space, address) for space, address in ways]
        yield floods
    finally:
        for one in floods:
            one.end()


def line(lab: Lab, member: str, *words: str) -> list[str]:
    """The command line of `isthmus gateway` on a member's machine, for its gateway."""
    state = ("--state", str(lab.member(member) / "gw"))
    private = lab.member(member) / "wireguard"
    return process.wrapped(netns.machine(lab.lab, member), process.isthmus("gateway", *words, *state), private)


def gateway(lab: Lab, member: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What `isthmus gateway` does there."""
    return subprocess.run(line(lab, member, *words), capture_output=True, text=True, timeout=200, check=False)


def rotated(lab: Lab, member: str) -> tuple[int, str, list[float]]:
    """What `rotate-key` ends with and says there, and the Unix seconds of its lines."""
    words = line(lab, member, "rotate-key")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        said = [(text, round(time.time(), 2)) for text in child.stdout]
    return child.returncode, "".join(text for text, _ in said), [at for _, at in said]


def overlays(lab: Lab, member: str) -> dict[str, str]:
    """The overlay addresses of the gateways of the other members."""
    views = json.loads(gateway(lab, member, "show", "--output", "json").stdout)
    return {peer["member"]: peer["overlay"] for view in views for peer in view["peers"]}


def to_and_fro(lab: Lab, member: str) -> list[Way]:
    """From its machine to every other's gateway, and from theirs to its own."""
    views = json.loads(gateway(lab, member, "show", "--output", "json").stdout)
    own = views[0]["addresses"][0].partition("/")[0]
    here = netns.machine(lab.lab, member)
    others = overlays(lab, member)
    return [(here, at) for at in others.values()] + [(netns.machine(lab.lab, name), own) for name in others]
