"""The options of an agent, against its role and its machine: each fault is one InputError."""

from ipaddress import ip_address
from pathlib import Path

from federation.link.enrolled import Enrolled
from federation.model.cidr import forbidden_address, parse_cidr
from federation.model.errors import InputError
from federation.model.flat import meeting
from federation.model.overlay import RAILS, SLOTS
from federation.model.record import ALTERNATES_MAX
from federation.telemetry import split_address
from gateways import folder
from gateways.kernel.nft import check_possible as check_nft
from gateways.keys import load, with_keys
from gateways.machine import check_address, check_forwarding, check_root, check_udp_port
from gateways.state import Situation, Telemetry
from gateways.tunnels import INSIDE, device_name

PORTS = SLOTS * RAILS
"""UDP ports in a row, from that of `--underlay` on, that a gateway uses: for each rail of its peers, in each slot."""

Underlay = tuple[str, ...]
"""Endpoints of a gateway: that of its first rail by which it is known first of all, and further ones."""


def situation_of(
    state: Path, enrolled: Enrolled, address: str, underlay: Underlay, inside: str, pods: tuple[str, ...] = ()
) -> Situation:
    """What the agent knows by itself. InputError for flags that do not fit the role."""
    if enrolled.role not in ("gateway", "node"):
        raise InputError(f"{state}: enrolled as {enrolled.role}, which is no node agent")
    check_flags(enrolled.role, address, underlay, inside)
    ranges = pods_of(enrolled.role, pods)
    bare = Situation(
        node=enrolled.node,
        role=enrolled.role,
        member=enrolled.member,
        domain=enrolled.domain,
        address=address,
        device=folder.device_prefix(state),
        listen_port=split_address(underlay[0], "--underlay")[1] if underlay else 0,
        inside=inside,
        pods=ranges,
    )
    return with_keys(bare, load(state))


def pods_of(role: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """The ranges of --pods. InputError for those that are none or meet, and for a role that has no pods."""
    if given and role != "node":
        raise InputError(f"--pods is for the role node; this folder is enrolled as {role}", "E122")
    found: list[str] = []
    for text in given:
        network = str(parse_cidr(text, "--pods"))
        met = meeting(network, found)
        if met is not None:
            raise InputError(f'--pods "{text}": overlaps {met}; give each range once', "E101")
        found.append(network)
    return tuple(sorted(found))


def check_role(
    role: str,
    address: str,
    underlay: Underlay,
    inside: str,
    xds_listen: str,
    telemetry: Telemetry,
    pods: tuple[str, ...] = (),
) -> None:
    """InputError for a role that is no agent's, and for options that do not fit it."""
    if role != "xds":
        if xds_listen:
            raise InputError(f"--xds-listen is for the role xds; this folder is enrolled as {role}", "E122")
        if not address and role in ("gateway", "node"):
            raise InputError(f"--address is missing: a {role} needs the address where connections arrive", "E122")
        return
    given: dict[str, object] = {
        "--address": address,
        "--underlay": underlay,
        "--inside": inside,
        "--pods": " ".join(pods),
        "--otlp": telemetry.otlp,
        "--access-log": telemetry.access_log,
    }
    for flag in (flag for flag, value in given.items() if value):
        raise InputError(f"{flag} is for the roles gateway and node; this folder is enrolled as xds", "E122")
    if not xds_listen:
        raise InputError("--xds-listen IP:PORT is missing: the role xds needs the address that sidecars reach", "E122")
    split_address(xds_listen, "--xds-listen")


def check_flags(role: str, address: str, underlay: Underlay, inside: str) -> None:
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
        check_underlay(underlay)
    if inside:
        check_inside(role, inside, underlay)


def check_underlay(underlay: Underlay) -> None:
    """InputError for endpoints that peers would refuse, or of which there are too many."""
    if len(underlay) > 1 + ALTERNATES_MAX:
        text = f"given {len(underlay)} times, at most {1 + ALTERNATES_MAX} are tried; leave some out"
        raise InputError(f"--underlay: {text}", "E118")
    for index, given in enumerate(underlay):
        host, port = split_address(given, "--underlay")
        if port > 65_536 - PORTS:
            text = f"a gateway may need {PORTS} ports from it on; choose one up to {65_536 - PORTS}"
            raise InputError(f"--underlay: UDP port {port}: {text}", "E122")
        why = forbidden_address(host)
        if index and why is not None:
            raise InputError(f'--underlay "{given}": {why}; peers would refuse it', "E122")
        if given in underlay[:index]:
            raise InputError(f'--underlay "{given}": stands there twice; leave one out', "E122")


def check_relay(role: str, relay: bool) -> None:
    """InputError for a role that carries nothing."""
    if relay and role != "gateway":
        raise InputError(f"--relay is for the role gateway; this folder is enrolled as {role}", "E122")


def check_inside(role: str, inside: str, underlay: Underlay) -> None:
    """InputError for an address where nodes of the own member cannot reach the gateway."""
    if role != "gateway":
        raise InputError(f"--inside is for the role gateway; this folder is enrolled as {role}", "E122")
    (host, port), first = split_address(inside, "--inside"), split_address(underlay[0], "--underlay")[1]
    try:
        ip_address(host)
    except ValueError:
        raise InputError(f'--inside "{inside}": {host} is not an IP address', "E122") from None
    if first - SLOTS < port < first + PORTS:
        text = f"the rails of --underlay use {first} to {first + PORTS - 1}, and this takes two; choose another port"
        raise InputError(f"--inside: UDP port {port}: {text}", "E122")


def check_preshared(role: str, folder: Path | None) -> None:
    """InputError for a folder of preshared keys that is not there, or that no gateway was given."""
    if folder is None:
        return
    if role != "gateway":
        raise InputError(f"--preshared is for the role gateway; this folder is enrolled as {role}", "E122")
    if not folder.is_dir():
        raise InputError(f'--preshared "{folder}": no such folder', "E122")


def check_machine(situation: Situation) -> None:
    """InputError when this machine cannot carry the role: rights, programs, devices, addresses, ports."""
    check_root()
    check_nft()
    check_address(situation.address)
    if situation.role == "gateway":
        from gateways.kernel.wg import check_possible as check_wireguard

        check_wireguard()
        slot, first = situation.slot, situation.listen_port + situation.slot * RAILS
        check_udp_port(first, device_name(situation.device, 0, slot), "--underlay")
        if situation.inside:
            port = int(situation.inside.rpartition(":")[2]) + slot
            check_udp_port(port, device_name(situation.device, INSIDE, slot), "--inside")
            check_forwarding()
