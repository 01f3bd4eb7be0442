"""What a peer may move: its own requests, within bounds; the rest of its record applies."""

from typing import Any

import pytest
from msgspec import structs

from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName
from federation.model.record import About, Resource
from tests.worlds.reader import GOOD, WEB, Reader

EU, US = MemberName("eu-central"), MemberName("us-east")


def shift(**fields: Any) -> Shift:
    return structs.replace(Shift(service=WEB, source=EU, to=US, ppm=1, since=5), **fields)


def about(since: int, seconds: int) -> About:
    return About(EU, "eu-central", "1", Leaving(since, seconds))


REFUSED: dict[str, tuple[Resource, str]] = {
    "another's requests": (
        shift(source=US, to=EU),
        'E102 shift of shop/web by member "eu-central": from "us-east", it may shift its own requests only; last good kept',
    ),
    "to itself": (
        shift(to=EU),
        "E114 shift of shop/web by member \"eu-central\": to 'eu-central' is to no other member; last good kept",
    ),
    "to no name": (
        shift(to="../us"),
        "E114 shift of shop/web by member \"eu-central\": to '../us' is to no other member; last good kept",
    ),
    "nothing": (shift(ppm=0), 'E120 shift of shop/web by member "eu-central": 0 ppm is not 1 to 1000000; last good kept'),
    "more than all": (
        shift(ppm=1_000_001),
        'E120 shift of shop/web by member "eu-central": 1000001 ppm is not 1 to 1000000; last good kept',
    ),
    "longer than a day": (
        shift(seconds=86_401),
        'E120 resource "shift/shop/web/eu-central/us-east" of member "eu-central": 86401 s since 5 is no time of a move '
        "(at most 86400 s); last good kept",
    ),
    "a drain before time": (
        about(-1, 0),
        'E120 resource "about" of member "eu-central": 0 s since -1 is no time of a move (at most 86400 s); last good kept',
    ),
    "a drain for ever": (
        about(0, 1 << 40),
        'E120 resource "about" of member "eu-central": 1099511627776 s since 0 is no time of a move (at most 86400 s); last '
        "good kept",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_peer_may_not_move(case: str) -> None:
    resource, told = REFUSED[case]
    reader = Reader()
    reader.take(*(GOOD[1:] if isinstance(resource, About) else GOOD), resource)
    assert [str(error) for error in reader.held.refusals.values()] == [told]
    assert resource not in reader.held.view.values()


def test_what_it_may() -> None:
    reader = Reader()
    reader.take(about(1, 86_400), *GOOD[1:], shift(ppm=1_000_000))
    assert not reader.held.refusals
    assert reader.held.view["about"] == about(1, 86_400)
    assert reader.held.view["shift/shop/web/eu-central/us-east"] == shift(ppm=1_000_000)
