"""The agent's folder (`--state`): its WireGuard key, its lock, its sockets, and the names that derive from it."""

import fcntl
import hashlib
from pathlib import Path
from typing import IO

from federation.model.errors import InputError

KEY_FILE = "wireguard.key"
"""What `keys` reads and writes."""


def device_prefix(directory: Path) -> str:
    """How the WireGuard devices of this folder begin: `ist`, and six digits that no other folder of this host has."""
    return f"ist{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:6]}"


def xds_socket(directory: Path) -> Path:
    """Where Envoy asks for its configuration."""
    return directory.resolve() / "xds.sock"


def workload_socket(directory: Path) -> Path:
    """Where this node's processes fetch their certificates, unless told otherwise."""
    return directory.resolve() / "workload.sock"


def grpc_socket(workloads: Path) -> Path:
    """Where gRPC programs of this node ask for their configuration: beside the socket of the Workload API."""
    return workloads.with_name("grpc-xds.sock")


def grpc_inner_socket(workloads: Path) -> Path:
    """Where the agent answers them, behind the door that counts them: its own."""
    return workloads.with_name(".grpc-xds")


def admin_socket(directory: Path) -> Path:
    """Envoy's admin interface."""
    return directory.resolve() / "envoy-admin.sock"


def drained_file(directory: Path) -> Path:
    """Why the gateway of this folder is drained; not there when it is not."""
    return directory / "drained"


def why_drained(directory: Path) -> str:
    """The reason; "" when it is not drained."""
    try:
        return drained_file(directory).read_text().strip() or "without a reason"
    except OSError:
        return ""


def preshared_folder(directory: Path) -> Path:
    """Where the preshared keys of members are, unless told otherwise."""
    return directory / "preshared"


def lock(directory: Path, what: str = "agent") -> IO[bytes]:
    """Be the one program of this sort with the folder, as long as the returned file is open. InputError when there is
    one.
    """
    file = (directory / f"{what}.lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise InputError(f"{directory}: another {what} already runs with this folder", "E122") from None
    return file


SOCKET_PATH_MAX = 107
"""Bytes of a unix socket's path (unix(7))."""


def check_socket_path(path: Path) -> None:
    """InputError when the path is too long for a unix socket."""
    if len(str(path).encode()) > SOCKET_PATH_MAX:
        raise InputError(f"{path}: a unix socket's path has at most {SOCKET_PATH_MAX} bytes; use a shorter --state")
