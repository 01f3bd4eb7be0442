"""What our own cluster says of its services."""

from typing import Literal

from msgspec import Struct

from federation.model.names import ServiceKey
from federation.model.policy import GlobalName, Policy
from federation.model.record import Port, ServiceKind, Slice, Traits


class Drained(Struct, frozen=True):
    """What a Drain asks for: the member ("": our own), by the object's generation."""

    member: str
    generation: int


class LocalFacts(Struct, frozen=True, kw_only=True):
    """What our own cluster says of one service. `kind` is None when there is no such Service.

    `names` are the public names that it defines for the service, by the name of the object that does. `addresses` are
    the clusterset IPs that the cluster gave its import, none where it gives none. `faults` are what was wrong with an
    object about the service, by (kind, name); its last good state is what stands here. `generations` are those of the
    objects that have a status, by (kind, name).
    """

    key: ServiceKey
    kind: ServiceKind | Literal["ExternalName"] | None = None
    ports: tuple[Port, ...] = ()
    traits: Traits = Traits()
    slices: tuple[Slice, ...] = ()
    exported: bool = False
    policy: Policy | None = None
    names: dict[str, GlobalName] = {}
    addresses: tuple[str, ...] = ()
    faults: dict[tuple[str, str], str] = {}
    generations: dict[tuple[str, str], int] = {}
