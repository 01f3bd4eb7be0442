"""The handout feed (controller to node agents and DNS servers) and the report feed (back)."""

from msgspec import Struct

from federation.model.handout import (
    Import,
    LinkReport,
    NodeReport,
    Offer,
    Peer,
    Pool,
    Site,
    Workload,
)
from federation.wire.keyed import Codec

HANDOUT_TOPIC = "handout"
REPORT_TOPIC = "report"

HANDOUT = Codec(
    {
        "site": Site,
        "peer": Peer,
        "pool": Pool,
        "import": Import,
        "offer": Offer,
        "workload": Workload,
    }
)
REPORT = Codec({"node": NodeReport, "link": LinkReport})


class HandoutHead(Struct, frozen=True):
    """What the root of a handout is: the controller's revision and the wall-clock second of its making."""

    member: str
    revision: int
    made: int
