"""A whole rotation over a real signer, with the ledger, peers and agents in memory; and everything started anew at each phase."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from federation.adapters.memory import MemoryStore
from federation.lkg.disk import Disk
from federation.model.errors import IsthmusError, Unavailable
from federation.model.ledger import Ledger
from federation.model.spiffe import controller_id
from federation.trust.anchor import key_id
from federation.trust.own_leaf import OwnLeaf
from federation.trust.rotating import Rotating
from tests.worlds.rotating import EU, Scene, advance, phase, running, until, waits
from tests.worlds.signer import DOMAIN, open_slots, serving

PHASES = ["prepare", "seen", "active", "taint", "revoke"]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_whole_rotation(scene: Scene) -> None:
    old = scene.own.anchor

    async def whole(rotating: Rotating) -> None:
        await rotating.begin(())
        assert (phase(scene), waits(scene)[0]["name"]) == ("prepare", "the registrar")
        scene.grant()
        await rotating.once()
        why = "has not confirmed ledger entry 3"
        assert waits(scene) == [
            {"name": "member/eu-central", "why": "no session with it; held up by its gw9"},
            {"name": "node/n1", "why": why},
        ]
        assert (scene.last.issuer, scene.leaf.issuer) == (key_id(old), key_id(old))
        scene.seen = scene.force = scene.ledger.mark
        await rotating.once()
        new = key_id(scene.own.next_anchor)
        assert (phase(scene), scene.last.issuer, scene.leaf.issuer) == ("taint", new, new)
        assert waits(scene) == [{"name": "node/n1", "why": "uses leaves of the old anchor"}]
        assert open_slots(scene.path).signing.anchor == scene.own.next_anchor
        scene.issuers = (new,)
        await rotating.once()
        assert (phase(scene), waits(scene)[0]["name"]) == ("revoke", "the registrar")
        await advance(scene, rotating)
        assert (phase(scene), scene.last.wish, scene.last.issuer) == ("idle", None, new)
        assert (key_id(scene.own.anchor), scene.own.next_anchor) == (new, "")
        found = open_slots(scene.path)
        assert (key_id(found.first.anchor), found.next) == (new, None)

    running(scene, whole)


@pytest.mark.parametrize("at", range(1, 12))
@pytest.mark.parametrize("lost", [False, True])
def test_controller_and_signer_may_die_after_any_write_even_with_the_store(
    scene: Scene, at: int, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`at` is the write to the store or the command to the signer after which both die; `lost`: the store is gone too.

    A store that is lost before the new key signs takes the rotation with it, and both are clean.
    """
    old = scene.own.anchor

    async def some(rotating: Rotating) -> None:
        left = [at]

        def counted(deed: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
            async def counting(what: Any) -> Any:
                if not left[0]:
                    raise Died
                left[0] -= 1
                return await deed(what)

            return counting

        monkeypatch.setattr(rotating, "_keep", counted(rotating._keep))
        monkeypatch.setattr(rotating, "_command", counted(rotating._command))
        await rotating.begin(())
        await until(scene, rotating, "idle")

    async def rest(rotating: Rotating) -> None:
        await rotating.once()
        await until(scene, rotating, "idle")
        for _ in range(2):
            await advance(scene, rotating)
        found = open_slots(scene.path)
        assert (found.next, found.first.anchor, scene.own.next_anchor) == (None, scene.own.anchor, "")
        assert lost or at == 1 or scene.own.anchor != old

    try:
        running(scene, some)
    except Died:
        pass
    if lost:
        scene.store = MemoryStore()
    scene.leaf = OwnLeaf(controller_id(DOMAIN), scene.path / "leaf.json", scene.path / "s.sock", Disk())
    running(scene, rest)


class Died(Exception):
    """The process ends here."""


def test_an_abort_goes_back_cleanly(scene: Scene) -> None:
    old = scene.own.anchor

    async def there_and_back(rotating: Rotating) -> None:
        await rotating.begin(())
        scene.grant()
        await rotating.once()
        assert scene.own.next_anchor
        await rotating.abort()
        assert (phase(scene), open_slots(scene.path).next) == ("idle", None)
        assert scene.last.status["problems"] == [
            "anchor rotation is aborted: the ledger still has the other anchor, until the registrar drops it"
        ]
        with pytest.raises(IsthmusError) as caught:
            await rotating.begin(())
        assert (
            str(caught.value)
            == "E102 the ledger still has the anchor of a rotation that was aborted: wait until it is gone"
        )
        await advance(scene, rotating)
        assert (scene.own.anchor, scene.own.next_anchor, scene.last.status["problems"]) == (old, "", [])
        await rotating.begin(())
        await until(scene, rotating, "idle")
        assert scene.own.anchor != old

    running(scene, there_and_back)


def test_one_who_is_excluded_is_not_waited_for_and_is_named(scene: Scene) -> None:
    async def without_eu(rotating: Rotating) -> None:
        await rotating.begin(())
        scene.grant()
        scene.force = scene.ledger.mark
        await rotating.once()
        assert [row["name"] for row in waits(scene)] == ["member/eu-central"]
        await rotating.begin(("eu-central",))
        assert phase(scene) == "taint"
        assert "anchor rotation does not wait for member/eu-central: excluded" in scene.last.status["problems"]
        await rotating.begin(("node/n1",))
        assert (phase(scene), scene.last.status["excluded"]) == ("revoke", ["member/eu-central", "node/n1"])

    running(scene, without_eu)


@pytest.mark.parametrize("how", ["revoked", "un-enrolled"])
def test_one_who_is_gone_is_not_waited_for(scene: Scene, how: str) -> None:
    def dropped(ledger: Ledger) -> Ledger:
        gone = structs.replace(ledger.members[EU], state="revoked")
        return structs.replace(ledger, members=ledger.members | {EU: gone})

    async def without(rotating: Rotating) -> None:
        await rotating.begin(())
        scene.grant()
        if how == "revoked":
            scene.force = scene.ledger.mark
        else:
            scene.seen = scene.ledger.mark
        await rotating.once()
        assert [row["name"] for row in waits(scene)] == ["member/eu-central" if how == "revoked" else "node/n1"]
        if how == "revoked":
            scene.ledger = dropped(scene.ledger)
        else:
            scene.nodes = []
        await rotating.once()
        assert phase(scene) in ("taint", "revoke")

    running(scene, without)


async def abort_idle(scene: Scene, rotating: Rotating) -> None:
    await rotating.abort()


async def abort_late(scene: Scene, rotating: Rotating) -> None:
    await rotating.begin(())
    await until(scene, rotating, "taint")
    await rotating.abort()


async def twice(scene: Scene, rotating: Rotating) -> None:
    await rotating.begin(())
    await rotating.begin(())


async def stranger(scene: Scene, rotating: Rotating) -> None:
    await rotating.begin(("eu",))


async def both(scene: Scene, rotating: Rotating) -> None:
    scene.nodes.append("eu-central")
    await rotating.begin(("eu-central",))


async def replicas(scene: Scene, rotating: Rotating) -> None:
    scene.shared = True
    await scene.start().begin(())


REFUSED: dict[str, tuple[Callable[[Scene, Rotating], Awaitable[None]], str]] = {
    "abort of nothing": (abort_idle, "E102 the anchor is not being rotated: nothing to abort"),
    "abort too late": (
        abort_late,
        "E102 the rotation of the anchor is in phase taint: leaves of the new anchor are in use, there is no way back; "
        "let it go on (`isthmus trust status` says what it waits for)",
    ),
    "begin twice": (
        twice,
        "E102 the anchor is rotated already (phase prepare); see `isthmus trust status`, give --exclude NAME to wait no "
        "longer for one",
    ),
    "exclude nobody": (
        stranger,
        'E104 --exclude "eu": no other member and no node of ours; known: member/eu-central, node/n1',
    ),
    "exclude one of two": (
        both,
        'E104 --exclude "eu-central": is a member and a node; write member/eu-central or node/eu-central',
    ),
    "several signers": (
        replicas,
        "E102 this member's controllers share a store in etcd and have a signer each, only one of which would have the "
        "new key; rotate the anchor with one controller on a store of its own",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why_and_changes_nothing(scene: Scene, case: str) -> None:
    act, text = REFUSED[case]

    async def main(rotating: Rotating) -> None:
        with pytest.raises(IsthmusError) as caught:
            await act(scene, rotating)
        assert str(caught.value) == text

    running(scene, main)


def test_what_the_operator_was_told_failed_does_not_begin_or_end_by_itself(scene: Scene) -> None:
    async def refused(act: Awaitable[None]) -> None:
        scene.store.unconfirmed = True
        with pytest.raises(Unavailable):
            await act
        scene.store.unconfirmed = False
        await scene.store.flush()

    async def main(rotating: Rotating) -> None:
        await refused(rotating.begin(()))
        assert (phase(scene), scene.start().now) == ("idle", None)
        await rotating.begin(())
        await refused(rotating.abort())
        found = scene.start().now
        assert (phase(scene), found and found.phase) == ("prepare", "prepare")
        await refused(rotating.begin(("n1",)))
        found = scene.start().now
        assert found is not None
        assert found.excluded == ()

    running(scene, main)


def test_a_signer_that_is_away_is_a_problem_and_no_end(scene: Scene) -> None:
    async def main() -> None:
        async with serving(open_slots(scene.path), scene.path / "s.sock"):
            await scene.leaf.ready()
            rotating = scene.start()
            await rotating.begin(())
            scene.grant()
        (scene.path / "s.sock").unlink(missing_ok=True)
        scene.arrive()
        await rotating.once()
        assert phase(scene) == "active"
        assert "start `isthmus signer`" in scene.last.status["problems"][-1]
        async with serving(open_slots(scene.path), scene.path / "s.sock"):
            await until(scene, rotating, "idle")

    asyncio.run(main())
