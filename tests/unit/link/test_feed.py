"""The reader's side of the feed where things go wrong: certificates, disk."""

import asyncio
import ssl
import time
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from federation.link import feed as feed_module
from federation.link.enrolled import Enrolled, save_enrolled
from federation.link.feed import Feed
from federation.link.leaf import Leaf, issuer_of, load_leaf, save_leaf
from federation.model.errors import InputError, Unavailable
from federation.model.handout import Site
from federation.model.spiffe import SpiffeId, account
from federation.session.session import Offered
from federation.session.tree import compare, tree_of
from federation.trust.anchor import key_id
from federation.wire.handout import HANDOUT_TOPIC, HandoutHead
from federation.wire.keyed import encode
from tests.worlds.two_members import real

DOMAIN = "us-east.acme.mesh"


def leaf(identity: str, age: float) -> Leaf:
    start = int(time.time() - age)
    return Leaf(id=identity, key="k", chain="c", not_before=start, not_after=start + 86_400)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    enrolled = Enrolled(node="n1", role="node", member="us-east", domain="acme.mesh", controllers=(), anchor="a")
    save_enrolled(tmp_path, enrolled)
    save_leaf(tmp_path / "leaf.json", leaf("own", 0))
    return tmp_path


class Issuer(Feed):
    """A feed whose controller issues everything but what a test names."""

    refused: frozenset[str] = frozenset()

    async def _issue(self, identity: SpiffeId) -> Leaf:
        if identity.segments[-1] in self.refused:
            raise Unavailable(f"{identity} was not issued")
        return leaf(str(identity), 0)


def test_one_identity_that_is_not_issued_keeps_no_other_waiting(folder: Path) -> None:
    async def main() -> None:
        feed = Issuer.open(folder)
        assert isinstance(feed, Issuer)
        gone, client = account(DOMAIN, "shop", "gone"), account(DOMAIN, "shop", "client")
        old = {identity: leaf(str(identity), 50_000) for identity in (gone, client)}
        feed._svids = dict(old)
        feed.refused = frozenset({"gone"})
        await feed._renew(0.0)
        assert feed._svids[gone] == old[gone]
        assert feed._svids[client].not_before > old[client].not_before

    asyncio.run(main())


def test_a_full_disk_does_not_cost_a_certificate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, leaf: Leaf) -> None:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        monkeypatch.setattr(feed_module, "save_leaf", full)
        feed = Issuer.open(folder)
        identity = account(DOMAIN, "shop", "client")
        assert (await feed.svid(identity)).id == str(identity)

    asyncio.run(main())


def test_an_agent_whose_certificate_ran_out_says_what_to_do(folder: Path) -> None:
    async def main() -> None:
        feed = Feed.open(folder)
        feed._own = leaf("own", 90_000)
        save_leaf(folder / "leaf.json", feed._own)
        with pytest.raises(Unavailable, match="our certificate ran out: run `isthmus renew --out "):
            await feed._session("127.0.0.1:1")
        save_leaf(folder / "leaf.json", leaf("own", 0))
        with pytest.raises(ssl.SSLError):
            await feed._session("127.0.0.1:1")
        assert feed._own.not_after > time.time()

    asyncio.run(main())


def test_a_folder_that_was_not_enrolled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Feed.open(tmp_path)
    assert str(caught.value) == (
        f"E125 {tmp_path}/enrolled.json does not exist: make this folder with `isthmus enroll --out {tmp_path}`"
    )


def handed_out(feed: Feed, **fields: object) -> None:
    """Give the feed a handout with this site, as a session would."""
    fields = {"member": "us-east", "number": 1, "domain": DOMAIN, "region": "us", "overlay": "fd00::/64"} | fields
    tree = tree_of({"site": encode(Site(**fields))})  # type: ignore[arg-type]
    head = encode(HandoutHead("us-east", 1, 1))
    feed._take(mock.Mock(), Offered(HANDOUT_TOPIC, head, tree, compare(feed.tree, tree)))


def test_what_another_anchor_signed_than_the_one_that_signs_now_is_renewed(folder: Path) -> None:
    old, new = real("us-east"), real("us-east")
    client = account(DOMAIN, "shop", "client")

    class Renewing(Feed):
        async def _issue(self, identity: SpiffeId) -> Leaf:
            return new.leaf(identity)

    async def main() -> None:
        save_leaf(folder / "leaf.json", old.leaf(client))
        feed = Renewing.open(folder)
        feed._svids = {client: old.leaf(client)}
        handed_out(feed, anchor=old.anchor + new.anchor, issuer=key_id(old.anchor))
        await feed._renew(0.0)
        assert {feed.issuer, issuer_of(feed._svids[client].chain)} == {key_id(old.anchor)}
        handed_out(feed, anchor=old.anchor + new.anchor, issuer=key_id(new.anchor))
        keeping = asyncio.create_task(feed._keep_fresh())
        async with asyncio.timeout(10):
            await feed.svid_changed.wait()
        keeping.cancel()
        assert {feed.issuer, issuer_of(feed._svids[client].chain)} == {key_id(new.anchor)}
        assert load_leaf(folder / "leaf.json") == feed._own

    asyncio.run(main())


def test_the_controllers_are_known_by_the_handouts_anchors_and_after_a_restart_too(folder: Path) -> None:
    async def main() -> None:
        feed = Feed.open(folder)
        assert (feed.enrolled.anchor, feed.kept) == ("a", 0)
        handed_out(feed, anchor="ab", ledger=7)
        assert (feed.enrolled.anchor, feed.kept) == ("ab", 0)
        keeping = asyncio.create_task(feed._keep_on_disk())
        async with asyncio.timeout(10):
            while feed.kept != 7:  # noqa: ASYNC110 - what is awaited is a state, not an event
                await asyncio.sleep(0.01)
        keeping.cancel()
        again = Feed.open(folder)
        assert (again.enrolled.anchor, again.kept) == ("ab", 7)

    asyncio.run(main())


def test_a_disk_that_is_full_is_not_said_to_hold_the_anchors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*what: object) -> None:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        monkeypatch.setattr(feed_module, "save_enrolled", full)
        feed = Feed.open(folder)
        handed_out(feed, anchor="ab", ledger=7)
        keeping = asyncio.create_task(feed._keep_on_disk())
        async with asyncio.timeout(10):
            while not feed.disk.problems:  # noqa: ASYNC110 - what is awaited is a state, not an event
                await asyncio.sleep(0.01)
        keeping.cancel()
        assert feed.kept == 0

    asyncio.run(main())


def test_what_renew_left_in_the_folder_is_taken_up(folder: Path) -> None:
    feed = Feed.open(folder)
    newer = leaf("own", -60)
    save_leaf(folder / "leaf.json", newer)
    save_enrolled(folder, msgspec.structs.replace(feed.enrolled, anchor="b"))
    feed._take_renewed()
    assert (feed._own, feed.enrolled.anchor) == (newer, "b")
