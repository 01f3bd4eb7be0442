"""The handout feed (controller to node agents and DNS servers) and the report feed (back)."""

from msgspec import Struct

from federation.model.confine import Confined
from federation.model.flows import FlowReport
from federation.model.handout import (
    ForeignBundle,
    HeadlessSlice,
    Here,
    Import,
    JwtBundle,
    Offer,
    OwnGateway,
    OwnNode,
    Peer,
    Place,
    Pool,
    Site,
    Steered,
    Witness,
    Workload,
)
from federation.model.moves import Orders
from federation.model.report import EndpointReport, EnvoyRefusal, LinkReport, NodeReport, TargetReport
from federation.model.sighting import Sighted
from federation.wire.keyed import Codec

HANDOUT_TOPIC = "handout"
REPORT_TOPIC = "report"
PERIOD = 10.0
"""Seconds between two digests of a session that carries them: a controller has thousands of these sessions."""

HANDOUT = Codec(
    {
        "site": Site,
        "here": Here,
        "own-gateway": OwnGateway,
        "own-node": OwnNode,
        "peer": Peer,
        "sighted": Sighted,
        "pool": Pool,
        "import": Import,
        "headless": HeadlessSlice,
        "offer": Offer,
        "workload": Workload,
        "place": Place,
        "steered": Steered,
        "witness": Witness,
        "jwt": JwtBundle,
        "foreign": ForeignBundle,
        "orders": Orders,
        "confined": Confined,
    }
)
REPORT = Codec(
    {
        "node": NodeReport,
        "link": LinkReport,
        "endpoint": EndpointReport,
        "refused": EnvoyRefusal,
        "target": TargetReport,
        "flow": FlowReport,
    }
)


class HandoutHead(Struct, frozen=True):
    """What the root of a handout is: the controller's revision and the wall-clock second of its making."""

    member: str
    revision: int
    made: int
