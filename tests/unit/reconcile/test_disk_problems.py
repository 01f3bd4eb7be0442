"""What the disk did not take of the controller's own files is in status."""

import errno
import os
from pathlib import Path

from federation.reconcile.status import status
from tests.worlds.controller import World


def test_what_the_disk_did_not_take_of_our_own_files_is_said(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    world = World(tmp_path)
    assert not world.disk.keep("the controller's certificate", full)
    assert status(world.loop)["disk"]["problems"] == [
        "the controller's certificate is not on disk: No space left on device; it is served from memory, and a restart "
        "would find the one before"
    ]
