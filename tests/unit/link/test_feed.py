"""The reader's side of the feed where things go wrong: certificates, disk."""

import asyncio
import ssl
import time
from pathlib import Path

import pytest

from federation.link import feed as feed_module
from federation.link.enrolled import Enrolled, save_enrolled
from federation.link.feed import Feed
from federation.link.leaf import Leaf, save_leaf
from federation.model.errors import InputError, Unavailable
from federation.model.spiffe import SpiffeId, account

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
