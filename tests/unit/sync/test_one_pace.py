"""Threat model C10: a peer's changes a second are counted over all of its sessions."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from federation.link.leaf import Leaf
from federation.model.errors import Refused
from federation.model.names import MemberName
from federation.registrar.ledger import encode_ledger
from federation.session.messages import Hello, Update, encode
from federation.session.pace import Pace
from federation.sync.ledger import HeldLedger
from federation.sync.peers import PeerSync
from tests.worlds.acme import Acme, content
from tests.worlds.reader import GOOD

PEER = MemberName("eu-central")


def test_c10_a_new_session_gives_no_new_burst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acme, used = Acme(), []

    def spend(pace: Pace, events: int, now: float) -> float:
        used.extend([id(pace)] * events)
        return 0.0

    monkeypatch.setattr(Pace, "spend", spend)
    (tmp_path / "ledger").write_bytes(encode_ledger(acme.signed))
    tree = content(*GOOD)

    async def said() -> AsyncIterator[bytes]:
        yield encode(Hello(PEER, 1, 1, {}))
        update = Update(
            topic="record/eu-central",
            base=None,
            root=tree.root,
            head=acme.keys[PEER].head(tree, 1),
            changed=dict(tree.items()),
        )
        yield encode(update)

    async def taken(data: bytes) -> None:
        pass

    def leaf() -> Leaf:
        raise Refused("nobody is dialled here", "E105")

    async def main() -> None:
        ledger = HeldLedger(tmp_path / "ledger", acme.fingerprint)
        peers = PeerSync(MemberName("us-east"), ledger, leaf, tmp_path / "lkg", lambda name, change: None)
        peers.follow_ledger()
        for _ in range(2):
            await peers.serve(PEER, said(), taken)
        await peers.stop()

    asyncio.run(main())
    assert (len(used), len(set(used))) == (2, 1)
