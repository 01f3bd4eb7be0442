"""What the loop works with."""

from dataclasses import dataclass

from federation.config import Folder, Own, SelfEnrolled
from federation.ports import Agents, Clock, ClusterApi, Disk, Journal, LedgerSource, Peers, RecordSigner, Store


@dataclass(frozen=True)
class Parts:
    """Ourselves, and the outside by its ports."""

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
