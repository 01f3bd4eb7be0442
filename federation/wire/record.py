"""The record feed (peer to peer)."""

from federation.model.record import (
    About,
    Distance,
    Evidence,
    Export,
    Gateway,
    JwtKeys,
    Leave,
    Numbers,
    PublicName,
    Rotation,
    Seen,
    Slice,
)
from federation.wire.keyed import Codec

RECORD = Codec(
    {
        "about": About,
        "gateway": Gateway,
        "export": Export,
        "number": Numbers,
        "slice": Slice,
        "evidence": Evidence,
        "distance": Distance,
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
