"""A headless import: a name for each ready endpoint, and at the service's names the endpoints of the members that the
law chooses (Multi-Cluster Services DNS specification, 2.4). Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from federation.law.shares import Case, rule
from federation.law.terms import resides
from federation.model.handout import HeadlessSlice, Import
from federation.model.names import NAME_MAX, ServiceKey
from federation.model.record import Endpoint, Port, family_of
from gslb.zone import AAAA, CLUSTER, SRV, A, Row, RRsets, parents

TTL_SECONDS = 5
ADDRESSES_MAX = 1_000
"""Addresses of one answer, both families together: 28 KB at most, and some milliseconds of work."""

SRV_BYTES = 60_000
"""Bytes of the SRV records of one answer: a message over TCP has 65,535."""

_FIXED = 20
"""Bytes of an SRV record beside the text of its target, which is never compressed (RFC 2782)."""


class Host(Struct, frozen=True):
    """What one member's endpoints of the same host name have together."""

    name: str
    addresses: tuple[str, ...]
    ports: tuple[Port, ...]


class Members(NamedTuple):
    """Who is answered with, nearest first; `until` is the Unix millisecond at which age can change that (0: never)."""

    names: tuple[str, ...]
    until: int


class Headless(Struct, frozen=True):
    """One headless import with somebody ready.

    `hosts` are those that have a name of their own, by name; `members` all, by member. `ports` are the names of named
    ports with what they stand for, `above` the names without data between these and the service.
    """

    item: Import
    hosts: dict[str, Host]
    members: dict[str, tuple[Host, ...]]
    ports: dict[str, Port]
    above: frozenset[str]
    problems: tuple[str, ...] = ()

    def exists(self, name: str) -> bool:
        """True when the name has data or stands above one that has (RFC 8020)."""
        return name == self.item.service.host or name in self.hosts or name in self.ports or name in self.above


def headless_of(item: Import, slices: Iterable[HeadlessSlice]) -> Headless | None:
    """What these slices give; None when no endpoint is ready: then the service has no name at all."""
    members = _members(item.service, slices)
    if not members:
        return None
    every = [host for found in members.values() for host in found]
    hosts = {host.name: host for host in every if len(host.name) <= NAME_MAX}
    named = {port for host in every for port in host.ports if port.name}
    ports = {f"_{port.name}._{port.protocol.lower()}.{item.service.host}": port for port in named}
    above = {parent for name in (*hosts, *ports) for parent in parents(name, item.service.host)}
    too_long = [host.name for host in every if host.name not in hosts]
    return Headless(
        item=item,
        hosts=hosts,
        members=members,
        ports=ports,
        above=frozenset(above - {item.service.host}),
        problems=(_too_long(item.service, too_long),) if too_long else (),
    )


def _members(service: ServiceKey, slices: Iterable[HeadlessSlice]) -> dict[str, tuple[Host, ...]]:
    """By member, in order of name: its ready endpoints, those of the same host name as one."""
    found: dict[str, dict[str, tuple[dict[str, None], dict[Port, None]]]] = {}
    for part in slices:
        for endpoint in part.endpoints:
            if endpoint.state == "ready":
                name = f"{host_label(endpoint)}.{part.member}.{service.host}"
                addresses, ports = found.setdefault(part.member, {}).setdefault(name, ({}, {}))
                addresses[endpoint.address] = None
                ports.update(dict.fromkeys(part.ports))
    return {
        member: tuple(
            Host(name, tuple(sorted(addresses))[:ADDRESSES_MAX], tuple(sorted(ports)))
            for name, (addresses, ports) in sorted(hosts.items())
        )
        for member, hosts in sorted(found.items())
    }


def host_label(endpoint: Endpoint) -> str:
    """The endpoint's host name, else its address with dashes for dots and colons."""
    return endpoint.hostname or endpoint.address.replace(".", "-").replace(":", "-")


def _too_long(service: ServiceKey, names: Sequence[str]) -> str:
    return (
        f"headless import {service}: {len(names)} of its endpoints' names are longer than {NAME_MAX} characters, "
        f'the first "{names[0]}": they are not served; give these pods shorter host names'
    )


def choose(found: Headless, port: str, case: Case) -> Members:
    """The members to answer with for a named port (or all of the service, ""): each to which the law gives a share.

    The law is asked about those that have it ready; when it knows none of them as ready, all within the residency are
    answered.
    """
    having = [member for member, hosts in found.members.items() if not port or _with(hosts, port)]
    asked = [one for one in found.item.candidates if one.member in having]
    ruling = rule(asked, case)
    outside = {one.member for one in asked if not resides(one, case.policy)}
    every = tuple(member for member in having if member not in outside)
    return Members(tuple(share.member for share in ruling.shares) or every, ruling.until)


def _with(hosts: Iterable[Host], port: str) -> bool:
    return any(one.name == port for host in hosts for one in host.ports)


def service_rrsets(found: Headless, members: Iterable[str]) -> RRsets:
    """The data of the service's bare name: these members' hosts' addresses, and an SRV record for each port of each."""
    host = found.item.service.host
    hosts = list(_bounded(found, members))
    addresses = (address for one in hosts for address in one.addresses)
    targets = ((port.port, one.name) for one in hosts if one.name in found.hosts for port in one.ports)
    return {**address_rrsets(host, addresses), **_srv(host, targets)}


def port_rrsets(found: Headless, name: str, members: Iterable[str]) -> RRsets:
    """The data of the name of a named port: each of these members' hosts that has it."""
    asked = found.ports[name]
    return _srv(
        name,
        (
            (port.port, one.name)
            for one in _bounded(found, members)
            if one.name in found.hosts
            for port in one.ports
            if (port.name, port.protocol) == (asked.name, asked.protocol)
        ),
    )


def _bounded(found: Headless, members: Iterable[str]) -> Iterator[Host]:
    """The hosts of these members, in order, as long as their addresses fit one answer."""
    room = ADDRESSES_MAX
    for member in members:
        for host in found.members[member]:
            room -= len(host.addresses)
            if room < 0:
                return
            yield host


def address_rrsets(name: str, addresses: Iterable[str]) -> RRsets:
    """The A and AAAA records of a name; an address counts once."""
    rows: dict[int, list[Row]] = {}
    for address in dict.fromkeys(addresses):
        kind = A if family_of(address) == "IPv4" else AAAA
        rows.setdefault(kind, []).append((name, kind, TTL_SECONDS, address))
    return {kind: tuple(found) for kind, found in rows.items()}


def _srv(name: str, targets: Iterable[tuple[int, str]]) -> RRsets:
    """One SRV record for each (port, target), as many as fit one answer."""
    rows: list[Row] = []
    room = SRV_BYTES
    for port, target in dict.fromkeys(targets):
        room -= _FIXED + len(target)
        if room < 0:
            break
        rows.append((name, SRV, TTL_SECONDS, f"0 10 {port} {target}."))
    return {SRV: tuple(rows)} if rows else {}


def service_host(name: str) -> str:
    """The clusterset name of the service that a name in the zone belongs to: its last labels."""
    return ".".join(name.split(".")[-(3 + CLUSTER.count(".") + 1) :])
