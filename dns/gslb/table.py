"""The immutable table that one query reads. Pure."""

from msgspec import Struct

from federation.model.handout import Place, Steered
from federation.model.standing import Standing
from gslb.guides import Guides, Maps
from gslb.headless import Headless
from gslb.latencies import NO_LATENCIES, Latencies
from gslb.locality import Subnets
from gslb.zone import Zone, enclosing


class Table(Struct, frozen=True):
    """What is answered. `zones` by apex; `steered` are the public names inside them, `headless` the headless services
    of clusterset.local by name; `ways` is what our own gateways find of the links to other members, `witnesses` the
    other members whose record says that a member's target for a host is down; `guides` are those of hosts with a
    tree of policies, `maps` all that they look at; `problems` one line each. `known` is False while there are zone
    files alone because no handout ever came: then nothing is said not to exist.
    """

    zones: dict[str, Zone]
    serial: int
    steered: dict[str, Steered] = {}
    headless: dict[str, Headless] = {}
    ways: dict[str, Standing] = {}
    places: dict[str, Place] = {}
    subnets: Subnets = Subnets()
    own: str = ""
    key: bytes = b""
    witnesses: dict[tuple[str, str], frozenset[str]] = {}
    guides: dict[str, Guides] = {}
    maps: Maps = {}
    latencies: Latencies = NO_LATENCIES
    problems: tuple[str, ...] = ()
    known: bool = True

    def zone_of(self, name: str) -> Zone | None:
        """The most specific zone that this lower-case name lies in; None when it is not ours to answer."""
        return enclosing(self.zones, name)
