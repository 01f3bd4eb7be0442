"""What a program was told on its own socket: in force, kept, ended by a later decision, refused."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, structs

from federation.local.moves import Command, LocalMoves, naming
from federation.model.errors import IsthmusError
from federation.model.handout import Import
from federation.model.moves import Leaving, Manner, Orders
from federation.model.standing import Standing
from tests.unit.gateways.test_intent import CLIENT, EU, EU_PEER, US
from tests.worlds.two_members import candidate, keyed, site, web_import

HERE, THERE = candidate(US, 1, 1), candidate(EU, 1, 1)
WEB = web_import(HERE, THERE)
VALUES = keyed(site(US), EU_PEER, WEB, CLIENT)
WHY = "controllers dead"


@pytest.fixture
def told(tmp_path: Path) -> LocalMoves:
    return LocalMoves(tmp_path)


def tell(moves: LocalMoves, values: dict[str, Struct] = VALUES, **command: Any) -> dict[str, Any]:
    return moves.answer(Command(**command), values, {})


def drain(moves: LocalMoves, **manner: Any) -> dict[str, Any]:
    return tell(moves, do="drain", member="eu-central", manner=Manner(**manner))


def leaving(moves: LocalMoves, item: Import = WEB) -> dict[str, Leaving | None]:
    return {one.member: one.leaving for one in moves.over(item).candidates}


def test_a_drain_is_put_over_the_handout_and_kept_over_a_restart(told: LocalMoves, tmp_path: Path) -> None:
    (row,) = drain(told, seconds=600, reason=WHY)["drains"]
    assert (row["member"], row["seconds"], row["step"], row["reason"]) == ("eu-central", 600, 1, WHY)
    assert told.changed.is_set()
    again = LocalMoves(tmp_path)
    assert leaving(again) == {"us-east": None, "eu-central": Leaving(row["since"], 600)}
    assert (tmp_path / "moves.json").stat().st_mode & 0o777 == 0o600


def test_what_it_does_not_touch_stays_the_same_object(told: LocalMoves) -> None:
    assert told.over_all(VALUES) is VALUES
    drain(told)
    other = web_import(HERE)
    assert told.over(other) is other
    assert told.over(EU_PEER) is EU_PEER
    assert naming(VALUES, {"eu-central"}) == {"import/shop/web"}
    assert naming(VALUES, {"mars"}) == set()


def test_of_the_handouts_drain_and_ours_the_one_that_is_over_first_counts(told: LocalMoves) -> None:
    drain(told, seconds=600)
    soon = structs.replace(THERE, leaving=Leaving(1, 0))
    assert leaving(told, web_import(HERE, soon))["eu-central"] == Leaving(1, 0)


def test_a_controller_that_is_merely_back_changes_nothing_and_a_later_decision_ends_it(told: LocalMoves) -> None:
    told.obey(Orders({"eu-central": 40}))
    drain(told)
    assert told.obey(Orders({"eu-central": 40, "us-east": 50})) == set()
    assert told.obey(None) == set()
    assert leaving(told)["eu-central"] is not None
    assert told.obey(Orders({"eu-central": 41})) == {"eu-central"}
    assert leaving(told)["eu-central"] is None


def test_undrain_ends_it_and_the_member_comes_back_by_the_ramp(told: LocalMoves, tmp_path: Path) -> None:
    (row,) = drain(told)["drains"]
    assert tell(told, do="undrain", member="eu-central")["drains"] == []
    again = LocalMoves(tmp_path)
    assert again.drains == {}
    _, back = again.over(WEB).candidates
    assert (back.leaving, back.floor) == (None, 0)
    assert back.since >= row["since"]
    later = structs.replace(THERE, floor=5, since=back.since + 1)
    assert again.over(web_import(HERE, later)).candidates == (HERE, later)


def test_a_second_drain_hastens_the_first(told: LocalMoves) -> None:
    (first,) = drain(told, seconds=600)["drains"]
    (second,) = drain(told, seconds=60)["drains"]
    assert (second["since"], second["seconds"]) == (first["since"], 60)


def refused(moves: LocalMoves, values: dict[str, Struct] = VALUES, **command: Any) -> str:
    before = (moves.drains, moves.frozen)
    with pytest.raises(IsthmusError) as error:
        tell(moves, values, **command)
    assert (moves.drains, moves.frozen) == before
    return str(error.value)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": (
        {"do": "drain", "member": "mars"},
        'E104 member "mars": is not in the handout; known: eu-central, us-east',
    ),
    "longer than a day": (
        {"do": "drain", "member": "eu-central", "manner": Manner(seconds=86_401)},
        "E125 --over: 86401 s is not 0 to 86400",
    ),
    "force without a reason": (
        {"do": "drain", "member": "eu-central", "manner": Manner(force=True)},
        "E125 --force needs --reason: say why the safety rules shall not hold",
    ),
    "a long reason": (
        {"do": "freeze", "why": "x" * 1_025},
        "E125 --reason: longer than 1024 characters; write it shorter",
    ),
    "nothing to undrain": (
        {"do": "undrain", "member": "eu-central"},
        'E102 member "eu-central" is not drained here: nothing to undrain',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(told: LocalMoves, case: str) -> None:
    command, text = REFUSED[case]
    assert refused(told, **command) == text


def test_it_never_goes_back_to_an_earlier_step(told: LocalMoves) -> None:
    drain(told, seconds=60)
    assert refused(told, do="drain", member="eu-central", manner=Manner(seconds=60)) == (
        'E102 member "eu-central" is drained here already, over 60 s: give a shorter --over to hasten it, or undrain it '
        "first"
    )


def test_nobody_is_left_without_a_member_that_is_on_but_by_force(told: LocalMoves) -> None:
    alone = keyed(site(US), EU_PEER, web_import(candidate(US, 0, 1), THERE))
    asked: dict[str, Any] = {"do": "drain", "member": "eu-central"}
    assert refused(told, alone, **asked) == (
        'E127 safety rule "min-one-on": draining eu-central leaves 0 of 2 members for shop/web; refused (--force needs '
        "--reason)"
    )
    assert tell(told, alone, **asked, manner=Manner(force=True, reason="fire"))["drains"]


def test_a_member_out_of_reach_does_not_count_as_on(told: LocalMoves) -> None:
    command = Command(do="drain", member="us-east")
    with pytest.raises(IsthmusError, match="leaves 0 of 2 members for shop/web"):
        told.answer(command, VALUES, {"eu-central": Standing(up=False, since=1)})
    assert told.answer(command, VALUES, {})["drains"]


@pytest.mark.parametrize("here", [True, False])
def test_a_freeze_here_or_at_the_controller_takes_no_drain_but_by_force(told: LocalMoves, here: bool) -> None:
    if here:
        tell(told, do="freeze", why="release day")
    else:
        told.obey(Orders({}, "release day"))
    asked: dict[str, Any] = {"do": "drain", "member": "eu-central"}
    assert refused(told, **asked) == 'E127 moves are frozen: "release day"; refused (--force needs --reason)'
    assert tell(told, **asked, manner=Manner(force=True, reason="fire"))["frozen"] == "release day"


def test_a_file_that_cannot_be_read_is_told_and_nothing_is_drained_by_it(tmp_path: Path) -> None:
    (tmp_path / "moves.json").write_text("{")
    moves = LocalMoves(tmp_path)
    (line,) = moves.problems
    assert line.startswith(f"E120 {tmp_path}/moves.json: cannot be read (")
    assert moves.drains == {}
    drain(moves)
    assert moves.problems == ()
