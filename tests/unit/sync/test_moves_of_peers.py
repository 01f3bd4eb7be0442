"""What a peer may move: its own requests, within bounds; the rest of its record applies."""

from typing import Any

import pytest
from msgspec import structs

from federation.model.errors import Refused
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName
from federation.model.record import About, Resource
from tests.worlds.reader import GOOD, WEB, Reader

EU, US = MemberName("eu-central"), MemberName("us-east")


def shift(**fields: Any) -> Shift:
    return structs.replace(Shift(service=WEB, source=EU, to=US, ppm=1, since=5), **fields)


def about(since: int, seconds: int) -> About:
    return About(EU, "eu-central", "1", Leaving(since, seconds))


def labelled(labels: dict[str, str]) -> About:
    return About(EU, "eu-central", "1", labels=labels)


REFUSED: dict[str, tuple[Resource, str]] = {
    "a name for everybody": (
        labelled({f"k{number}": "v" for number in range(33)}),
        'E118 resource "about" of member "eu-central": 33 labels, limit 32; last good kept',
    ),
    "a label that is a book": (
        labelled({"tier": "x" * 100_000}),
        f"E114 resource \"about\" of member \"eu-central\": label 'tier' = '{'x' * 80}' is none; last good kept",
    ),
    "a label's key that is none": (
        labelled({"a b": "x"}),
        "E114 resource \"about\" of member \"eu-central\": label 'a b' = 'x' is none; last good kept",
    ),
    "an endless version": (
        About(EU, "eu-central", "1" * 65),
        'E120 resource "about" of member "eu-central": region or version is longer than 64 characters; last good kept',
    ),
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


def test_shifts_count_as_rates_of_its_quota() -> None:
    reader = Reader()
    quota = structs.replace(reader.held.member.quota, rates=2)
    reader.held.member = structs.replace(reader.held.member, quota=quota)
    with pytest.raises(Refused, match='E118 member "eu-central": 3 rates > quota 2; last good kept'):
        reader.take(*GOOD, *(shift(to=MemberName(f"m{number}")) for number in range(3)))


def test_what_it_may() -> None:
    reader = Reader()
    said = structs.replace(about(1, 86_400), labels={f"acme.com/k{number}": "v" for number in range(32)})
    reader.take(said, *GOOD[1:])
    assert reader.held.view["about"] == said
    reader.take(about(1, 86_400), *GOOD[1:], shift(ppm=1_000_000))
    assert not reader.held.refusals
    assert reader.held.view["about"] == about(1, 86_400)
    assert reader.held.view["shift/shop/web/eu-central/us-east"] == shift(ppm=1_000_000)
