"""WireGuard devices for real: in the kernel where it has them, else one `wireguard-go` a device.

Which one is found out when a device is made; after that a device is what it is: one with a socket under SOCKETS is
userspace, any other is the kernel's.
"""

import base64
import errno
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import structs
from pyroute2 import IPRoute, WireGuard
from pyroute2.netlink.exceptions import NetlinkError

from federation.model.errors import InputError, Unavailable
from gateways.kernel.uapi import GET, NONE, Change, parse_errno, parse_get, set_request
from gateways.render.wireguard import (
    Actual,
    Counters,
    Create,
    Device,
    DropPeer,
    Peer,
    SetDevice,
    SetPeer,
    Step,
)

SOCKETS = Path("/var/run/wireguard")
"""Where wireguard-go puts its sockets. All namespaces of a host share it, so device names are unique on the host."""

ANSWER_TIMEOUT = 2.0
START_TIMEOUT = 5.0
PROGRAM = "wireguard-go"
FOREGROUND = "WG_PROCESS_FOREGROUND"
"""Must not be in its environment at all: with any value but 1, version 20220316 starts itself for ever (measured)."""


class LinuxWireGuard:
    """The port `WireGuard` on Linux, in the network namespace of this process."""

    def read(self, device: str) -> Actual | None:
        """What the device holds; None when there is none."""
        if _has_socket(device):
            return parse_get(device, _ask(device, GET))
        return _kernel_read(device)

    def apply(self, steps: Iterable[Step]) -> None:
        """Do these steps; consecutive ones of a device go in one request."""
        for step in steps:
            if isinstance(step, Create):
                create(step.name)
            elif _has_socket(step.name):
                _userspace_set(step)
            else:
                _kernel_set(step)


def check_possible() -> None:
    """InputError when neither the kernel nor wireguard-go can make a device here."""
    if kernel_has_wireguard():
        return
    if shutil.which(PROGRAM) is None:
        raise InputError(
            f"this kernel has no WireGuard and {PROGRAM} is not installed: install the package wireguard-go", "E122"
        )
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise InputError(f"/dev/net/tun cannot be opened, and {PROGRAM} needs it: load the module tun", "E122")


def kernel_has_wireguard() -> bool:
    """True when the kernel knows the link kind wireguard, by its module or by itself."""
    return Path("/sys/module/wireguard").exists() or _try_kernel_link("istprobe")


def create(device: str) -> None:
    """Make the device. Unavailable when it does not come up within START_TIMEOUT."""
    if _kernel_create(device):
        return
    stale = SOCKETS / f"{device}.sock"
    if stale.exists() and not _answers(device):
        stale.unlink(missing_ok=True)
    environment = {k: v for k, v in os.environ.items() if k != FOREGROUND} | {"LOG_LEVEL": "error"}
    try:
        subprocess.run(
            [PROGRAM, device],
            check=True,
            env=environment,
            timeout=START_TIMEOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{PROGRAM} {device}: {error}") from None
    deadline = time.monotonic() + START_TIMEOUT
    while not _answers(device):
        if time.monotonic() > deadline:
            raise Unavailable(f"{PROGRAM} {device} does not answer on {stale}")
        time.sleep(0.01)


def _has_socket(device: str) -> bool:
    return (SOCKETS / f"{device}.sock").exists() and _answers(device)


def _answers(device: str) -> bool:
    try:
        with _connect(device):
            return True
    except OSError:
        return False


def _connect(device: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(ANSWER_TIMEOUT)
        connection.connect(str(SOCKETS / f"{device}.sock"))
    except OSError:
        connection.close()
        raise
    return connection


def _ask(device: str, request: str) -> str:
    try:
        with _connect(device) as connection:
            connection.sendall(request.encode())
            answer = b""
            while not answer.endswith(b"\n\n"):
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
    except OSError as error:
        raise Unavailable(f"WireGuard device {device}: {error}") from None
    code = parse_errno(answer.decode())
    if code:
        raise Unavailable(f"WireGuard device {device}: {os.strerror(abs(code))} (errno {code})")
    return answer.decode()


def _userspace_set(step: Change) -> None:
    _ask(step.name, set_request([step]))


def _try_kernel_link(name: str) -> bool:
    try:
        with IPRoute() as ip:
            ip.link("add", ifname=name, kind="wireguard")
            ip.link("del", ifname=name)
    except NetlinkError:
        return False
    return True


def _kernel_create(device: str) -> bool:
    try:
        with IPRoute() as ip:
            ip.link("add", ifname=device, kind="wireguard")
    except NetlinkError as error:
        if error.code in (errno.EOPNOTSUPP, errno.ENOENT):
            return False
        raise Unavailable(f"WireGuard device {device}: {error}") from None
    return True


def kernel_peer(peer: Peer) -> dict[str, Any]:
    """A peer as pyroute2 takes it."""
    made: dict[str, Any] = {
        "public_key": base64.b64encode(peer.key).decode(),
        "preshared_key": base64.b64encode(peer.preshared or NONE).decode(),
        "persistent_keepalive": peer.keepalive,
        "replace_allowed_ips": True,
        "allowed_ips": list(peer.allowed),
    }
    if peer.endpoint:
        host, _, port = peer.endpoint.rpartition(":")
        made |= {"endpoint_addr": host.strip("[]"), "endpoint_port": int(port)}
    return made


def _kernel_set(step: Change) -> None:
    try:
        with WireGuard() as wg:
            match step:
                case SetDevice():
                    wg.set(step.name, private_key=base64.b64encode(step.private_key).decode(), listen_port=step.port)
                case SetPeer():
                    wg.set(step.name, peer=kernel_peer(step.peer))
                case DropPeer():
                    wg.set(step.name, peer={"public_key": base64.b64encode(step.key).decode(), "remove": True})
    except NetlinkError as error:
        raise Unavailable(f"WireGuard device {step.name}: {error}") from None


def _kernel_read(device: str) -> Actual | None:
    """Netlink is asked for a link of the kernel's own kind only: without the module pyroute2 fails and leaks."""
    kind = _link_kind(device)
    if kind is None:
        return None
    if kind != "wireguard":
        raise Unavailable(f"device {device} is of kind {kind}, and no {PROGRAM} answers for it")
    try:
        with WireGuard() as wg:
            return kernel_actual(device, list(wg.info(device)))
    except NetlinkError as error:
        raise Unavailable(f"WireGuard device {device}: {error}") from None


def _link_kind(device: str) -> str | None:
    with IPRoute() as ip:
        index = next(iter(ip.link_lookup(ifname=device)), None)
        if index is None:
            return None
        info = next(iter(ip.get_links(index))).get_attr("IFLA_LINKINFO")
        return "unknown" if info is None else str(info.get_attr("IFLA_INFO_KIND"))


def kernel_actual(device: str, messages: Iterable[Any]) -> Actual:
    """The device in these netlink messages. A peer with many prefixes goes on in the next message, with its key and
    the remaining prefixes only (include/uapi/linux/wireguard.h)."""
    private_key, port = b"", 0
    peers: dict[bytes, Peer] = {}
    counters: dict[bytes, Counters] = {}
    for message in messages:
        private_key = base64.b64decode(message.get_attr("WGDEVICE_A_PRIVATE_KEY") or b"") or private_key
        port = message.get_attr("WGDEVICE_A_LISTEN_PORT") or port
        for entry in message.get_attr("WGDEVICE_A_PEERS") or ():
            peer, count = _kernel_peer_of(entry)
            held = peers.get(peer.key)
            if held is not None:
                allowed = tuple(sorted({*held.allowed, *peer.allowed}))
                peers[peer.key] = structs.replace(held, allowed=allowed)
                continue
            peers[peer.key], counters[peer.key] = peer, count
    made = Device(name=device, private_key=private_key, port=port, peers=tuple(sorted(peers.values())))
    return Actual(made, counters)


def _kernel_peer_of(entry: Any) -> tuple[Peer, Counters]:
    endpoint = entry.get_attr("WGPEER_A_ENDPOINT") or {}
    address = endpoint.get("addr", "")
    where = f"[{address}]" if ":" in address else address
    handshake = entry.get_attr("WGPEER_A_LAST_HANDSHAKE_TIME") or {}
    peer = Peer(
        key=base64.b64decode(entry.get_attr("WGPEER_A_PUBLIC_KEY")),
        endpoint=f"{where}:{endpoint['port']}" if address else "",
        allowed=tuple(sorted(a["addr"] for a in entry.get_attr("WGPEER_A_ALLOWEDIPS") or ())),
        keepalive=entry.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL") or 0,
        preshared=base64.b64decode(entry.get_attr("WGPEER_A_PRESHARED_KEY") or b"").removeprefix(NONE),
    )
    count = Counters(
        int(handshake.get("tv_sec", 0)),
        entry.get_attr("WGPEER_A_RX_BYTES") or 0,
        entry.get_attr("WGPEER_A_TX_BYTES") or 0,
    )
    return peer, count
