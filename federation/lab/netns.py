"""The lab's network: a pure plan of namespaces and `ip` lines, then the shell that carries it out and
takes it back.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from federation.lab.errors import LabError
from federation.lab.inside import command, inside, namespaces, sysctl
from federation.lab.topology import Member, Topology

ETC_NETNS = Path("/etc/netns")
RESOLV = "search .\nnameserver {server}\noptions timeout:2 attempts:2\n"
UNDERLAY_BITS = 24
POD_BITS = 16

EVERYWHERE = (
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv4/conf/all/rp_filter", "2"),
    ("net/ipv4/conf/default/rp_filter", "2"),
)
ROUTER = (("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1"))
SILENT = (("net/ipv6/conf/all/disable_ipv6", "1"), ("net/ipv6/conf/default/disable_ipv6", "1"))
NAT = """\
table ip lab {{
  chain out {{
    type nat hook postrouting priority srcnat;
    ip saddr {pods} oifname wan0 masquerade
  }}
}}
"""
OFFLOADS = ("tx", "off", "tso", "off", "gso", "off", "gro", "off")


def prefix(lab: str) -> str:
    """What the names of a lab's namespaces begin with."""
    return f"ist-{lab}-"


def machine(lab: str, member: str) -> str:
    """The namespace of a member's controller, agents, Envoys, DNS server and WireGuard."""
    return f"{prefix(lab)}{member}"


def web(lab: str, member: str) -> str:
    """The namespace of a member's endpoint pods."""
    return f"{machine(lab, member)}-web"


def client(lab: str, member: str) -> str:
    """The namespace of a member's client pod."""
    return f"{machine(lab, member)}-client"


def ingress(lab: str, member: str) -> str:
    """The namespace of a member's ingress pod."""
    return f"{machine(lab, member)}-ingress"


def api(lab: str, member: str) -> str:
    """The namespace of a member's API server, where it has one."""
    return f"{machine(lab, member)}-api"


def wan(lab: str) -> str:
    """The namespace of the WAN."""
    return f"{prefix(lab)}wan"


def names(lab: str, topology: Topology, kubernetes: bool = False) -> tuple[str, ...]:
    """Every namespace of a lab, with API servers or without."""
    places = (machine, web, client, ingress, *((api,) if kubernetes else ()))
    each = [made(lab, name) for name in topology.names for made in places]
    seconds = [machine(lab, member.second_machine) for member in topology.members if member.second]
    return (wan(lab), *each, *seconds)


@dataclass(frozen=True, slots=True)
class Space:
    """One namespace: kernel parameters before its devices exist, `ip` lines and an nft ruleset after."""

    name: str
    sysctls: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    nft: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Namespaces, the veth pairs between them (lines for `ip -batch` outside), offloads (namespace,
    device), resolv.confs.
    """

    spaces: tuple[Space, ...]
    links: tuple[str, ...]
    offloads: tuple[tuple[str, str], ...]
    resolv: tuple[tuple[str, str], ...]


def plan(lab: str, topology: Topology, kubernetes: bool = False) -> Plan:
    """What a lab's network consists of, with API servers or without."""
    spaces = [
        Space(
            wan(lab),
            SILENT,
            ("link set lo up", *(f"link set {name} up promisc on" for name in topology.ports)),
        )
    ]
    links: list[str] = []
    offloads: list[tuple[str, str]] = []
    for member in topology.members:
        host, name = machine(lab, member.name), member.name
        links += [
            f"link add wan0 netns {host} type veth peer name {name} netns {wan(lab)}",
            f"link add eth0 netns {web(lab, name)} type veth peer name pod-web netns {host}",
            f"link add eth0 netns {client(lab, name)} type veth peer name pod-client netns {host}",
            f"link add eth0 netns {ingress(lab, name)} type veth peer name pod-ingress netns {host}",
        ]
        offloads += [(host, "wan0"), (wan(lab), name)]
        spaces += [_machine(lab, member, topology, kubernetes)]
        spaces += [_web(lab, member), _client(lab, member), _ingress(lab, member)]
        if kubernetes:
            links.append(f"link add eth0 netns {api(lab, name)} type veth peer name pod-api netns {host}")
            spaces.append(_api(lab, member))
        if member.second:
            port, second = member.second_machine, machine(lab, member.second_machine)
            links += [
                f"link add wan0 netns {second} type veth peer name {port} netns {wan(lab)}",
                f"link add eth0 netns {second} type veth peer name pod-second netns {host}",
            ]
            offloads += [(second, "wan0"), (wan(lab), port)]
            spaces.append(_second(lab, member))
    resolv = tuple(
        (pod(lab, m.name), RESOLV.format(server=m.gateway)) for m in topology.members for pod in (client, ingress)
    )
    return Plan(tuple(spaces), tuple(links), tuple(offloads), resolv)


def _machine(lab: str, member: Member, topology: Topology, kubernetes: bool) -> Space:
    others = (other for other in topology.members if other != member)
    lines = (
        "link set lo up",
        f"addr add {member.underlay}/{UNDERLAY_BITS} dev wan0",
        "link set wan0 up",
        "link add pods type bridge",
        f"addr add {member.gateway}/{POD_BITS} dev pods",
        "link set pods up",
        "link set pod-web master pods up",
        "link set pod-client master pods up",
        "link set pod-ingress master pods up",
        *(("link set pod-api master pods up",) if kubernetes else ()),
        *(("link set pod-second master pods up",) if member.second else ()),
        f"route add {member.public}/32 via {member.ingress}",
        *(f"route add {other.public}/32 via {other.underlay}" for other in others),
    )
    return Space(machine(lab, member.name), EVERYWHERE + ROUTER, lines, NAT.format(pods=member.pod_prefix))


def _web(lab: str, member: Member) -> Space:
    addresses = tuple(f"addr add {endpoint.address}/{POD_BITS} dev eth0" for endpoint in member.all_pods)
    return Space(web(lab, member.name), EVERYWHERE, _pod(addresses, member))


def _client(lab: str, member: Member) -> Space:
    address = (f"addr add {member.client}/{POD_BITS} dev eth0",)
    return Space(client(lab, member.name), EVERYWHERE, _pod(address, member))


def _api(lab: str, member: Member) -> Space:
    return Space(api(lab, member.name), EVERYWHERE, _pod((f"addr add {member.api}/{POD_BITS} dev eth0",), member))


def _second(lab: str, member: Member) -> Space:
    lines = (
        "link set lo up",
        f"addr add {member.second_underlay}/{UNDERLAY_BITS} dev wan0",
        "link set wan0 up",
        f"addr add {member.second_address}/{POD_BITS} dev eth0",
        "link set eth0 up",
    )
    return Space(machine(lab, member.second_machine), EVERYWHERE + ROUTER, lines)


def _ingress(lab: str, member: Member) -> Space:
    addresses = (f"addr add {member.ingress}/{POD_BITS} dev eth0", f"addr add {member.public}/32 dev lo")
    return Space(ingress(lab, member.name), EVERYWHERE, _pod(addresses, member))


def _pod(addresses: tuple[str, ...], member: Member) -> tuple[str, ...]:
    return ("link set lo up", *addresses, "link set eth0 up", f"route add default via {member.gateway}")


def raise_network(planned: Plan) -> None:
    """Make everything in the plan; LabError at the first refusal (the caller takes down what was made)."""
    command("ip", "-batch", "-", stdin="".join(f"netns add {space.name}\n" for space in planned.spaces))
    for space in planned.spaces:
        inside(space.name, lambda values=space.sysctls: sysctl(values))  # type: ignore[misc]
    command("ip", "-batch", "-", stdin="".join(f"{line}\n" for line in planned.links))
    with ThreadPoolExecutor(2) as workers:
        for done in [workers.submit(_fill, space) for space in planned.spaces]:
            done.result()
        for done in [workers.submit(_plain, *where) for where in planned.offloads]:
            done.result()
    for name, text in planned.resolv:
        folder = ETC_NETNS / name
        folder.mkdir(parents=True)
        (folder / "resolv.conf").write_text(text)


def _fill(space: Space) -> None:
    command("ip", "-n", space.name, "-batch", "-", stdin="".join(f"{line}\n" for line in space.lines))
    if space.nft:
        inside(space.name, lambda: command("nft", "-f", "-", stdin=space.nft))


def _plain(namespace: str, device: str) -> None:
    inside(namespace, lambda: command("ethtool", "-K", device, *OFFLOADS))


def drop_network(lab: str) -> None:
    """Remove the lab's namespaces (and so their devices, routes and nft tables) and resolv.confs; the
    absent are fine.
    """
    for name in namespaces(prefix(lab)):
        try:
            command("ip", "netns", "del", name)
        except LabError:
            if name in namespaces(name):
                raise
    for folder in ETC_NETNS.glob(f"{prefix(lab)}*"):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        ETC_NETNS.rmdir()
    except OSError:
        pass
