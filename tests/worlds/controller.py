"""us-east's loop over in-memory twins: a peer whose record is edited, agents, a signer, a store, a clock."""

import contextlib
from pathlib import Path
from typing import Any

from msgspec import structs

from federation.adapters.memory import ManualClock, MemoryCluster, MemoryJournal, MemoryStore
from federation.config import Enrolment, Folder, Own
from federation.lkg.disk import Disk
from federation.model.handout import Workload
from federation.model.ledger import Ledger
from federation.model.names import MemberName
from federation.model.record import Head, Numbers, Resource, key_of
from federation.ports import AgentState, PeerState
from federation.reconcile.loop import Loop
from federation.reconcile.parts import Parts
from federation.session.tree import Change, Tree
from federation.wire.handout import HANDOUT
from federation.wire.record import RECORD
from tests.worlds.acme import Acme
from tests.worlds.objects import endpoint_slice, everyone, export, service

EU = MemberName("eu-central")
HEAD = Head(member=EU, epoch=1, generation=1, root=b"")


class Peers:
    """The twin of PeerSync: one peer whose record a test edits."""

    problems: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.view: dict[str, Resource] = {}
        self.head: Head | None = HEAD
        self.published: list[Tree] = []

    def states(self) -> dict[MemberName, PeerState]:
        return {EU: PeerState(view=self.view, head=self.head, connected=True, age=0.0, refusals=())}

    def publish(self, tree: Tree, head: bytes) -> None:
        self.published.append(tree)


class Agents:
    """The twin of AgentSync."""

    def __init__(self) -> None:
        self.given: dict[str, Tree] = {}
        self.count = 0
        self.said: dict[str, AgentState] = {}

    def states(self) -> dict[str, AgentState]:
        return self.said

    def publish(self, name: str, tree: Tree, head: bytes) -> None:
        self.given[name] = tree
        self.count += 1

    def forget(self, name: str) -> None:
        self.given.pop(name, None)


class Signer:
    """The twin of OwnRecord."""

    order = (1, 0)

    def head(self, tree: Tree) -> bytes:
        return b"head"


class Source:
    """The ledger, fixed."""

    problems: tuple[str, ...] = ()

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger


class World:
    """us-east's controller over twins."""

    def __init__(self, path: Path) -> None:
        self.acme = Acme()
        self.source = Source(self.acme.ledger)
        own = Own(
            name=MemberName("us-east"),
            domain="acme.mesh",
            federation=self.acme.fingerprint,
            region="us-east",
            az="us-east-1",
            clusterset="10.101.0.0/16",
        )
        self.folder = Folder(path)
        self.folder.create(own)
        self.folder.enrol(Enrolment(name="gw1", role="gateway"))
        self.folder.enrol(Enrolment(name="node1", role="node", workloads=(Workload("shop", "client", ("10.1.2.10",)),)))
        self.folder.enrol(Enrolment(name="dns1", role="dns"))
        self.cluster, self.store, self.clock = MemoryCluster(), MemoryStore(), ManualClock()
        self.peers, self.agents, self.journal = Peers(), Agents(), MemoryJournal()
        self.disk = Disk()
        self.loop = self.start()

    def start(self) -> Loop:
        """A fresh controller over the same store."""
        loop = Loop(
            Parts(
                own=self.folder.own(),
                folder=self.folder,
                ledger=self.source,
                cluster=self.cluster,
                peers=self.peers,
                agents=self.agents,
                record=Signer(),
                store=self.store,
                clock=self.clock,
                journal=self.journal,
                disk=self.disk,
            )
        )
        self.cluster._wake = loop.wake
        return loop

    def step(self) -> None:
        """One pass of the loop, which waits for nothing here."""
        with contextlib.suppress(StopIteration):
            self.loop.step().send(None)

    def grant(self, member: str, **fields: Any) -> None:
        """Change a member's entry in the ledger."""
        ledger = self.source.ledger
        entry = structs.replace(ledger.members[MemberName(member)], **fields)
        self.source.ledger = structs.replace(ledger, members=ledger.members | {entry.name: entry})

    def registrar(self, member: MemberName) -> None:
        """From now on this member is the registrar."""
        self.source.ledger = structs.replace(self.source.ledger, registrar=member)
        self.loop.peer_changed(EU, None)

    def peer_says(self, *resources: Resource) -> None:
        new = {key_of(item): item for item in resources}
        change = Change({key: b"" for key in new}, frozenset(self.peers.view.keys() - new.keys()))
        self.peers.view = new
        self.loop.peer_changed(EU, change)

    def handout(self, node: str) -> dict[str, Any]:
        self.step()
        return dict(HANDOUT.decode_tree(self.agents.given[node]))

    def record(self) -> dict[str, Any]:
        """What our record says, but for how far the ledger was seen and for the numbers of exports."""
        self.step()
        said = RECORD.decode_tree(self.peers.published[-1]).items()
        return {key: value for key, value in said if key != "seen" and not key.startswith("number/")}

    def numbers(self) -> dict[str, dict[MemberName, int]]:
        """The numbers of exports that our record says, by service, two passes on."""
        self.step()
        self.step()
        said = RECORD.decode_tree(self.peers.published[-1]).values()
        return {str(value.service): dict(value.numbers) for value in said if isinstance(value, Numbers)}

    def local(self, *addresses: str, unready: tuple[str, ...] = ()) -> None:
        self.cluster.put(service())
        self.cluster.put(everyone())
        self.cluster.put(export())
        self.cluster.put(endpoint_slice(addresses, unready))
