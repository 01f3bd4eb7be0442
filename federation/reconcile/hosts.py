"""Who defines which public name: several members or services may name one host, the earliest admitted wins."""

from collections.abc import Iterable, Mapping

from federation.model.ledger import Member
from federation.model.names import MemberName, ServiceKey, zone_of
from federation.model.public import GlobalName
from federation.model.record import PublicName, Resource
from federation.plan.steering import Definition

Claim = tuple[MemberName, ServiceKey]


class Hosts:
    """Every definition by host, kept up by what changed."""

    def __init__(self) -> None:
        self._claims: dict[str, dict[Claim, GlobalName]] = {}
        self._of: dict[ServiceKey, set[str]] = {}
        self._said: dict[tuple[MemberName, str], ServiceKey] = {}

    def follow(self, member: MemberName, keys: Iterable[str], view: Mapping[str, Resource]) -> set[ServiceKey]:
        """These keys of a peer's record changed; the services whose names may be others now."""
        changed: set[ServiceKey] = set()
        for key in keys:
            if not key.startswith("name/"):
                continue
            item = view.get(key)
            host = key.removeprefix("name/")
            before = self._said.pop((member, host), None)
            if before is not None:
                changed |= self._put(host, (member, before), None)
            if isinstance(item, PublicName):
                self._said[(member, host)] = item.name.service
                changed |= self._put(host, (member, item.name.service), item.name)
        return changed

    def own(self, member: MemberName, service: ServiceKey, names: Iterable[GlobalName]) -> set[ServiceKey]:
        """We define these names, and no others, for this service; the services whose names may be others now."""
        wanted = {name.host: name for name in names}
        held = {host for host in self._of.get(service, ()) if (member, service) in self._claims[host]}
        changed: set[ServiceKey] = set()
        for host in held | wanted.keys():
            if self._claims.get(host, {}).get((member, service)) != wanted.get(host):
                changed |= self._put(host, (member, service), wanted.get(host))
        return changed

    def won(self, service: ServiceKey, members: Mapping[MemberName, Member]) -> tuple[Definition, ...]:
        """The names of this service in force: each host belongs to the definition of the earliest admitted member."""
        found = []
        for host in sorted(self._of.get(service, ())):
            winner = self._winner(host, members)
            if winner is not None and winner[1] == service:
                member, zones = winner[0], members[winner[0]].dns_zones
                found.append(Definition(member, zone_of(host, zones), self._claims[host][winner]))
        return tuple(found)

    def lost(self, member: MemberName, service: ServiceKey, members: Mapping[MemberName, Member]) -> tuple[str, ...]:
        """One line for each of our names that another definition keeps from being served."""
        lines = []
        for host in sorted(self._of.get(service, ())):
            winner = self._winner(host, members)
            if (member, service) in self._claims[host] and winner is not None and winner != (member, service):
                lines.append(f'name "{host}" is defined by member "{winner[0]}" for {winner[1]} already; ours waits')
        return tuple(lines)

    def _winner(self, host: str, members: Mapping[MemberName, Member]) -> Claim | None:
        claims = [claim for claim in self._claims[host] if claim[0] in members]
        return min(claims, key=lambda claim: (members[claim[0]].number, claim[1]), default=None)

    def _put(self, host: str, claim: Claim, name: GlobalName | None) -> set[ServiceKey]:
        claims = self._claims.setdefault(host, {})
        changed = {service for _, service in claims} | {claim[1]}
        if name is None:
            claims.pop(claim, None)
        else:
            claims[claim] = name
        for service in changed:
            self._tidy(host, service)
        if not claims:
            del self._claims[host]
        return changed

    def _tidy(self, host: str, service: ServiceKey) -> None:
        hosts = self._of.setdefault(service, set())
        if any(claim[1] == service for claim in self._claims[host]):
            hosts.add(host)
        else:
            hosts.discard(host)
        if not hosts:
            del self._of[service]
