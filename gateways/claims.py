"""Which name owns which listener port, when two imports were given the same one. Pure."""

from bisect import insort
from collections.abc import Iterator

from msgspec import Struct

from federation.model.handout import Import
from federation.model.names import ServiceKey
from gateways.plan_import import named
from gateways.services import port_label


class Claim(Struct, frozen=True, order=True):
    """A port that wants a listener port. The smallest owns it: by the service, then by its place among the ports."""

    key: str
    place: int
    name: str
    service: ServiceKey


class Claims:
    """Every claim, by listener port."""

    def __init__(self) -> None:
        self._claims: dict[int, list[Claim]] = {}

    def put(self, item: Import) -> set[ServiceKey]:
        """Add the claims of an import; the services that want a listener port whose owner is another now."""
        before = {port: self.owner(port) for port, _ in _claims(item)}
        for port, claim in _claims(item):
            insort(self._claims.setdefault(port, []), claim)
        return self._moved(before)

    def drop(self, item: Import) -> set[ServiceKey]:
        """Take them away; as `put`."""
        before = {port: self.owner(port) for port, _ in _claims(item)}
        for port, claim in _claims(item):
            self._claims[port].remove(claim)
            if not self._claims[port]:
                del self._claims[port]
        return self._moved(before)

    def owner(self, port: int) -> str:
        """The name that owns this listener port, "" when nobody claims it."""
        claims = self._claims.get(port)
        return claims[0].name if claims else ""

    def _moved(self, before: dict[int, str]) -> set[ServiceKey]:
        moved = [port for port, owner in before.items() if owner != self.owner(port)]
        return {claim.service for port in moved for claim in self._claims.get(port, ())}


def _claims(item: Import) -> Iterator[tuple[int, Claim]]:
    for place, port in enumerate(item.ports):
        if port.protocol == "TCP":
            yield (
                port.listener,
                Claim(str(item.service), place, named(item.service, port_label(port.name, port.port)), item.service),
            )
