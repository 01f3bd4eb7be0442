"""What our own cluster says of its services."""

from typing import Literal

from msgspec import Struct

from federation.model.names import ServiceKey
from federation.model.record import Port, Slice


class LocalFacts(Struct, frozen=True, kw_only=True):
    """What our own cluster says of one service. `kind` is None when there is no such Service."""

    key: ServiceKey
    kind: Literal["ClusterSetIP", "Headless", "ExternalName"] | None = None
    ports: tuple[Port, ...] = ()
    session_affinity: str = "None"
    slices: tuple[Slice, ...] = ()
    exported: bool = False
