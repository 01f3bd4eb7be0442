"""The controller's own leaf on a disk that is full."""

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from federation.link.leaf import Leaf, load_leaf
from federation.lkg.disk import Disk
from federation.model.spiffe import controller_id
from federation.trust.own_leaf import OwnLeaf
from tests.worlds.acme import Acme
from tests.worlds.signer import DOMAIN, serving, slots_of

FULL = (
    "the controller's certificate is not on disk: No space left on device; it is served from memory, and a restart "
    "would find the one before"
)


def no_space(path: Path, leaf: Leaf) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_ends_no_renewal_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, disk, file = Acme().keys["us-east"], Disk(), tmp_path / "leaf.json"
    slots = slots_of(tmp_path, (keys.anchor_key, keys.anchor))
    own = OwnLeaf(controller_id(DOMAIN), file, tmp_path / "s.sock", disk)

    async def main() -> None:
        async with serving(slots, tmp_path / "s.sock"):
            first = await own.ready()
            with monkeypatch.context() as later:
                later.setattr("federation.trust.own_leaf.save_leaf", no_space)
                later.setattr("federation.trust.own_leaf.time.time", lambda: first.not_after - 1)
                await own.look()
            assert own.current() != first
            assert (load_leaf(file), disk.problems) == (first, (FULL,))
            assert own.current().renew_at(1) > time.time()
            await own.look()
            assert (load_leaf(file), disk.problems) == (own.current(), ())
            with monkeypatch.context() as later:
                later.setattr("federation.trust.own_leaf.save_leaf", no_space)
                await own.renew_from("another anchor")
            assert (load_leaf(file) == own.current(), disk.problems) == (False, (FULL,))

    asyncio.run(main())
