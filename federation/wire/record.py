"""The record feed (peer to peer)."""

from federation.model.flat import Egress, Flat
from federation.model.moves import Shift
from federation.model.record import (
    About,
    Demand,
    Distance,
    Evidence,
    Export,
    Gateway,
    Granted,
    JwtKeys,
    Leave,
    Numbers,
    PublicName,
    Rotation,
    Seen,
    Slice,
)
from federation.model.sighting import Sighting
from federation.wire.keyed import Codec

RECORD = Codec(
    {
        "about": About,
        "gateway": Gateway,
        "export": Export,
        "number": Numbers,
        "slice": Slice,
        "demand": Demand,
        "grant": Granted,
        "shift": Shift,
        "evidence": Evidence,
        "distance": Distance,
        "sighting": Sighting,
        "flat": Flat,
        "egress": Egress,
        "name": PublicName,
        "jwt": JwtKeys,
        "rotation": Rotation,
        "leave": Leave,
        "seen": Seen,
    }
)


def record_topic(member: str) -> str:
    """The session topic that carries a member's record."""
    return f"record/{member}"
