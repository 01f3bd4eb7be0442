"""Pods that were attested on a node: how long each counts, and what its processes are told meanwhile."""

import asyncio

import pytest

from federation.model.errors import Refused, Unavailable
from federation.model.handout import UnixUser
from federation.model.spiffe import account
from federation.model.tokens import ServiceAccount
from gateways.identity.answers import Book, entitled
from gateways.identity.attested import Attested
from gateways.identity.registered import Caller
from gateways.state import Registered

CLIENT = ServiceAccount("shop", "client", "client-0", "n1", 60)


class Source:
    """The controller's word on tokens."""

    def __init__(self) -> None:
        self.now = 0.0
        self.down = False

    async def attest(self, token: str) -> ServiceAccount:
        if self.down:
            raise Unavailable("no controller to ask")
        return CLIENT if token == "good" else ServiceAccount("shop", "plain", "plain-0", "n1")


def test_an_account_counts_for_as_long_as_the_controller_said() -> None:
    source = Source()
    held = Attested(source, lambda: source.now)
    asyncio.run(held.attest("good"))
    assert held.changed.is_set() and held.accounts() == (("shop", "client"),)
    held.changed.clear()
    source.now = 30.0
    asyncio.run(held.attest("good"))
    assert not held.changed.is_set()
    source.now = 89.0
    assert held.accounts() == (("shop", "client"),)
    source.now = 90.0
    assert held.accounts() == ()


def test_one_that_lasts_for_nothing_is_for_registrations_only() -> None:
    held = Attested(Source())
    asyncio.run(held.attest("plain"))
    assert held.accounts() == () and not held.changed.is_set()


def test_while_nobody_can_be_asked_the_last_word_stands() -> None:
    source = Source()
    held = Attested(source, lambda: source.now)
    asyncio.run(held.attest("good"))
    source.now, source.down = 59.0, True
    with pytest.raises(Unavailable):
        asyncio.run(held.attest("good"))
    source.now = 118.0
    assert held.accounts() == (("shop", "client"),)
    source.now = 119.0
    assert held.accounts() == ()


USER = UnixUser(1000)


@pytest.mark.parametrize(
    ("attests", "found", "error", "said"),
    [
        (True, CLIENT, Unavailable, "E190 the pod was attested; its certificate is on its way"),
        (False, CLIENT, Refused, "E105 uid 1000, gid -1 is no registered workload of this node; "),
        (True, None, Refused, "E105 uid 1000, gid -1 is no registered workload of this node; "),
    ],
)
def test_what_a_process_without_a_registration_is_told(
    attests: bool, found: ServiceAccount | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        entitled(Book(known=True, attests=attests), Caller(USER, found))
    assert str(caught.value).startswith(said)


def test_once_it_stands_in_the_book_it_is_its_account_and_no_other() -> None:
    mine, other = (account("us-east.acme.mesh", "shop", name) for name in ("client", "other"))
    book = Book(known=True, attests=True, registered=(Registered(mine, (), True), Registered(other, (), True)))
    assert entitled(book, Caller(USER, CLIENT)) == (mine,)
