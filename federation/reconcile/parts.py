"""What the loop works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from federation.config import Folder, Own, SelfEnrolled
from federation.law.case import Paths
from federation.model.flat import Image
from federation.model.ledger import Member, Settings
from federation.model.moves import Leaving
from federation.model.names import MemberName
from federation.plan.steering import Bounds
from federation.ports import Agents, Clock, ClusterApi, Disk, Journal, LedgerSource, Peers, RecordSigner, Store


@dataclass(frozen=True)
class Parts:
    """Ourselves, and the outside by its ports. `labels` are those that our member says of itself, `images` how
    its local ranges are seen by others."""

    own: Own
    folder: Folder
    ledger: LedgerSource
    cluster: ClusterApi
    peers: Peers
    agents: Agents
    record: RecordSigner
    store: Store
    clock: Clock
    journal: Journal
    disk: Disk
    enrolled: SelfEnrolled | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    images: tuple[Image, ...] = ()


class Around(Struct, frozen=True):
    """What the plans of all services of a pass have in common; `leaving` is our own member's drain, `importers` are the
    other members, `paths` what our agents know of the ways there.
    """

    members: dict[MemberName, Member]
    ingress: dict[MemberName, tuple[str, ...]]
    bounds: Bounds
    leaving: Leaving | None
    importers: tuple[MemberName, ...] = ()
    paths: Paths = {}
    settings: Settings = Settings()
