"""A node agent's link to a real controller and signer gives tokens by policy, and the keys that verify them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from federation.link.feed import Feed
from federation.link.statement import read_statement
from federation.model.errors import Unavailable
from federation.model.handout import JwtBundle
from federation.model.spiffe import account
from gateways.identity.validate import validated
from tests.worlds.public_cli import Site, closed_since, open_sockets, running

DOMAIN = "us-east.acme.mesh"
CLIENT = account(DOMAIN, "shop", "client")


@pytest.fixture
def site(tmp_path: Path) -> object:
    with running(tmp_path) as made:
        yield made


def enrolled(site: Site) -> Path:
    state, out = str(site.folder("us-east").path), site.path / "node"
    where = ("--controller", site.listen, "--out", str(out))
    site.cli(
        "enroll", "--state", state, "--name", "node1", "--role", "node", "--workload-uid", "shop/client=1000", *where
    )
    return out


def linked(site: Site, out: Path, act: Callable[[Feed], Awaitable[None]]) -> None:
    """Run the feed of this folder until it has the member's JWT keys, then `act`."""

    async def main() -> None:
        feed, before = Feed.open(out), open_sockets()
        task = asyncio.create_task(feed.run())
        async with asyncio.timeout(30):
            while "jwt/us-east" not in feed.values:
                feed.changed.clear()
                await feed.changed.wait()
            await act(feed)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(site.stop)
        await closed_since(before)

    asyncio.run(main())


def test_tokens_by_policy(site: Site) -> None:
    async def act(feed: Feed) -> None:
        token = await feed.token(CLIENT, ("db",))
        bundle = feed.values["jwt/us-east"]
        assert isinstance(bundle, JwtBundle)
        keys = read_statement(bundle.statement, feed.enrolled.anchor, DOMAIN).keys
        assert validated(token, "db", {DOMAIN: keys}, datetime.now(UTC))["sub"] == str(CLIENT)
        for other in (account(DOMAIN, "shop", "pay"), account(DOMAIN, "isthmus", "controller")):
            with pytest.raises(Unavailable) as caught:
                await feed.token(other, ("db",))
            assert f"E105 spiffe://{DOMAIN}/ns/isthmus/sa/agent-node1 may not be issued {other}" in str(caught.value)

    linked(site, enrolled(site), act)
    secrets = site.folder("us-east").jwt_keys
    assert secrets.stat().st_mode & 0o777 == 0o600
    lines = "".join(path.read_text() for path in site.path.glob("*.log"))
    assert "PRIVATE" not in lines
    assert "eyJ" not in lines
