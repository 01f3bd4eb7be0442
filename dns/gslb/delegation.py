"""What the parent of a zone must say of it, and what is wrong with what it says. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from federation.model.errors import InputError
from gslb.lookup import host_of
from gslb.zone import AAAA, NS, A, Row, Zone, lies_in


class Delegation(Struct, frozen=True):
    """A zone and what its parent must say of it: NS records, and glue, the addresses of those servers whose names lie
    in the zone (RFC 1034 section 4.2.1).
    """

    zone: str
    rows: tuple[Row, ...]

    @property
    def servers(self) -> frozenset[str]:
        """The names of its servers."""
        return frozenset(host_of(text) for _, kind, _, text in self.rows if kind == NS)

    @property
    def glue(self) -> dict[str, frozenset[str]]:
        """The addresses of those whose names lie in the zone."""
        inside = [one for one in self.servers if lies_in(one, self.zone)]
        return {one: frozenset(row[3] for row in self.rows if row[0] == one and row[1] != NS) for one in inside}


class Asked(Struct, frozen=True):
    """What one server said: `about` says who was asked, and how; `fault` why it said nothing that counts."""

    about: str
    servers: frozenset[str] = frozenset()
    glue: Mapping[str, frozenset[str]] = {}
    fault: str = ""


def delegation_of(zones: Mapping[str, Zone], apex: str) -> Delegation:
    """What this server's own zone says. InputError (E104) when it has none of that name."""
    zone = zones.get(apex)
    if zone is None:
        known = ", ".join(sorted(zones)) or "none"
        raise InputError(f'zone "{apex}": this server has no such zone; it has {known}', "E104")
    servers = zone.names[apex][NS]
    inside = [host for host in (host_of(row[3]) for row in servers) if lies_in(host, apex)]
    glue = (row for host in inside for kind in (A, AAAA) for row in zone.names.get(host, {}).get(kind, ()))
    return Delegation(apex, (*servers, *glue))


def lines(found: Delegation) -> list[str]:
    """The records as the parent's zone file has them."""
    words = {NS: "NS", A: "A", AAAA: "AAAA"}
    return [f"{owner}. {ttl} IN {words[kind]} {text}" for owner, kind, ttl, text in found.rows]


def at_parent(ours: Delegation, said: Asked) -> list[str]:
    """What is wrong with what the parent's server says, one line each."""
    if said.fault:
        return [f"{said.about}: {said.fault}"]
    found = _servers(ours, said)
    for server in sorted(ours.servers & said.servers & ours.glue.keys()):
        have, want = said.glue.get(server, frozenset()), ours.glue[server]
        found += [f"{said.about}: no glue {one} for {server}" for one in sorted(want - have)]
        found += [f"{said.about}: glue {one} for {server}, which is no address of it" for one in sorted(have - want)]
    return found


def at_server(ours: Delegation, said: Asked) -> list[str]:
    """What is wrong with what one of the zone's own servers says, one line each."""
    return [f"{said.about}: {said.fault}"] if said.fault else _servers(ours, said)


def _servers(ours: Delegation, said: Asked) -> list[str]:
    missing, extra = sorted(ours.servers - said.servers), sorted(said.servers - ours.servers)
    return [*(f"{said.about}: names no server {one}" for one in missing), *_odd(said.about, extra)]


def _odd(about: str, extra: Iterable[str]) -> list[str]:
    return [f"{about}: names {one}, which is no server of the zone" for one in extra]
