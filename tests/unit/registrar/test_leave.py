"""A member's wish to leave: kept over restarts, bound to its number, taken back or granted; and the exact refusals."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from federation.adapters.memory import MemoryStore
from federation.config import Folder
from federation.model.errors import IsthmusError
from federation.model.ledger import Ledger
from federation.model.names import MemberName
from federation.model.record import Leave
from federation.ports import PeerState
from federation.registrar.leave import Leaving
from federation.registrar.ledger import decode_ledger, read_ledger
from federation.registrar.wishes import STANDING, Wishes
from tests.worlds.acme import Acme
from tests.worlds.controller import Source
from tests.worlds.public_cli import Site

US, EU = MemberName("us-east"), MemberName("eu-central")
WAITS = (
    'asks to leave: waits for the registrar "us-east": {}where the federation key is kept offline, '
    "run `isthmus member leave eu-central` there"
)
AGAIN = "it serves its own cluster alone; it comes back with new keys and a token made with --rejoin"


class Registrar:
    """The session with us-east."""

    problems: tuple[str, ...] = ()
    connected = True

    def states(self) -> dict[MemberName, PeerState]:
        return {US: PeerState(view={}, head=None, connected=self.connected, age=None, refusals=())}

    def publish(self, *what: object) -> None:
        raise AssertionError("nothing is published here")


class Scene:
    """eu-central over a ledger that a test changes; the store outlives `start`."""

    def __init__(self) -> None:
        self.source = Source(Acme().ledger)
        self.store, self.registrar = MemoryStore(), Registrar()

    def start(self) -> Leaving:
        return Leaving(EU, self.source, self.registrar, self.store)

    def entry(self, **fields: Any) -> None:
        ledger = self.source.ledger
        member = structs.replace(ledger.members[EU], **fields)
        self.source.ledger = structs.replace(ledger, members=ledger.members | {EU: member})


def done(asked: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asked)


def test_the_wish_outlives_restarts_until_it_is_taken_back() -> None:
    scene = Scene()
    assert scene.start().status() == {"member": EU, "state": "active", "problems": []}
    for _ in range(2):
        done(scene.start().begin())
    assert scene.start().wish == Leave(2)
    assert scene.start().status() == {"member": EU, "state": "asks to leave", "problems": [WAITS.format("")]}
    scene.registrar.connected = False
    assert scene.start().problems == (WAITS.format("no session with it; without one, or "),)
    done(scene.start().abort())
    assert (scene.start().wish, scene.start().problems) == (None, ())


@pytest.mark.parametrize(("state", "said"), [("left", "has left"), ("revoked", "is revoked")])
def test_a_member_that_is_none_any_more_says_so_and_asks_for_nothing(state: str, said: str) -> None:
    scene = Scene()
    done(scene.start().begin())
    scene.entry(state=state)
    assert scene.start().wish is None
    assert scene.start().status() == {"member": EU, "state": state, "problems": [f"this member {said}: {AGAIN}"]}


def test_leaving_again_changes_nothing_and_who_joined_again_does_not_leave_again() -> None:
    scene = Scene()
    done(scene.start().begin())
    scene.entry(state="left")
    done(scene.start().begin())
    assert scene.start().status()["state"] == "left"
    scene.entry(state="active", number=3)
    assert (scene.start().wish, scene.start().status()["state"]) == (None, "active")


BAD: dict[str, tuple[dict[str, Any], Callable[[Leaving], Coroutine[Any, Any, None]], str]] = {
    "leave when revoked": ({"state": "revoked"}, Leaving.begin, 'E102 member "eu-central" is revoked already'),
    "abort when revoked": ({"state": "revoked"}, Leaving.abort, 'E102 member "eu-central" is revoked already'),
    "abort what was not asked": (
        {},
        Leaving.abort,
        'E102 member "eu-central" does not ask to leave: nothing to abort',
    ),
    "abort too late": (
        {"state": "left"},
        Leaving.abort,
        'E102 member "eu-central" has left already; it comes back with new keys and a token made with --rejoin',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_asked_is_one_line(case: str) -> None:
    fields, ask, text = BAD[case]
    scene = Scene()
    scene.entry(**fields)
    with pytest.raises(IsthmusError) as caught:
        done(ask(scene.start()))
    assert str(caught.value) == text


def test_the_registrar_cannot_leave() -> None:
    scene = Scene()
    scene.source.ledger = structs.replace(scene.source.ledger, registrar=EU)
    with pytest.raises(IsthmusError) as caught:
        done(scene.start().begin())
    text = 'E102 member "eu-central" is the registrar and cannot leave; first run `isthmus registrar move --to NAME`'
    assert str(caught.value) == text
    assert scene.start().wish is None


@pytest.fixture
def founded(tmp_path: Path) -> Folder:
    """The registrar's folder of two members."""
    site = Site(tmp_path)
    site.found()
    return site.folder("us-east")


def ledger_of(folder: Folder) -> Ledger:
    return read_ledger(decode_ledger(folder.ledger_bytes()), folder.own().federation)


def test_the_registrar_grants_a_wish_once_and_only_of_the_member_as_it_is_now(founded: Folder) -> None:
    wishes, now = Wishes(founded), datetime.now(UTC)
    for at in (now, now + STANDING):
        assert not wishes.grant(ledger_of(founded), {}, {EU: Leave(7), MemberName("mars"): Leave(2)}, at)
    assert ledger_of(founded).index == 2
    assert not wishes.grant(ledger_of(founded), {}, {EU: Leave(2)}, now)
    assert wishes.grant(ledger_of(founded), {}, {EU: Leave(2)}, now + STANDING)
    assert (ledger_of(founded).members[EU].state, ledger_of(founded).index) == ("left", 3)
    assert not wishes.grant(ledger_of(founded), {}, {EU: Leave(2)}, now + 2 * STANDING)
    assert (ledger_of(founded).index, wishes.refused) == (3, {})


def test_a_wish_that_was_taken_back_meanwhile_begins_anew(founded: Folder) -> None:
    wishes, now = Wishes(founded), datetime.now(UTC)
    for late, said in ((0, {EU: Leave(2)}), (5, {}), (6, {EU: Leave(2)}), (11, {EU: Leave(2)})):
        assert not wishes.grant(ledger_of(founded), {}, said, now + timedelta(seconds=late))
    assert wishes.grant(ledger_of(founded), {}, {EU: Leave(2)}, now + timedelta(seconds=12))


def test_without_the_federation_key_the_wish_stays_open(founded: Folder) -> None:
    founded.federation_key.unlink()
    wishes, ledger = Wishes(founded), ledger_of(founded)
    for at in (datetime.now(UTC), datetime.now(UTC) + STANDING):
        assert not wishes.grant(ledger, {}, {EU: Leave(2)}, at)
    assert wishes.leaving(ledger, {EU: Leave(2)}) == {EU: Leave(2)}
    assert ledger_of(founded).index == 2
