"""What our own cluster says of its services."""

from typing import Literal

from msgspec import Struct

from federation.model.names import ServiceKey
from federation.model.policy import GlobalName, Policy
from federation.model.record import Port, Slice


class LocalFacts(Struct, frozen=True, kw_only=True):
    """What our own cluster says of one service. `kind` is None when there is no such Service.

    `names` are the public names that it defines for the service, by the name of the object that does.
    """

    key: ServiceKey
    kind: Literal["ClusterSetIP", "Headless", "ExternalName"] | None = None
    ports: tuple[Port, ...] = ()
    session_affinity: str = "None"
    slices: tuple[Slice, ...] = ()
    exported: bool = False
    policy: Policy | None = None
    names: dict[str, GlobalName] = {}
