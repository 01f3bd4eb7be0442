"""What status and `isthmus members` say beside a member: that it asks to leave, that its anchor is rotated, who is waited for."""

from pathlib import Path
from typing import Any

import pytest

from federation.model.record import Leave, Rotation, Seen
from federation.reconcile.status import status
from federation.reconcile.trust import Trust
from tests.worlds.controller import EU, World

US = "us-east"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def notes(world: World) -> dict[str, list[str]]:
    return {row["member"]: row["notes"] for row in status(world.loop)["members"]}


def test_a_member_that_wants_nothing_has_no_notes(world: World) -> None:
    assert notes(world) == {US: [], EU: []}


OWN: dict[str, tuple[Trust, list[str]]] = {
    "leaves": (Trust((Leave(1),)), ["asks to leave"]),
    "waits for others": (
        Trust(
            told={
                "phase": "prepare",
                "waits": [{"name": "node/gw1", "why": ""}, {"name": "member/eu-central", "why": ""}],
            }
        ),
        ["anchor rotation in progress: waits for member/eu-central, node/gw1"],
    ),
    "waits for nobody": (Trust(told={"phase": "active"}), ["anchor rotation in progress"]),
    "rotates no more": (Trust(told={"phase": "idle", "problems": []}), []),
}


@pytest.mark.parametrize("case", OWN)
def test_our_own(world: World, case: str) -> None:
    trust, expected = OWN[case]
    world.loop.trust_moved(trust)
    assert notes(world) == {US: expected, EU: []}


def test_what_we_are_no_more_is_a_line_of_status(world: World) -> None:
    world.loop.trust_moved(Trust(membership=("this member has left",)))
    assert status(world.loop)["membership"] == ["this member has left"]


def test_a_peers_wishes_are_told_until_the_ledger_has_them(world: World) -> None:
    anchor = world.source.ledger.members[EU].anchor
    wish = Rotation(anchor=anchor, next_anchor="new")
    world.peer_says(Leave(2), wish)
    assert notes(world)[EU] == ["asks to leave", "anchor rotation in progress: waits for the registrar"]
    world.grant(EU, next_anchor="new")
    mark = world.source.ledger.mark
    told: dict[str, Any] = {}
    for said in (mark - 1, mark):
        world.peer_says(wish, Seen(said))
        told[f"{mark - said} behind"] = notes(world)[EU]
    assert told == {
        "1 behind": ["anchor rotation in progress: waits for member/eu-central"],
        "0 behind": ["anchor rotation in progress"],
    }
