"""The record feed (peer to peer)."""

from federation.model.record import About, Export, Gateway, Resource, Slice
from federation.wire.keyed import Codec

RECORD = Codec({"about": About, "gateway": Gateway, "export": Export, "slice": Slice})


def record_topic(member: str) -> str:
    """The session topic that carries a member's record."""
    return f"record/{member}"


def key_of(resource: Resource) -> str:
    """The key under which a record holds this resource."""
    match resource:
        case About():
            return "about"
        case Gateway():
            return f"gateway/{resource.id}"
        case Export():
            return f"export/{resource.service}"
        case Slice():
            return f"slice/{resource.service}/{resource.az}/{ports_mark(resource)}"


def ports_mark(value: Slice) -> str:
    """Tells slices of one service and az apart whose endpoints listen on other ports."""
    return "+".join(f"{p.name}.{p.protocol}.{p.port}".lower() for p in value.ports) or "none"
