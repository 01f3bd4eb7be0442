"""Records from peers and from carriers: what is written, and whose a refusal is."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from federation.link.line import Line
from federation.lkg.ring import Ring
from federation.registrar.ledger import encode_ledger
from federation.session.session import Offered
from federation.session.tree import Change, Tree
from federation.sync.held import HeldRecord
from federation.sync.ledger import HeldLedger
from federation.sync.peers import Peer, PeerSync
from tests.netns.spaces import await_true
from tests.worlds.acme import Acme, Keys, content
from tests.worlds.reader import GOOD


class Scene:
    """us-east with two peers, of which eu-central has a session."""

    def __init__(self, folder: Path) -> None:
        self.acme = Acme()
        self.acme.admit(Keys("ap-south", "10.3.0.0/16"))
        (folder / "ledger").write_bytes(encode_ledger(self.acme.signed))
        unused = cast(Callable[[], Any], None)
        ledger = HeldLedger(folder / "ledger", self.acme.fingerprint)
        own = self.acme.member("us-east")
        self.sync = PeerSync(own.name, ledger, unused, folder, lambda member, change: None)
        for name in ("eu-central", "ap-south"):
            held = HeldRecord(self.acme.member(name), own)
            self.sync.peers[held.member.name] = Peer(held, 0.0)

    def peer(self, name: str) -> Peer:
        return next(peer for key, peer in self.sync.peers.items() if key == name)

    def offer(self, topic: str, head: bytes, tree: Tree) -> None:
        """eu-central offers this."""
        session = SimpleNamespace(refuse=lambda topic, error: None, accept=lambda topic: None)
        event = Offered(topic, head, tree, Change(dict(tree.items()), frozenset()))
        self.sync._offered(self.peer("eu-central"), cast(Line, SimpleNamespace(session=session)), event)

    def blamed(self) -> dict[str, str]:
        return {name: str(peer.last_refusal) for name, peer in self.sync.peers.items() if peer.last_refusal}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_the_record_of_one_who_is_no_member_any_more_is_not_its_carriers_fault(scene: Scene) -> None:
    scene.offer("record/gone", b"", Tree())
    assert scene.blamed() == {}


def test_a_carrier_answers_for_a_signature_and_the_owner_for_what_it_signed(scene: Scene) -> None:
    tree = content(*GOOD)
    scene.offer("record/ap-south", scene.acme.keys["eu-central"].head(tree, 1, member="ap-south"), tree)
    assert scene.blamed() == {
        "eu-central": 'E105 record of member "ap-south": the signature is not its owner\'s; last good kept'
    }


def test_our_own_record_from_another_is_refused_loudly(scene: Scene) -> None:
    scene.offer("record/us-east", b"", Tree())
    assert scene.blamed() == {"eu-central": 'E105 topic "record/us-east" does not belong to member "eu-central"'}


def test_a_record_that_comes_while_the_last_is_written_is_written_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, heads = threading.Event(), threading.Event(), list[bytes]()

    def keep(ring: Ring, head: bytes, tree: Tree, now: int) -> None:
        if head:
            heads.append(head)
            begun.set()
            assert go_on.wait(10)

    monkeypatch.setattr(Ring, "keep", keep)
    writer = scene.acme.keys["eu-central"]
    trees = [content(*GOOD[:2]), content(*GOOD)]
    signed = [writer.head(tree, generation) for generation, tree in enumerate(trees, start=1)]

    async def main() -> None:
        scene.offer("record/eu-central", signed[0], trees[0])
        keeping = asyncio.create_task(scene.sync.keep_on_disk())
        await asyncio.to_thread(begun.wait, 10)
        scene.offer("record/eu-central", signed[1], trees[1])
        go_on.set()
        await asyncio.to_thread(await_true, "the second is written", lambda: len(heads) == 2)
        keeping.cancel()

    asyncio.run(main())
    assert heads == signed
