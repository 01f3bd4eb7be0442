"""What the rows of the failover story say of what was seen, good and bad."""

import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from federation.cli.lab import lab as command
from federation.lab.dns_client import Poller, Question, Reply
from federation.lab.manifests import PUBLIC_HOST
from federation.lab.state import Lab
from federation.lab.step import Step, attempted
from federation.lab.story import dead, lost
from federation.lab.story.scene import Scene, subnet
from federation.lab.topology import LAB

EAST, WEST = LAB.member("us-east"), LAB.member("us-west")


def paced(
    begin: float, end: float, member: str = "us-east", ok: bool = True, endpoint: str = ""
) -> list[dict[str, Any]]:
    """Answers to 50 requests a second from `begin` to `end`, 60 ms each."""
    return [
        {
            "t": begin + i / 50,
            "ms": 60.0,
            "ok": ok,
            "member": member if ok else "",
            "endpoint": endpoint,
            "status": 200 if ok else 0,
            "error": "" if ok else "TimeoutError: timed out",
        }
        for i in range(round((end - begin) * 50))
    ]


def test_a_short_gap_holds_and_says_what_failed() -> None:
    answers = paced(95, 100) + paced(100, 101, ok=False) + paced(101, 108, "eu-central")
    row = lost.gap_row("4 gap GET", answers, 100.0, 107.0, 7)
    assert row == Step(
        "4 gap GET",
        "at most 3 s between two successes within 1 s, then all by eu-central",
        "1.02 s, 50 of 401 failed, first: TimeoutError: timed out; at the end eu-central 100; Envoy retried 7",
        True,
    )


@pytest.mark.parametrize("back", [103.2, 200.0])
def test_a_long_gap_or_one_without_end_does_not_hold(back: float) -> None:
    answers = paced(95, 100) + paced(100, min(back, 108), ok=False) + paced(back, 108, "eu-central")
    assert not lost.gap_row("4 gap GET", answers, 100.0, 107.0, 0).ok


def scene_with(replies: dict[str, list[Reply]]) -> Scene:
    scene = Scene(Lab("a1b2", "/nowhere"), LAB)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        for name, said in replies.items():
            scene.polls[name] = Poller(port, [], 1.0)
            scene.polls[name].replies.extend(said)
    return scene


def replies(client: Any, *said: tuple[float, str]) -> list[Reply]:
    question = Question("10.9.0.1", PUBLIC_HOST, subnet(client))
    return [Reply(t, question, "NOERROR", (address,) if address else (), 5) for t, address in said]


def test_an_address_that_leaves_every_reachable_server_in_time_holds() -> None:
    scene = scene_with(
        {
            "us-west": replies(EAST, (99, EAST.public), (101.5, EAST.public), (101.6, WEST.public)),
            "eu-central": replies(EAST, (102.0, EAST.public), (102.1, WEST.public)),
            "us-east": replies(EAST, (107.0, EAST.public)),
        }
    )
    row = lost._forgotten(scene, 100.0)
    assert (row.measured, row.ok) == ("2.00 s", True)


@pytest.mark.parametrize(
    ("said", "measured"),
    [
        (((105.4, EAST.public), (105.5, WEST.public)), "5.40 s"),
        (((101.0, WEST.public),), "0.00 s; at the end us-west did not give it before the cut"),
        (((101.0, WEST.public), (105.5, EAST.public)), "5.50 s; at the end us-west says 192.0.2.101"),
        (((101.0, EAST.public), (105.5, "")), "1.00 s; at the end us-west says NOERROR"),
    ],
)
def test_an_address_that_stays_or_is_replaced_by_nothing_does_not_hold(
    said: tuple[tuple[float, str], ...], measured: str
) -> None:
    scene = scene_with(
        {"us-west": replies(EAST, *said), "eu-central": replies(EAST, (99.9, EAST.public), (100.1, WEST.public))}
    )
    row = lost._forgotten(scene, 100.0)
    assert (row.measured, row.ok) == (measured, False)


def test_one_empty_answer_of_a_live_name_is_found() -> None:
    good = scene_with({"us-west": replies(EAST, (99.0, ""), (101.0, EAST.public))})
    bad = scene_with({"us-west": replies(EAST, (101.0, ""), (102.0, EAST.public))})
    assert lost.live_row(good, "4 live names", 100.0).ok
    row = lost.live_row(bad, "4 live names", 100.0)
    assert (row.ok, row.measured) == (False, f"1 of 2, first by us-west for {PUBLIC_HOST}: NOERROR")
    row = lost.live_row(
        scene_with({"us-west": [], "us-east": replies(EAST, (101.0, EAST.public))}), "4 live names", 100.0
    )
    assert (row.ok, row.measured) == (False, "0 of 1; 1 of 2 servers and names never answered")


def test_a_gap_in_which_nothing_moved_does_not_hold() -> None:
    assert not lost.gap_row("4 gap GET", paced(95, 108), 100.0, 107.0, 0).ok


def test_with_controllers_dead_both_ends_of_the_cut_must_forget() -> None:
    west = replies(EAST, (110.5, EAST.public), (110.6, WEST.public))
    east = replies(WEST, (111.0, WEST.public), (111.1, EAST.public))
    assert dead._forgotten(scene_with({"us-west": west, "us-east": east}), 100.0).ok
    keeps = replies(WEST, (111.0, WEST.public))
    row = dead._forgotten(scene_with({"us-west": west, "us-east": keeps}), 100.0)
    assert (row.measured, row.ok) == ("us-west 10.5 s, us-east 11.0 s and on", False)


def vanished(web: list[dict[str, Any]]) -> Step:
    victim = LAB.member("us-west").endpoints[1]
    return dead._vanished(dead.Seen(100.0, 110.0, {}, web, 0), victim)


def test_a_failing_endpoint_must_have_answered_vanish_and_fail_nobody() -> None:
    other = paced(98, 110, "us-west", endpoint="us-west-web-1")
    named = paced(98, 101, "us-west", endpoint="us-west-web-2")
    assert vanished(other + named).measured == "last answer after 0.98 s (100 before), 0 of 550 failed"
    assert vanished(other + named).ok
    assert not vanished(other).ok
    assert not vanished(other + paced(98, 104, "us-west", endpoint="us-west-web-2")).ok
    assert not vanished(other + named + paced(102, 102.1, ok=False)).ok


def act() -> list[Step]:
    """6 dead: every controller is killed,
    and it holds.
    """
    raise OSError("no such socket")


def test_what_goes_wrong_in_a_step_is_a_row_that_fails() -> None:
    assert attempted(Lab("a1b2", "/nowhere"), act, act) == [
        Step("act", "every controller is killed, and it holds", "OSError: no such socket", False)
    ]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["failover", "--rtt", "5"], "E186 --rtt is not for the failover story, which has round trips of its own"),
        (["journey", "--record", "x"], "E186 --record is for the failover story; the journey records nothing"),
        (["--record", "x"], "E186 --record is for the failover story; the journey records nothing"),
    ],
)
def test_options_of_the_other_story_are_refused(tmp_path: Path, argv: list[str], line: str) -> None:
    done = CliRunner().invoke(command, ["run", "--dir", str(tmp_path / "lab"), *argv])
    assert (done.exit_code, done.stderr) == (2, f"isthmus: {line}\n")
