"""The loop with a feed, a kernel and an Envoy in memory; the xDS socket is real."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.rpc import status_pb2
from msgspec import Struct

from federation.link.enrolled import Enrolled
from federation.link.leaf import Leaf
from federation.lkg.disk import Disk
from federation.model.errors import InputError, Unavailable
from federation.model.handout import Role
from federation.model.moves import Orders
from federation.model.record import Endpoint
from federation.model.report import EnvoyRefusal, LinkReport, NodeReport
from federation.model.spiffe import SpiffeId
from federation.model.tokens import ServiceAccount
from federation.session.tree import Tree, tree_of
from federation.wire.handout import HandoutHead
from federation.wire.keyed import encode
from gateways.control import tell
from gateways.daemon import Agent
from gateways.kernel.memory import Twin
from gateways.state import Situation
from gateways.xds.hub import SERVICE
from gateways.xds.messages import CDS, EDS, LDS, SDS
from tests.unit.gateways.test_intent import CLIENT, EU, EU_PEER, GATEWAY, NODE, US
from tests.worlds.two_members import WEB, candidate, keyed, site, web_import, web_offer, web_pool

NODE_VALUES = keyed(site(US), EU_PEER, web_import(candidate(EU, 1, 1)), CLIENT)
GATEWAY_VALUES = keyed(site(US), EU_PEER, web_offer(), web_pool(Endpoint("10.1.1.1")))


class MemoryFeed:
    """A feed that a test fills."""

    def __init__(self, role: Role, values: dict[str, Struct]) -> None:
        self.enrolled = Enrolled(
            node="n1", role=role, member="us-east", domain="acme.mesh", controllers=(), anchor=US.anchor
        )
        self.changed, self.svid_changed = asyncio.Event(), asyncio.Event()
        self.connected, self.kept, self.issuer = True, 0, ""
        self.disk = Disk()
        self.head: HandoutHead | None = None
        self.tree, self.values = Tree(), values
        self.issuing = True
        self.said: dict[str, Struct] = {}
        self.hand_out(values)

    def hand_out(self, values: dict[str, Struct]) -> None:
        self.values = values
        self.tree = tree_of({key: encode(value) for key, value in values.items()})
        self.changed.set()

    def report(self, values: dict[str, Struct]) -> None:
        self.said = values

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def svid(self, identity: SpiffeId) -> Leaf:
        if not self.issuing:
            raise Unavailable(f"no controller to issue {identity}")
        return Leaf(id=str(identity), key="key", chain="chain", not_before=0, not_after=2**40)

    async def token(self, identity: SpiffeId, audiences: tuple[str, ...]) -> str:
        raise Unavailable(f"no controller to issue {identity}")

    def forget(self, identity: SpiffeId) -> None:
        return None

    async def attest(self, token: str) -> ServiceAccount:
        raise Unavailable("no controller to ask for a service account token")

    @property
    def node(self) -> NodeReport:
        report = self.said["node"]
        assert isinstance(report, NodeReport)
        return report


class MemoryEnvoy:
    """Acknowledges everything on one stream; `refuse` names a resource that it does not take."""

    def __init__(self, path: Path, refuse: str = "") -> None:
        self.held: dict[str, set[str]] = {CDS: set(), EDS: set(), LDS: set(), SDS: set()}
        self._channel = grpc.aio.insecure_channel(f"unix:{path}")
        self._refuse = refuse
        method = self._channel.stream_stream(
            f"/{SERVICE}/DeltaAggregatedResources",
            request_serializer=discovery_pb2.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=discovery_pb2.DeltaDiscoveryResponse.FromString,
        )
        self._call = method()

    async def run(self) -> None:
        for kind in (CDS, LDS):
            await self._call.write(discovery_pb2.DeltaDiscoveryRequest(type_url=kind))
        async for response in self._call:
            await self._answer(response)

    async def _answer(self, response: discovery_pb2.DeltaDiscoveryResponse) -> None:
        names = [resource.name for resource in response.resources]
        answer = discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        if self._refuse in names:
            answer.error_detail.CopyFrom(status_pb2.Status(code=13, message=f"{self._refuse}: not so"))
        self.held[response.type_url] |= set(names) - {self._refuse}
        self.held[response.type_url] -= set(response.removed_resources)
        await self._call.write(answer)
        if response.type_url == CDS and names:
            subscribe = discovery_pb2.DeltaDiscoveryRequest(type_url=EDS, resource_names_subscribe=names)
            await self._call.write(subscribe)

    async def close(self) -> None:
        await self._channel.close()


class Scene:
    """A running agent."""

    def __init__(self, situation: Situation, values: dict[str, Struct], control: bool) -> None:
        self.feed = MemoryFeed(situation.role, values)
        self.twin = Twin()
        self.path = Path(tempfile.mkdtemp(prefix="ist-")) / "xds.sock"
        folder = self.path.parent if control else None
        self.agent = Agent(
            self.feed, situation, self.twin.kernel, self.path, ("192.0.2.1:51820",), control_folder=folder
        )

    @asynccontextmanager
    async def envoy(self, refuse: str = "") -> AsyncIterator[MemoryEnvoy]:
        await until(self.path.exists)
        envoy = MemoryEnvoy(self.path, refuse)
        task = asyncio.create_task(envoy.run())
        try:
            yield envoy
        finally:
            task.cancel()
            await envoy.close()


async def until(condition: Callable[[], object]) -> None:
    """Poll the condition for at most 10 s."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited is a state, not an event
            await asyncio.sleep(0.005)


def play(
    situation: Situation,
    values: dict[str, Struct],
    act: Callable[[Scene], Awaitable[None]],
    control: bool = False,
) -> None:
    """Run an agent while `act` lasts."""

    async def main() -> None:
        scene = Scene(situation, values, control)
        task = asyncio.create_task(scene.agent.run())
        try:
            await act(scene)
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert not scene.path.exists()
        (scene.path.parent / "moves.json").unlink(missing_ok=True)
        scene.path.parent.rmdir()

    asyncio.run(main())


def test_reached_needs_kernel_and_envoy() -> None:
    async def act(scene: Scene) -> None:
        await until(lambda: scene.feed.said)
        assert scene.feed.node.reached == b""
        assert "E190 no Envoy is connected to this agent" in scene.feed.node.problems
        async with scene.envoy() as envoy:
            await until(lambda: scene.feed.node.reached == scene.feed.tree.root)
            assert scene.feed.node.problems == ()
            assert envoy.held[LDS] == {"out/shop/web/http"}

    play(NODE, NODE_VALUES, act)


def test_a_refusal_keeps_the_former_root_as_reached_and_is_told() -> None:
    async def act(scene: Scene) -> None:
        async with scene.envoy("out/shop/web/http"):
            await until(
                lambda: any("not so" in line for line in scene.feed.node.problems) if scene.feed.said else False
            )
            assert scene.feed.node.reached == b""

    play(NODE, NODE_VALUES, act)


def test_a_kernel_that_fails_is_told_and_tried_again() -> None:
    async def act(scene: Scene) -> None:
        scene.twin.ledger.fail = 3
        async with scene.envoy():
            await until(lambda: scene.feed.said and scene.feed.node.reached == scene.feed.tree.root)
        assert scene.twin.filter.tables and scene.twin.routes.links

    play(GATEWAY, GATEWAY_VALUES, act)


def test_a_gateway_says_its_key_its_endpoint_and_its_links() -> None:
    async def act(scene: Scene) -> None:
        await until(lambda: "link/eu-central/1" in scene.feed.said)
        node, link = scene.feed.node, scene.feed.said["link/eu-central/1"]
        assert (node.wireguard_key, node.gateway_endpoint, node.gateway_port) == (
            US.public_key,
            "192.0.2.1:51820",
            15443,
        )
        assert isinstance(link, LinkReport) and link.handshake_age == -1

    play(GATEWAY, GATEWAY_VALUES, act)


def test_before_a_handout_nothing_is_touched_and_an_envoy_waits() -> None:
    async def act(scene: Scene) -> None:
        async with scene.envoy() as envoy:
            await until(lambda: scene.feed.said)
            assert scene.feed.node.problems[0] == "E190 no handout yet"
            assert scene.twin.ledger.commands == [] and envoy.held[CDS] == set()
            scene.feed.hand_out(GATEWAY_VALUES)
            await until(lambda: scene.feed.node.reached == scene.feed.tree.root)
            assert envoy.held[CDS] == {"in/shop/web/http"}

    play(GATEWAY, {}, act)


def test_a_missing_certificate_is_told_and_taken_when_it_comes() -> None:
    async def act(scene: Scene) -> None:
        scene.feed.issuing = False
        async with scene.envoy() as envoy:
            await until(lambda: scene.feed.said and "no controller to issue" in str(scene.feed.node.problems))
            scene.feed.issuing = True
            await until(lambda: scene.feed.node.reached == scene.feed.tree.root)
            assert envoy.held[LDS] == {"gateway"}

    play(GATEWAY, GATEWAY_VALUES, act)


def test_the_next_handout_takes_away_what_it_no_longer_has() -> None:
    async def act(scene: Scene) -> None:
        async with scene.envoy() as envoy:
            await until(lambda: scene.feed.said and scene.feed.node.reached == scene.feed.tree.root)
            scene.feed.hand_out(keyed(site(US), EU_PEER, CLIENT))
            await until(lambda: scene.feed.node.reached == scene.feed.tree.root)
            assert envoy.held[LDS] == set() and envoy.held[CDS] == set()
            assert all(chain.rules == () for chain in scene.twin.filter.tables["isthmus_node"].chains)

    play(NODE, NODE_VALUES, act)


def test_what_envoy_refuses_of_a_service_is_reported_under_its_name() -> None:
    async def act(scene: Scene) -> None:
        async with scene.envoy(refuse="out/shop/web/http"):
            await until(lambda: "refused/shop/web" in scene.feed.said)
            text = "Listener out/shop/web/http: out/shop/web/http: not so"
            assert scene.feed.said["refused/shop/web"] == EnvoyRefusal(WEB, text)
            assert f"E190 envoy refuses {text}" in scene.feed.node.problems
            scene.feed.hand_out(keyed(site(US), EU_PEER, CLIENT))
            await until(lambda: "refused/shop/web" not in scene.feed.said)

    play(NODE, NODE_VALUES, act)


def test_a_drain_on_its_own_socket_moves_shares_is_reported_and_ends_with_a_decision() -> None:
    both = web_import(candidate(US, 1, 1), candidate(EU, 1, 1))
    values = keyed(site(US), EU_PEER, both, web_pool(Endpoint("10.1.1.1")), CLIENT)

    def shares(scene: Scene) -> dict[str, int]:
        state = scene.agent._planner.state.services.get(both.service)
        found = [one for cluster in state.clusters if cluster.identity for one in cluster.localities] if state else []
        return {one.member: one.weight for one in found}

    async def act(scene: Scene) -> None:
        await until(lambda: shares(scene) == {"us-east": 1_000_000, "eu-central": 0})
        command = {"do": "drain", "member": "us-east", "manner": {"reason": "dead"}}
        await asyncio.to_thread(tell, scene.path.parent, command)
        await until(lambda: shares(scene) == {"us-east": 0, "eu-central": 1_000_000})
        await until(lambda: scene.feed.node.drains["us-east"].reason == "dead")
        with pytest.raises(InputError, match="E102 member"):
            await asyncio.to_thread(tell, scene.path.parent, {"do": "undrain", "member": "eu-central"})
        with pytest.raises(InputError, match="E125 the question cannot be read"):
            await asyncio.to_thread(tell, scene.path.parent, {"do": "explode"})
        scene.feed.hand_out(values | {"orders": Orders({"us-east": 1})})
        await until(lambda: scene.feed.node.drains == {})
        assert (scene.path.parent / "control.sock").stat().st_mode & 0o777 == 0o600

    play(NODE, values, act, control=True)
