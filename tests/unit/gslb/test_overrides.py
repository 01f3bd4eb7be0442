"""What an operator says of targets by globs."""

from pathlib import Path

import pytest
from gslb.overrides import MOST, Change, Override, Overrides, applied
from gslb.zone import AAAA, A

from federation.model.errors import IsthmusError
from federation.model.standing import Standing
from tests.netns.spaces import await_true
from tests.worlds.agent_folder import make_folder
from tests.worlds.command_line import said
from tests.worlds.dns_server import running
from tests.worlds.public_names import PAY, SHOP, ZONE, handout, table
from tests.worlds.two_members import real

STEERED = table(handout()).steered
DOWN = Standing(up=False, since=5)


def test_without_overrides_the_evidence_is_the_same_object() -> None:
    held = {(SHOP, A): {"us-east": DOWN}}
    assert applied(held, STEERED, ()) is held


def test_globs_of_names_and_members_are_down_in_both_families() -> None:
    found = applied({}, STEERED, [Override("*.example.test", "us-*", "down", 5)])
    assert found == {
        **{(SHOP, kind): {"us-east": DOWN, "us-west": DOWN} for kind in (A, AAAA)},
        **{(PAY, kind): {"us-west": DOWN} for kind in (A, AAAA)},
    }


def test_the_last_counts_and_up_goes_before_probes() -> None:
    rules = [Override("*", "*", "down", 5), Override("shop.*", "us-west", "up", 6)]
    found = applied({(SHOP, A): {"us-west": DOWN}}, STEERED, rules)
    assert found[SHOP, A] == {"us-east": DOWN, "us-west": Standing(), "eu-central": DOWN}


def test_they_are_kept_end_by_themselves_and_are_cleared_by_their_globs(tmp_path: Path) -> None:
    first = Overrides(tmp_path)
    first.answer(Change("down", "shop.*", "us-*", 60, "upgrade"))
    first.answer(Change("up", "pay.*", "*"))
    again = Overrides(tmp_path)
    one, two = again.now(0)
    assert (one.name, one.state, one.reason, two.until) == ("shop.*", "down", "upgrade", 0)
    assert one.until == one.since + 60_000
    assert again.now(one.until) == (two,)
    again.answer(Change("clear", "pay.*", "*"))
    assert Overrides(tmp_path).now(one.until) == ()


def test_of_the_same_globs_the_newest_is_kept(tmp_path: Path) -> None:
    held = Overrides(tmp_path)
    held.answer(Change("down", "shop.*", "*"))
    held.answer(Change("up", "shop.*", "*"))
    assert [one.state for one in held.now(0)] == ["up"]


BAD = {
    "nothing to clear": (Change("clear", "a", "b"), 'E102 no override of "a" and "b": nothing to clear'),
    "no name": (Change("down", "", "b"), "E122 name: 0 characters, write 1 to 253"),
    "a long member": (Change("down", "a", "b" * 254), "E122 member: 254 characters, write 1 to 253"),
    "for ever": (Change("down", "a", "b", 2_592_001), "E122 --for: 2592001 s is not 0 to 2592000"),
    "a story": (
        Change("down", "a", "b", 0, "x" * 1025),
        "E122 --reason: longer than 1024 characters; write it shorter",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_told_and_changes_nothing(case: str, tmp_path: Path) -> None:
    change, told = BAD[case]
    held = Overrides(tmp_path)
    with pytest.raises(IsthmusError) as caught:
        held.answer(change)
    assert str(caught.value) == told
    assert held.now(0) == ()


def test_there_are_so_many_and_no_more(tmp_path: Path) -> None:
    held = Overrides(tmp_path)
    for number in range(MOST):
        held.answer(Change("down", f"n{number}", "*"))
    with pytest.raises(IsthmusError) as caught:
        held.answer(Change("down", "more", "*"))
    assert str(caught.value) == f"E102 {MOST} overrides are in force, which is the most: clear one first"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "overrides.json").write_text("{")
    held = Overrides(tmp_path)
    assert held.now(0) == ()
    assert held.problems[0].startswith(f"E120 {tmp_path}/overrides.json: cannot be read (")


def test_a_running_server_answers_by_it_at_once_and_after_a_restart(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "d", real("us-east"), "dns", handout(), [])
    where = ("--state", str(folder))

    def picked() -> str:
        code, out, _ = said("dns", "explain", SHOP, *where, "--from", "198.18.1.7")
        return out.partition("picked: ")[2].partition(",")[0] if code == 0 else ""

    with running(folder):
        assert picked() == "us-east"
        told = f"*.{ZONE} us-east is down: upgrade\n"
        assert said("dns", "override", "down", f"*.{ZONE}", "us-east", *where, "--reason", "upgrade") == (0, told, "")
        await_true("the next one", lambda: picked() == "us-west")
    with running(folder):
        assert picked() == "us-west"
        assert said("dns", "overrides", *where) == (0, told, "")
        cleared = said("dns", "override", "clear", f"*.{ZONE}", "us-east", *where)
        assert cleared == (0, "nothing is overridden here\n", "")
        await_true("the first again", lambda: picked() == "us-east")
