"""Can this machine carry the role? Each check is one InputError that says what is missing and what to do."""

import os
import socket
from ipaddress import ip_address
from pathlib import Path

from federation.model.errors import InputError

FORWARDING = Path("/proc/sys/net/ipv6/conf/all/forwarding")


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


def check_udp_port(port: int, device: str, flag: str) -> None:
    """The port is free, or our own device (left in place by an earlier run) holds it."""
    if Path(f"/sys/class/net/{device}").exists():
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(f"{flag}: UDP port {port}: {error.strerror}; choose another port", "E122") from None
