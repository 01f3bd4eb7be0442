"""Can this machine carry the role? Each check is one InputError that says what is missing and what to do."""

import os
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from federation.model.errors import InputError
from gateways.state import NodeState, Tunnel

NET = Path("/proc/sys/net")
FORWARDING = NET / "ipv6/conf/all/forwarding"
_FORWARDING = {False: "ipv4/ip_forward", True: "ipv6/conf/all/forwarding"}


def check_root() -> None:
    """Root, or root of a user namespace."""
    if os.geteuid() != 0:
        raise InputError("the agent sets up devices and nft tables: run it as root", "E122")


def check_address(address: str) -> None:
    """The address is one of this machine's."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            raise InputError(f'--address "{address}": {error.strerror}; give an address of this node', "E122") from None


def check_forwarding() -> None:
    """This machine forwards IPv6: a gateway does for its nodes."""
    if FORWARDING.read_text().strip() == "0":
        text = (
            "is 0, and a gateway forwards its nodes' packets: set it to 1 (and accept_ra to 2 where routes come by RA)"
        )
        raise InputError(f"--inside: net.ipv6.conf.all.forwarding {text}", "E122")


def flat_faults(state: NodeState, root: Path = NET) -> tuple[str, ...]:
    """What keeps this machine from passing packets of pods on in flat mode."""
    peers = () if state.flat is None else state.flat.peers
    families = {_FORWARDING[":" in text] for peer in peers for text in peer.ranges}
    found = [
        f"E122 net.{name.replace('/', '.')} is 0, and pods' packets pass here in flat mode: set it to 1"
        for name in sorted(families)
        if number_in(root / name, absent=-1) == 0
    ]
    return (*found, *(_strict(root, state.tunnels) if _FORWARDING[False] in families else ()))


def _strict(root: Path, tunnels: Iterable[Tunnel]) -> Iterable[str]:
    for one in tunnels:
        if is_strict(root, one.device):
            why = "is 1 (strict), and pods' answers may come over another device: set it and that of all to 2"
            yield f"E122 net.ipv4.conf.{one.device}.rp_filter {why}"


def is_strict(net: Path, device: str) -> bool:
    """True where packets that would be answered over another device are dropped (RFC 3704 section 2.2); the kernel
    takes the greater of the two settings (ip-sysctl.rst, rp_filter). `net` is /proc/sys/net.
    """
    return max(number_in(net / f"ipv4/conf/{where}/rp_filter") for where in ("all", device)) == 1


def number_in(path: Path, absent: int = 0) -> int:
    """The number in this file; `absent` where there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return absent


def check_udp_port(port: int, device: str, flag: str) -> None:
    """The port is free, or our own device (left in place by an earlier run) holds it."""
    if Path(f"/sys/class/net/{device}").exists():
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(f"{flag}: UDP port {port}: {error.strerror}; choose another port", "E122") from None
