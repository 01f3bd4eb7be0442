"""Can this machine carry the role? Each check is one InputError that says what is missing and what to do."""

import os
import socket
from ipaddress import ip_address
from pathlib import Path

from federation.model.errors import InputError


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


def check_udp_port(port: int, device: str) -> None:
    """The port is free, or our own device (left in place by an earlier run) holds it."""
    if Path(f"/sys/class/net/{device}").exists():
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(f"--underlay: UDP port {port}: {error.strerror}; choose another port", "E122") from None
