"""Every way in which members lose sight of each other, drilled: no failover without need, and never an empty answer.

The rows are those of k8gb's account of its own split brain, where an unreachable peer is a dead one: its DNS is lost, its
controller is lost, it is alone, it is sick and alone; and a few that it does not have.
"""

from collections.abc import Callable

import pytest

from tests.worlds.globe import ALL, WAYS, Globe
from tests.worlds.public_names import NUMBERS

HOME = {member: member for member in ALL}
"""Every client gets the member that it stands near."""


def never_empty(globe: Globe, seconds: int) -> None:
    """So many seconds pass, and every server has an address for every client in each of them."""
    for _ in range(seconds):
        globe.run(1)
        for server in ALL:
            assert None not in globe.answers(server).values(), (server, globe.now)


def test_with_all_well_everybody_gets_the_nearest() -> None:
    globe = Globe()
    assert [globe.answers(server) for server in ALL] == [HOME] * 3


def without_controllers(globe: Globe) -> None:
    globe.talk = frozenset()


def without_one_controller(globe: Globe) -> None:
    globe.talk = frozenset(way for way in WAYS if "us-east" not in way)


def with_a_liar(globe: Globe) -> None:
    globe.liars["us-west"] = {"eu-central": globe.now // 1_000, "us-east": globe.now // 1_000}


@pytest.mark.parametrize("split", [without_controllers, without_one_controller, with_a_liar])
def test_what_is_no_loss_of_targets_moves_nobody(split: Callable[[Globe], None]) -> None:
    """Premature failover: who cannot be heard is not dead, and who is called dead by one is not."""
    globe = Globe()
    split(globe)
    for _ in range(120):
        globe.run(1)
        assert [globe.answers(server) for server in ALL] == [HOME] * 3


def test_a_target_that_dies_is_left_everywhere_and_comes_back_in_steps() -> None:
    globe = Globe()
    globe.dead = {"eu-central"}
    never_empty(globe, 8)
    others = {"us-east", "us-west"}
    assert all(globe.answers(server)["eu-central"] in others for server in ("us-east", "us-west"))
    globe.dead = set()
    globe.run(15)
    assert 0 < globe.shares("us-east", "eu-central")["eu-central"] < 500_000
    never_empty(globe, 120)
    assert globe.shares("us-east", "eu-central") == {"eu-central": 1_000_000}


def test_a_member_that_is_alone_is_left_by_the_others_and_keeps_answering() -> None:
    """An isolated primary: elsewhere its clients are moved; it cannot tell its own loss from that of all others, so its
    own server says what it said.
    """
    globe = Globe()
    globe.cut_off("us-east")
    never_empty(globe, 30)
    for server in ("us-west", "eu-central"):
        assert globe.answers(server) == {"us-east": "us-west", "us-west": "us-west", "eu-central": "eu-central"}
    assert globe.answers("us-east") == HOME
    globe.heal()
    never_empty(globe, 150)
    assert [globe.answers(server) for server in ALL] == [HOME] * 3


def test_a_sick_member_that_is_alone_still_has_an_answer() -> None:
    """A sick and isolated primary: elsewhere an empty list of targets, here those of the others."""
    globe = Globe()
    globe.says_ready["us-east"] = 0
    globe.dead = {"us-east"}
    never_empty(globe, 10)
    globe.cut_off("us-east")
    never_empty(globe, 60)
    for server in ALL:
        assert "us-east" not in globe.answers(server).values()


def test_a_member_that_falls_sick_while_it_is_alone_has_an_answer_too() -> None:
    """The others never hear that it is sick; they have left it by then."""
    globe = Globe()
    globe.cut_off("us-east")
    never_empty(globe, 20)
    globe.says_ready["us-east"] = 0
    globe.dead = {"us-east"}
    never_empty(globe, 60)
    assert all("us-east" not in globe.answers(server).values() for server in ("us-west", "eu-central"))
    assert globe.answers("us-east")["us-east"] in ("us-west", "eu-central")


def test_two_that_do_not_see_each_other_are_no_loss_to_the_third() -> None:
    """The way between us-east and eu-central is lost. Each leaves the other after ten seconds, by its own word alone; the
    third, who sees both, hears one word about each and moves nobody.
    """
    globe = Globe()
    globe.reach = WAYS - {("us-east", "eu-central"), ("eu-central", "us-east")}
    never_empty(globe, 30)
    assert globe.answers("us-west") == HOME
    assert globe.answers("us-east") == HOME | {"eu-central": "us-east"}
    assert globe.answers("eu-central") == HOME | {"us-east": "us-west"}


def test_with_everybody_out_of_sight_nobody_believes_his_own_eyes() -> None:
    globe = Globe()
    globe.reach, globe.talk, globe.outside = frozenset(), frozenset(), set()
    never_empty(globe, 90)
    assert [globe.answers(server) for server in ALL] == [HOME] * 3


def test_with_everything_dead_every_target_is_told() -> None:
    globe = Globe()
    globe.dead = set(NUMBERS)
    never_empty(globe, 90)
    assert set(globe.answers("us-west").values()) == set(ALL)


def test_without_an_anchor_or_a_word_two_losses_at_once_are_taken_for_our_own() -> None:
    """Of three, a server that sees and hears neither of the others and has nothing outside to ask moves nobody."""
    globe = Globe(anchored=False)
    globe.dead, globe.talk = {"us-east", "eu-central"}, frozenset()
    never_empty(globe, 60)
    assert globe.answers("us-west") == HOME
    anchored = Globe()
    anchored.dead, anchored.talk = {"us-east", "eu-central"}, frozenset()
    never_empty(anchored, 60)
    assert set(anchored.answers("us-west").values()) == {"us-west"}
