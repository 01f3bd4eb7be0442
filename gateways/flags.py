"""The options of an agent, against its role and its machine: each fault is one InputError."""

from ipaddress import ip_address
from pathlib import Path

from federation.link.enrolled import Enrolled
from federation.link.possession import wireguard_key
from federation.model.errors import InputError
from federation.model.overlay import RAILS
from federation.telemetry import split_address
from gateways import folder
from gateways.kernel.nft import check_possible as check_nft
from gateways.machine import check_address, check_forwarding, check_root, check_udp_port
from gateways.state import Situation, Telemetry
from gateways.tunnels import INSIDE


def situation_of(state: Path, enrolled: Enrolled, address: str, underlay: str, inside: str) -> Situation:
    """What the agent knows by itself. InputError for flags that do not fit the role."""
    if enrolled.role not in ("gateway", "node"):
        raise InputError(f"{state}: enrolled as {enrolled.role}, which is no node agent")
    check_flags(enrolled.role, address, underlay, inside)
    key = wireguard_key(folder.wireguard_seed(state), enrolled.member, enrolled.node)
    return Situation(
        node=enrolled.node,
        role=enrolled.role,
        member=enrolled.member,
        domain=enrolled.domain,
        address=address,
        device=folder.device_prefix(state),
        private_key=key.private,
        public_key=key.public,
        possession=key.proof,
        listen_port=split_address(underlay, "--underlay")[1] if underlay else 0,
        inside=inside,
    )


def check_role(role: str, address: str, underlay: str, inside: str, xds_listen: str, telemetry: Telemetry) -> None:
    """InputError for a role that is no agent's, and for options that do not fit it."""
    if role != "xds":
        if xds_listen:
            raise InputError(f"--xds-listen is for the role xds; this folder is enrolled as {role}", "E122")
        if not address and role in ("gateway", "node"):
            raise InputError(f"--address is missing: a {role} needs the address where connections arrive", "E122")
        return
    given = {
        "--address": address,
        "--underlay": underlay,
        "--inside": inside,
        "--otlp": telemetry.otlp,
        "--access-log": telemetry.access_log,
    }
    for flag in (flag for flag, value in given.items() if value):
        raise InputError(f"{flag} is for the roles gateway and node; this folder is enrolled as xds", "E122")
    if not xds_listen:
        raise InputError("--xds-listen IP:PORT is missing: the role xds needs the address that sidecars reach", "E122")
    split_address(xds_listen, "--xds-listen")


def check_flags(role: str, address: str, underlay: str, inside: str) -> None:
    """InputError for flags that do not fit the role."""
    try:
        ip_address(address)
    except ValueError:
        raise InputError(f'--address "{address}": is not an IP address', "E122") from None
    if role == "node" and underlay:
        raise InputError("--underlay is for the role gateway; this folder is enrolled as node", "E122")
    if role == "gateway":
        if not underlay:
            raise InputError("--underlay IP:PORT is missing: a gateway needs the address that peers reach", "E122")
        port = split_address(underlay, "--underlay")[1]
        if port > 65_536 - RAILS:
            text = f"a gateway may need {RAILS} ports from it on; choose one up to {65_536 - RAILS}"
            raise InputError(f"--underlay: UDP port {port}: {text}", "E122")
    if inside:
        check_inside(role, inside, underlay)


def check_inside(role: str, inside: str, underlay: str) -> None:
    """InputError for an address where nodes of the own member cannot reach the gateway."""
    if role != "gateway":
        raise InputError(f"--inside is for the role gateway; this folder is enrolled as {role}", "E122")
    (host, port), first = split_address(inside, "--inside"), split_address(underlay, "--underlay")[1]
    try:
        ip_address(host)
    except ValueError:
        raise InputError(f'--inside "{inside}": {host} is not an IP address', "E122") from None
    if first <= port < first + RAILS:
        text = f"the rails of --underlay use {first} to {first + RAILS - 1}; choose another port"
        raise InputError(f"--inside: UDP port {port}: {text}", "E122")


def check_machine(situation: Situation) -> None:
    """InputError when this machine cannot carry the role: rights, programs, devices, addresses, ports."""
    check_root()
    check_nft()
    check_address(situation.address)
    if situation.role == "gateway":
        from gateways.kernel.wg import check_possible as check_wireguard

        check_wireguard()
        check_udp_port(situation.listen_port, f"{situation.device}0", "--underlay")
        if situation.inside:
            check_udp_port(int(situation.inside.rpartition(":")[2]), f"{situation.device}{INSIDE}", "--inside")
            check_forwarding()
