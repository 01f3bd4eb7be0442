"""What our own cluster says of its services."""

from typing import Literal

from msgspec import Struct

from federation.model.access import AccessRule
from federation.model.names import ServiceKey
from federation.model.public import GlobalName
from federation.model.record import Port, ServiceKind, Slice, Traits
from federation.model.wish import Wish


class Drained(Struct, frozen=True):
    """What a Drain asks for: the member ("": our own), by the object's generation; in steps over so many seconds. One
    that was deleted and made again has another `uid`, where the cluster gives them.
    """

    member: str
    generation: int
    seconds: int = 0
    reason: str = ""
    uid: str = ""


class Outside(Struct, frozen=True):
    """Where, as our cluster says, a gateway on one of its nodes is reached from outside: at public addresses of the
    node, and at the `ip:port` (UDP) of Services in front of it.
    """

    addresses: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()


class LocalFacts(Struct, frozen=True, kw_only=True):
    """What our own cluster says of one service. `kind` is None when there is no such Service.

    `names` are the public names that it defines for the service, by the name of the object that does. `addresses` are
    the clusterset IPs that the cluster gave its import, none where it gives none. `faults` are what was wrong with an
    object about the service, by (kind, name); its last good state is what stands here. `generations` are those of the
    objects that have a status, by (kind, name).
    `policy` and `namespace_policy` are what TrafficPolicies ask for the service and for its whole namespace,
    `fallbacks` the services that shall take its place by that of the service, each that of the one before, up to the
    first that comes again; `access` what AccessPolicies say of who may call it. The plan of this service also speaks of
    the AccessPolicies `admits` (by name), and of the TrafficPolicy of its name where that is for the whole namespace;
    `conflict` is why this one does not count.
    """

    key: ServiceKey
    kind: ServiceKind | Literal["ExternalName"] | None = None
    ports: tuple[Port, ...] = ()
    traits: Traits = Traits()
    slices: tuple[Slice, ...] = ()
    exported: bool = False
    policy: Wish | None = None
    namespace_policy: Wish | None = None
    fallbacks: tuple[str, ...] = ()
    conflict: str = ""
    access: tuple[AccessRule, ...] = ()
    admits: dict[str, AccessRule] = {}
    names: dict[str, GlobalName] = {}
    addresses: tuple[str, ...] = ()
    faults: dict[tuple[str, str], str] = {}
    generations: dict[tuple[str, str], int] = {}
