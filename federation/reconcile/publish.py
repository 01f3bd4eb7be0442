"""What leaves the process: our record to peers, handouts to our programs, each under a number that is durable first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from federation.config import Enrolment
from federation.model.handout import Here, Role
from federation.model.names import MemberName
from federation.ports import Agents, Clock, Peers, RecordSigner, Store
from federation.session.tree import Tree
from federation.wire.handout import HandoutHead
from federation.wire.keyed import encode

REVISION = "revision"


@dataclass(frozen=True)
class Due:
    """What is to be published: our record, or (`agent` is its name) a program's handout."""

    agent: str
    tree: Tree
    head: bytes


@dataclass(frozen=True)
class Batch:
    """What is due; and what every program has been looked at for once it is sent: each role's root, the enrolments."""

    due: tuple[Due, ...]
    roots: Mapping[Role, bytes]
    enrolments: Mapping[str, Enrolment]


@dataclass
class Publications:
    """Finds what differs from what was published last. Between `batch` and `send` the store must be flushed."""

    member: MemberName
    peers: Peers
    agents: Agents
    record: RecordSigner
    store: Store
    clock: Clock

    def __post_init__(self) -> None:
        self.revision = int(self.store.get(REVISION) or b"0")
        self._roots: dict[str, bytes] = {}
        self._sent = Batch((), {}, {})

    @property
    def started(self) -> bool:
        """True when this process has published anything."""
        return bool(self._roots)

    def batch(
        self,
        record: Tree,
        roles: Mapping[Role, Tree],
        enrolments: Mapping[str, Enrolment],
        here: Callable[[Enrolment], Here],
    ) -> Batch:
        """What must be published now; its numbers are written to the store. Unavailable when the store fails. Nobody is
        looked at whose role is given the same as before. `here` says where each stands.
        """
        due = []
        if self._roots.get("") != record.root:
            due.append(Due("", record, self.record.head(record)))
        moved = {role for role, tree in roles.items() if self._sent.roots.get(role) != tree.root}
        before = self._sent.enrolments
        looked_at: list[Enrolment] = []
        if moved or enrolments is not before:
            looked_at = [e for name, e in enrolments.items() if e.role in moved or before.get(name) is not e]
        wanted = {one.name: _handout(roles[one.role], one, here(one)) for one in looked_at}
        changed = {name: tree for name, tree in wanted.items() if self._roots.get(name) != tree.root}
        if changed:
            self.revision += 1
            self.store.put(REVISION, str(self.revision).encode())
            head = encode(HandoutHead(self.member, self.revision, int(self.clock.wall())))
            due += [Due(name, tree, head) for name, tree in changed.items()]
        return Batch(tuple(due), {role: tree.root for role, tree in roles.items()}, enrolments)

    def send(self, batch: Batch) -> None:
        """Publish what is due."""
        for one in batch.due:
            if one.agent:
                self.agents.publish(one.agent, one.tree, one.head)
            else:
                self.peers.publish(one.tree, one.head)
            self._roots[one.agent] = one.tree.root
        self._sent = batch

    def forget(self, agent: str) -> None:
        """This program is no longer enrolled."""
        self.agents.forget(agent)
        self._roots.pop(agent, None)


def _handout(tree: Tree, enrolment: Enrolment, here: Here) -> Tree:
    own = {f"workload/{w.namespace}/{w.account}": encode(w) for w in enrolment.workloads}
    return tree.apply(own | ({"here": encode(here)} if here != Here() else {}))
