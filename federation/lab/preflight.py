"""What must be there before a lab is raised, each with the line that a user sees when it is not."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from federation.lab import errors

PROGRAMS = (
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ethtool", "ethtool"),
    ("mount", "mount"),
    ("wireguard-go", "wireguard-go"),
)
TUN = Path("/dev/net/tun")


def opens(device: Path) -> bool:
    """True when this user can open the device for reading and writing."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def preflight(
    *,
    root: bool | None = None,
    which: Callable[[str], str | None] = shutil.which,
    openable: Callable[[Path], bool] = opens,
) -> None:
    """LabError for the first thing that is missing: root, /dev/net/tun, a program. The arguments stand in
    for the machine.
    """
    if not (os.geteuid() == 0 if root is None else root):
        raise errors.not_root()
    if not openable(TUN):
        raise errors.no_tun()
    for program, package in PROGRAMS:
        if which(program) is None:
            raise errors.missing_program(program, package)
    if which("envoy") is None and which(str(Path(sys.executable).with_name("envoy"))) is None:
        raise errors.missing_envoy()
