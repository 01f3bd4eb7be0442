"""us-east's rotation over a real signer, with the ledger, peers and agents in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import structs

from federation.adapters.memory import MemoryStore
from federation.lkg.disk import Disk
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.model.record import Seen
from federation.model.report import NodeReport
from federation.model.spiffe import controller_id
from federation.ports import AgentState, PeerState
from federation.registrar.rotate import rotated
from federation.session.tree import Tree
from federation.trust.anchor import key_id
from federation.trust.own_leaf import OwnLeaf
from federation.trust.rotating import Rotating, Surroundings, Told
from tests.worlds.acme import Acme
from tests.worlds.signer import DOMAIN, open_slots, serving, slots_of

US, EU = MemberName("us-east"), MemberName("eu-central")


class Scene:
    """us-east with one node and the peer eu-central. What is on disk outlives `start`."""

    def __init__(self, path: Path) -> None:
        acme = Acme()
        keys = acme.keys[US]
        slots_of(path, (keys.anchor_key, keys.anchor))
        self.path, self.ledger = path, acme.ledger
        self.store = MemoryStore()
        self.seen = self.force = self.ledger.mark
        self.issuers: tuple[str, ...] = (key_id(keys.anchor),)
        self.nodes, self.shared = ["n1"], False
        self.programs: Callable[[], Iterable[str]] | None = None
        self.problems: tuple[str, ...] = ()
        self.told: list[Told] = []
        self.leaf = OwnLeaf(controller_id(DOMAIN), path / "leaf.json", path / "s.sock", Disk())

    def states(self) -> dict[MemberName, PeerState]:
        view = {"seen": Seen(self.seen, ("gw9",))}
        return {EU: PeerState(view=view, head=None, connected=False, age=None, refusals=())}

    def publish(self, *what: object) -> None:
        raise AssertionError("nothing is published here")

    @property
    def own(self) -> Member:
        return self.ledger.members[US]

    def start(self) -> Rotating:
        agents = Agents(self)
        around = Surroundings(
            own=US,
            ledger=self,
            peers=self,
            agents=agents,
            programs=self.programs or (lambda: self.nodes),
            store=self.store,
            signer=self.path / "s.sock",
            leaf=self.leaf,
            shared=self.shared,
        )
        rotating = Rotating(around, self.told.append)
        self.told.append(rotating.told)
        return rotating

    @property
    def last(self) -> Told:
        return self.told[-1]

    def grant(self) -> None:
        """What a registrar does with our wish."""
        if self.last.wish is not None:
            member = rotated(self.ledger, US, self.last.wish, datetime.now(UTC))
            members = self.ledger.members | {US: member}
            self.ledger = structs.replace(self.ledger, members=members, index=self.ledger.index + 1)

    def arrive(self) -> None:
        """Everybody hears of everything, and our node renews as it is told to."""
        self.seen = self.force = self.ledger.mark
        self.issuers = (self.last.issuer,)


class Agents:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def states(self) -> dict[str, AgentState]:
        report = NodeReport(node="n1", role="node", ledger=self._scene.force, issuers=self._scene.issuers)
        return {"n1": AgentState(connected=True, wanted=b"", node=report, links=(), refused="")}

    def publish(self, name: str, tree: Tree, head: bytes) -> None:
        raise AssertionError("nothing is published here")

    def forget(self, name: str) -> None:
        raise AssertionError("nobody is forgotten here")


def running(scene: Scene, act: Callable[[Rotating], Awaitable[None]]) -> None:
    """Run this with a signer that starts from what is on disk."""

    async def main() -> None:
        async with serving(open_slots(scene.path), scene.path / "s.sock"):
            await scene.leaf.ready()
            await act(scene.start())

    asyncio.run(main())


def phase(scene: Scene) -> str:
    return str(scene.last.status["phase"])


def waits(scene: Scene) -> list[dict[str, str]]:
    return list(scene.last.status.get("waits", ()))


async def advance(scene: Scene, rotating: Rotating) -> None:
    """One round of everything outside, then one pass."""
    scene.grant()
    scene.arrive()
    await rotating.once()


async def until(scene: Scene, rotating: Rotating, wanted: str) -> None:
    for _ in range(10):
        if phase(scene) == wanted:
            return
        await advance(scene, rotating)
    raise AssertionError(f"{wanted} was not reached: {scene.last.status}")
