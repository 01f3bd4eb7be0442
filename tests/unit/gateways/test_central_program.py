"""The program of the role xds over real TLS: who is served, what with, and what it says of itself."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from msgspec import Struct, structs

from federation.link.enrolled import Enrolled
from federation.link.leaf import Leaf
from federation.link.tls import client_context
from federation.model.confine import Callee, Confined
from federation.model.errors import InputError
from federation.model.record import Endpoint
from federation.model.report import NodeReport
from federation.model.spiffe import SpiffeId, account, agent_id, gateway_id, xds_id
from gateways import central
from gateways.central import Central
from gateways.render.envoy.resources import Groups
from gateways.xds.central import NO_OVERPROVISIONING
from gateways.xds.encode import Encoded, Encoder
from gateways.xds.hub import Delta, Hub
from gateways.xds.messages import CDS, LDS, SDS
from gateways.xds.wire import Bodies
from tests.unit.gateways.test_daemon import until
from tests.unit.gateways.test_workload_api import EU, US, IssuingFeed
from tests.worlds.two_members import candidate, keyed, peer, real, site, web_import, web_pool
from tests.worlds.xds_client import Ended, Line, dial

WEB, DB = US.identity("shop", "web"), US.identity("shop", "db")
VALUES = keyed(site(US), peer(EU, "192.0.2.2:51820"), web_import(candidate(EU, 1, 1)))


class XdsFeed(IssuingFeed):
    """The feed of a program with the role xds."""

    def __init__(self, values: dict[str, Struct]) -> None:
        super().__init__(values)
        self.enrolled = Enrolled(
            node="x1", role="xds", member="us-east", domain="acme.mesh", controllers=(), anchor=US.anchor
        )


class Player:
    """One stream of a client."""

    def __init__(self, line: Line, said: asyncio.Queue[bytes]) -> None:
        self.line = line
        self._said = said

    def ask(self, type_url: str, node: str, *features: str) -> None:
        message = discovery_pb2.DeltaDiscoveryRequest(type_url=type_url)
        message.node.id = node
        message.node.client_features.extend(features)
        self.line.send(message.SerializeToString())

    async def names(self) -> list[str]:
        async with asyncio.timeout(10):
            response = discovery_pb2.DeltaDiscoveryResponse.FromString(await self._said.get())
        answer = discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        self.line.send(answer.SerializeToString())
        return [*(one.name for one in response.resources), *(f"-{name}" for name in response.removed_resources)]

    async def end(self) -> Ended:
        async with asyncio.timeout(10):
            return await self.line.ended


class Scene:
    def __init__(self, values: dict[str, Struct]) -> None:
        self.feed = XdsFeed(values)
        self.program = Central(self.feed, "127.0.0.1:0")
        self.server = self.program.server

    @asynccontextmanager
    async def client(self, leaf: Leaf) -> AsyncIterator[Player]:
        said: asyncio.Queue[bytes] = asyncio.Queue()
        context: ssl.SSLContext = client_context(leaf, US.anchor)
        line = await dial(Delta.method, said.put_nowait, ("127.0.0.1", self.server.port), context)
        try:
            yield Player(line, said)
        finally:
            line.close()

    @property
    def report(self) -> NodeReport:
        return self.feed.node


def play(act: Callable[[Scene], Awaitable[None]], values: dict[str, Struct] = VALUES) -> None:
    async def main() -> None:
        scene = Scene(values)
        running = asyncio.create_task(scene.program.run())
        try:
            await until(lambda: running.done() or scene.server.port)
            await act(scene)
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(main())


def test_workloads_share_one_view() -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(US.leaf(WEB)) as one, scene.client(US.leaf(DB)) as two:
            one.ask(CDS, str(WEB))
            two.ask(CDS, str(DB))
            assert await one.names() == await two.names() == ["out/shop/web/http/bearer"]
            assert scene.server.wanted == {"sidecar"}

    play(act)


def test_who_comes_after_everybody_left_is_served_too() -> None:
    async def act(scene: Scene) -> None:
        for _ in range(5):
            async with scene.client(US.leaf(WEB)) as player:
                player.ask(LDS, str(WEB))
                assert await player.names() == ["out/shop/web/http"]

    play(act)


def test_before_a_handout_a_client_waits_and_then_gets_it() -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(US.leaf(WEB)) as player:
            player.ask(CDS, str(WEB))
            await until(lambda: scene.server.waiting == {"sidecar"})
            assert scene.report.problems == ("E190 no handout yet",)
            scene.feed.hand_out(VALUES)
            assert await player.names() == ["out/shop/web/http/bearer"]

    play(act, {})


def test_a_handout_that_is_gone_takes_nothing_down() -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(US.leaf(WEB)) as player:
            player.ask(CDS, str(WEB))
            await player.names()
            scene.feed.hand_out({})
            await until(lambda: scene.report.problems)
        async with scene.client(US.leaf(WEB)) as later:
            later.ask(CDS, str(WEB))
            assert await later.names() == ["out/shop/web/http/bearer"]
            scene.feed.hand_out({key: value for key, value in VALUES.items() if key != "import/shop/web"})
            assert await later.names() == ["-out/shop/web/http/bearer"]

    play(act)


def test_who_comes_while_a_change_is_encoded_gets_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        feed = XdsFeed(VALUES)
        program = Central(feed, "127.0.0.1:0")
        await program.once()
        hub = Hub(Bodies(), program.server.changed)

        async def meanwhile(encoder: Encoder, groups: Groups) -> Encoded:
            program.server._hubs["sidecar"] = hub
            return encoder.encode(groups)

        monkeypatch.setattr(central, "encoded", meanwhile)
        feed.hand_out({**VALUES, "import/shop/web": web_import(candidate(EU, 1, 1), app_protocol="")})
        await program.once()
        assert set(hub._shelf.of(SDS)) == {"anchor/us-east", "anchor/eu-central"}

    asyncio.run(main())


ALIEN = "is no workload of this member; the central xDS port is for those alone"


@pytest.mark.parametrize(
    ("identity", "node", "features", "text"),
    [
        (agent_id(US.domain, "n1"), "", (), f"E105 {agent_id(US.domain, 'n1')} {ALIEN}"),
        (gateway_id(US.domain), "", (), f"E105 {gateway_id(US.domain)} {ALIEN}"),
        (
            WEB,
            str(DB),
            (),
            f"E105 node id '{DB}' is not the SPIFFE ID of the certificate; set it to {WEB}",
        ),
        (
            WEB,
            "",
            (NO_OVERPROVISIONING,),
            f"E102 {WEB}: gRPC programs are served on grpc-xds.sock of their node; connect there",
        ),
    ],
)
def test_who_is_refused_is_told_so_in_one_line(
    identity: SpiffeId, node: str, features: tuple[str, ...], text: str
) -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(US.leaf(identity)) as player:
            player.ask(CDS, node or str(identity), *features)
            ended = await player.end()
            assert (ended.code, ended.text) == (7, text)

    play(act)


def test_another_members_workload_does_not_get_through_the_handshake() -> None:
    async def act(scene: Scene) -> None:
        foreign = account(EU.domain, "shop", "web")
        with pytest.raises((ConnectionError, ssl.SSLError, AssertionError)):
            async with scene.client(EU.leaf(foreign)) as player:
                player.ask(CDS, str(foreign))
                assert (await player.end()).code != -1

    play(act)


def test_the_port_shows_its_own_identity_and_a_new_leaf_without_a_restart() -> None:
    async def act(scene: Scene) -> None:
        own = xds_id(US.domain)
        async with scene.client(US.leaf(WEB)):
            first = scene.program._credentials()[0]
            scene.feed.rotate(own)
            await until(lambda: scene.program._credentials()[0] is scene.feed.leaves[own] is not first)
            async with scene.client(US.leaf(WEB)) as player:
                found = player.line._transport.get_extra_info("ssl_object").getpeercert(True)
                assert found == ssl.PEM_cert_to_DER_cert(scene.feed.leaves[own].chain)

    play(act)


def test_it_reports_what_is_in_force() -> None:
    async def act(scene: Scene) -> None:
        await until(lambda: scene.report.reached == scene.feed.tree.root)
        assert (scene.report.role, scene.report.problems) == ("xds", ())
        wrong = structs.replace(peer(real("ap-south"), "192.0.2.9:51820"), overlay=EU.overlay)
        scene.feed.hand_out({**VALUES, "peer/ap-south": wrong})
        await until(lambda: scene.report.problems)
        assert scene.report.reached != scene.feed.tree.root

    play(act)


def test_without_a_certificate_it_says_so_and_does_not_listen() -> None:
    async def main() -> None:
        scene = Scene(VALUES)
        scene.feed.issuing = False
        running = asyncio.create_task(scene.program.run())
        await until(lambda: scene.feed.said and scene.report.problems)
        assert scene.report.problems == (f"E190 no controller to issue {xds_id(US.domain)}",)
        assert not scene.server.port
        scene.feed.issue()
        await until(lambda: scene.server.port)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())


def test_an_address_that_is_not_ours_ends_it_with_one_line() -> None:
    async def main() -> None:
        with pytest.raises(InputError) as caught:
            await Central(XdsFeed(VALUES), "192.0.2.1:7445").run()
        text = 'E122 --xds-listen "192.0.2.1:7445": cannot be bound; choose another address or port'
        assert str(caught.value) == text

    asyncio.run(main())


CART = US.identity("shop", "cart")
KEPT = Confined(namespace="shop", name="kept", accounts=("cart",), services=(Callee("pay"),))
HOME = web_pool(Endpoint("10.1.1.1"))
BOTH = keyed(site(US), peer(EU, "192.0.2.2:51820"), web_import(candidate(US, 1, 1, cost=0), candidate(EU, 1, 1)), HOME)


def test_whoever_an_egress_policy_keeps_has_own_endpoints_alone_from_the_moment_it_is_there() -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(US.leaf(WEB)) as other, scene.client(US.leaf(CART)) as cart:
            for player, identity in ((other, WEB), (cart, CART)):
                player.ask(CDS, str(identity))
                assert await player.names() == ["out/shop/web/http/bearer"]
            scene.feed.hand_out({**BOTH, "confined/shop/kept": KEPT})
            text = f"E190 {CART}: what you are to see is another now; connect again"
            ended = await cart.end()
            assert (ended.code, ended.text) == (14, text)
            async with scene.client(US.leaf(CART)) as again:
                again.ask(CDS, str(CART))
                assert await again.names() == ["out/shop/web/http/local"]
                assert scene.server.wanted == {"sidecar", "shop/kept"}
                scene.feed.hand_out({**BOTH, "confined/shop/kept": structs.replace(KEPT, services=(Callee("shop"),))})
                found = {*await again.names(), *await again.names()}
                assert found == {"-out/shop/web/http/local", "out/shop/web/http/bearer"}
                scene.feed.hand_out(BOTH)
                assert (await again.end()).text == text
            scene.feed.hand_out({key: value for key, value in BOTH.items() if key != "import/shop/web"})
            assert await other.names() == ["-out/shop/web/http/bearer"]

    play(act, BOTH)
