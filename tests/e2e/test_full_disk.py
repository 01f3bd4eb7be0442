"""The disk under a controller's state is full: it goes on, takes what peers say, says so, and recovers by itself."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.model.names import MemberName, ServiceKey
from federation.model.record import About, Endpoint, Export, Port, Slice
from federation.wire.record import record_topic
from tests.netns.spaces import await_true
from tests.worlds.public_cli import Site
from tests.worlds.rogue import Rogue, content

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="FULL DISK NOT TESTED: not root, cannot mount a small one")
WEB = ServiceKey("shop", "web")
OWN = record_topic("eu-central")
FULL = (
    'the record of member "eu-central" is not on disk: No space left on device; '
    "it is served from memory, and a restart would find the one before"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """us-east's state lies on a disk of 8 MiB."""
    small = tmp_path / "us-east" / "state"
    small.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", small], check=True)
    made = Site(tmp_path)
    try:
        made.found()
        made.run("us-east")
        yield made
    finally:
        made.stop()
        subprocess.run(["umount", "-l", small], check=True)


def record(*addresses: str) -> tuple[About | Export | Slice, ...]:
    return (
        About(MemberName("eu-central"), "eu-central", "0.1.0"),
        Export(service=WEB, ports=(Port("http", 80),)),
        Slice(service=WEB, az="a", ports=(Port("http", 8080),), endpoints=tuple(map(Endpoint, addresses))),
    )


@needs_root
def test_a_full_disk_stops_nothing_and_is_said(site: Site) -> None:
    rogue = Rogue(site.folder("eu-central"), site.folder("us-east"), site.listen)
    ballast = site.folder("us-east").path / "ballast"

    async def say(*addresses: str) -> None:
        async with rogue.session() as talk:
            tree = content(*record(*addresses))
            acked = await talk.say(OWN, tree, rogue.next_head(tree))
            assert (acked.root, acked.code) == (tree.root, "")

    def ready() -> int:
        return sum(row["ready"] for row in site.explain("us-east", "shop/web")["inputs"])

    def disk() -> list[str]:
        return list(site.status("us-east")["disk"]["problems"])

    asyncio.run(say("10.2.1.11"))
    await_true("the first record is planned", lambda: site.status("us-east")["services"])
    assert ready() == 1
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65_536))
    asyncio.run(say("10.2.1.11", "10.2.1.12"))
    await_true("the second record is planned on a full disk", lambda: ready() == 2)
    await_true("the full disk is said", lambda: FULL in disk())
    ballast.unlink()
    await_true("the record is on disk again", lambda: disk() == [])
    assert not [line for line in site.log("us-east-controller") if "trace" in line]
