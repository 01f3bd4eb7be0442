"""A file of an enrolled program that cannot be read: the program is neither forgotten nor left out of what is waited for."""

import errno
import os
import time
from pathlib import Path

import pytest

from federation.config import Enrolment, Enrolments, Folder
from federation.model.errors import Unavailable
from federation.model.record import Seen
from federation.reconcile.status import status
from federation.wire.record import RECORD
from tests.worlds.controller import World
from tests.worlds.rotating import Scene, phase, running, waits

TORN = "Input data was truncated"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def said(world: World, name: str) -> str:
    return (
        f"{world.folder.agents / name}.json cannot be read: {TORN}; the program counts as enrolled, and is waited for, "
        "until it is removed"
    )


def tear(folder: Folder, name: str) -> None:
    """A crash in the middle of a write that was not ours; the folder changes, too."""
    (folder.agents / f"{name}.json.other").write_bytes(b"")
    (folder.agents / f"{name}.json.other").replace(folder.agents / f"{name}.json")


def behind(world: World) -> tuple[str, ...]:
    world.step()
    seen = dict(RECORD.decode_tree(world.peers.published[-1]))["seen"]
    assert isinstance(seen, Seen)
    return seen.behind


def test_a_program_that_was_known_is_not_forgotten_and_is_read_again(world: World) -> None:
    world.local("10.1.1.11")
    world.step()
    before = dict(world.loop.programs.enrolments)
    good = (world.folder.agents / "gw1.json").read_bytes()
    tear(world.folder, "gw1")
    world.step()
    assert (world.loop.programs.enrolments, set(world.agents.given)) == (before, set(before))
    assert status(world.loop)["disk"]["problems"] == [said(world, "gw1")]
    (world.folder.agents / "gw1.json").write_bytes(good)
    world.step()
    assert (world.loop.programs.enrolments, status(world.loop)["disk"]["problems"]) == (before, [])
    tear(world.folder, "gw1")
    (world.folder.agents / "gw1.json").unlink()
    world.step()
    assert world.loop.programs.enrolments.keys() == before.keys() - {"gw1"}


def test_after_a_restart_it_is_behind_for_our_peers(world: World) -> None:
    tear(world.folder, "gw1")
    world.local("10.1.1.11")
    assert behind(world) == ("dns1", "gw1", "node1")
    assert "gw1" not in world.loop.programs.enrolments
    assert status(world.loop)["disk"]["problems"] == [said(world, "gw1")]


def test_a_rotation_waits_for_it_by_name(tmp_path: Path) -> None:
    folder, scene = Folder(tmp_path / "state"), Scene(tmp_path)
    folder.agents.mkdir(parents=True)
    for name in ("n1", "n2"):
        folder.enrol(Enrolment(name=name, role="node"))
    tear(folder, "n2")
    scene.programs = Enrolments(folder.agents).names

    async def main() -> None:
        rotating = scene.start()
        await rotating.begin(())
        scene.grant()
        scene.arrive()
        await rotating.once()
        assert [row["name"] for row in waits(scene)] == ["node/n2"]
        (folder.agents / "n2.json").unlink()
        await rotating.once()
        assert phase(scene) == "taint"

    running(scene, lambda _: main())


def test_a_folder_that_cannot_be_listed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    folder.agents.mkdir()
    folder.enrol(Enrolment(name="n1", role="node"))
    enrolled = Enrolments(folder.agents)
    assert enrolled.names() == ("n1",)
    folder.enrol(Enrolment(name="n2", role="node"))

    def too_many(path: Path) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as busy:
        busy.setattr(Path, "iterdir", too_many)
        with pytest.raises(Unavailable) as caught:
            enrolled.names()
    assert str(caught.value) == f"E190 {folder.agents}: Too many open files: who is enrolled is not known"
    assert list(enrolled.known) == ["n1"]
    assert enrolled.names() == ("n1", "n2")


def test_two_changes_under_one_time_stamp_are_both_seen(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.agents.mkdir(parents=True, exist_ok=True)
    folder.enrol(Enrolment(name="gw1", role="gateway"))
    enrolments = Enrolments(folder.agents)
    stamp = time.time_ns() + 3_600_000_000_000
    os.utime(folder.agents, ns=(stamp, stamp))
    enrolments.look()
    folder.enrol(Enrolment(name="node1", role="node"))
    os.utime(folder.agents, ns=(stamp, stamp))
    enrolments.look()
    assert enrolments.known.keys() == {"gw1", "node1"}
