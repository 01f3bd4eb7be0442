"""An agent says that it trusts what the ledger says when Envoy holds it and it is on disk, and not before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from envoy.service.discovery.v3 import discovery_pb2
from msgspec import Struct, structs

from federation.link.leaf import Leaf, issuer_of
from federation.model.spiffe import SpiffeId
from gateways.xds.messages import SDS
from tests.unit.gateways.test_daemon import MemoryEnvoy, Scene, play, until
from tests.unit.gateways.test_intent import CLIENT, EU, EU_PEER, NODE, US
from tests.worlds.two_members import MemberKeys, candidate, keyed, real, site, web_import


class SlowEnvoy(MemoryEnvoy):
    """Asks for every secret and acknowledges them while `trusts` is set."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.path)
        self.trusts = asyncio.Event()
        self.offered = 0

    async def run(self) -> None:
        await self._call.write(discovery_pb2.DeltaDiscoveryRequest(type_url=SDS))
        await super().run()

    async def _answer(self, response: discovery_pb2.DeltaDiscoveryResponse) -> None:
        if response.type_url == SDS:
            self.offered += 1
            await self.trusts.wait()
        await super()._answer(response)


@asynccontextmanager
async def slow(scene: Scene) -> AsyncIterator[SlowEnvoy]:
    await until(scene.path.exists)
    envoy = SlowEnvoy(scene)
    task = asyncio.create_task(envoy.run())
    try:
        yield envoy
    finally:
        task.cancel()
        await envoy.close()


def values(ledger: int, anchor: str) -> dict[str, Struct]:
    ours = structs.replace(site(US), ledger=ledger, anchor=anchor)
    return keyed(ours, EU_PEER, web_import(candidate(EU, 1, 1)), CLIENT)


def test_a_ledger_is_reported_when_envoy_holds_its_anchors_and_the_disk_the_handout() -> None:
    async def act(scene: Scene) -> None:
        scene.feed.kept, scene.feed.issuer = 5, "own"
        async with slow(scene) as envoy:
            await until(lambda: envoy.offered == 1)
            assert (scene.feed.node.ledger, scene.feed.node.issuers) == (0, ("own",))
            envoy.trusts.set()
            await until(lambda: scene.feed.node.ledger == 5)
            envoy.trusts.clear()
            scene.feed.kept = 6
            scene.feed.hand_out(values(6, US.anchor + EU.anchor))
            await until(lambda: envoy.offered == 2)
            scene.feed.changed.set()
            await until(lambda: not scene.feed.changed.is_set())
            assert scene.feed.node.ledger == 5
            envoy.trusts.set()
            await until(lambda: scene.feed.node.ledger == 6)
            scene.feed.hand_out(values(7, US.anchor))
            await until(lambda: envoy.offered == 3)
            await until(lambda: scene.feed.tree.root == scene.feed.node.reached)
            assert scene.feed.node.ledger == 6, "the disk has not the handout yet"

    play(NODE, values(5, US.anchor), act)


def test_the_issuers_are_those_of_the_leaves_that_envoy_holds() -> None:
    old, new = real("us-east"), real("us-east")

    async def act(scene: Scene) -> None:
        held: list[MemberKeys] = [old]

        async def svid(identity: SpiffeId) -> Leaf:
            return held[0].leaf(identity)

        scene.feed.svid = svid  # type: ignore[method-assign]
        scene.feed.issuer = issuer_of(new.leaf(US.identity("isthmus", "agent-n1")).chain)
        first = issuer_of(old.leaf(old.identity("shop", "client")).chain)
        async with slow(scene) as envoy:
            envoy.trusts.set()
            both = tuple(sorted({first, scene.feed.issuer}))
            await until(lambda: scene.feed.said and scene.feed.node.issuers == both)
            envoy.trusts.clear()
            held[0] = new
            scene.feed.svid_changed.set()
            await until(lambda: envoy.offered == 2)
            assert first in scene.feed.node.issuers, "Envoy still shows the old one"
            envoy.trusts.set()
            await until(lambda: scene.feed.node.issuers == (scene.feed.issuer,))

    play(NODE, values(1, US.anchor), act)
