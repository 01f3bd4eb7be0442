"""What the rotation of our anchor and our wish to leave give the loop."""

from dataclasses import dataclass, field
from typing import Any

from federation.model.record import Resource


@dataclass(frozen=True)
class Trust:
    """Resources for our record, the key id of the anchor that leaves shall be of, and what status says of the
    rotation, and of our membership where it is not as ever.
    """

    record: tuple[Resource, ...] = ()
    issuer: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    membership: tuple[str, ...] = ()
