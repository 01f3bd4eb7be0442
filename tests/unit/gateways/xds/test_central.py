"""The central port over real TLS: who gets in, who sees what, and what ends a stream."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from federation.link.leaf import Leaf
from federation.link.tls import client_context
from federation.model.errors import InputError, Refused
from federation.model.spiffe import SpiffeId, account, gateway_id
from gateways.xds import central
from gateways.xds.admission import Limits
from gateways.xds.central import CentralServer, Kind, kind_of
from gateways.xds.hub import Delta, World
from gateways.xds.messages import CDS, EDS
from tests.unit.gateways.xds.played import resource, snapshot
from tests.worlds.attacks import EAST, WEST, Anchor, constrained, leaf, uri
from tests.worlds.xds_client import Ended, Line, dial

WEB, DB = account(EAST, "shop", "web"), account(EAST, "shop", "db")
EASTERN, WESTERN, RENEWED = constrained(EAST), constrained(WEST), constrained(EAST)


def show(anchor: Anchor, *names: str) -> Leaf:
    pair = leaf(anchor, *(uri(name) for name in names))
    return Leaf(id=names[0], key=pair.key, chain=pair.chain, not_before=0, not_after=1)


SERVER = show(EASTERN, str(gateway_id(EAST)))


def by_identity(identity: SpiffeId, kind: Kind) -> str:
    """Programs of gRPC share one view; each Envoy has its identity's; the account `nobody` sees nothing."""
    if identity.segments[-1] == "nobody":
        raise Refused(f"{identity} may see nothing", "E105")
    return "grpc" if kind == "grpc" else str(identity)


class Player:
    """One stream: what was said, and its end."""

    def __init__(self, line: Line, said: asyncio.Queue[bytes], variant: type[Delta] | type[World]) -> None:
        self.line = line
        self._said = said
        self._variant = variant

    def ask(self, type_url: str, node: str = "", features: tuple[str, ...] = (), **fields: object) -> None:
        message = self._variant.message(type_url=type_url, **fields)
        if node or features:
            message.node.id = node
            message.node.client_features.extend(features)
        self.line.send(message.SerializeToString())

    async def hear(self) -> discovery_pb2.DeltaDiscoveryResponse:
        kind = discovery_pb2.DeltaDiscoveryResponse if self._variant is Delta else discovery_pb2.DiscoveryResponse
        async with asyncio.timeout(10):
            return kind.FromString(await self._said.get())

    async def end(self) -> Ended:
        async with asyncio.timeout(10):
            return await self.line.ended


class Scene:
    def __init__(self, limits: Limits | None = None) -> None:
        self.shown = (SERVER, EASTERN.pem)
        self.server = CentralServer(lambda: self.shown, by_identity, limits)

    @asynccontextmanager
    async def client(
        self, shown: Leaf, variant: type[Delta] | type[World] = Delta, anchors: str = EASTERN.pem
    ) -> AsyncIterator[Player]:
        said: asyncio.Queue[bytes] = asyncio.Queue()
        context: ssl.SSLContext = client_context(shown, anchors)
        line = await dial(variant.method, said.put_nowait, ("127.0.0.1", self.server.port), context)
        try:
            yield Player(line, said, variant)
        finally:
            line.close()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is awaited is a state, not an event
                await asyncio.sleep(0.005)


def play(act: Callable[[Scene], Awaitable[None]], limits: Limits | None = None) -> None:
    async def main() -> None:
        scene = Scene(limits)
        await scene.server.start("127.0.0.1:0")
        try:
            await act(scene)
            await scene.until(lambda: not scene.server.streams)
            assert scene.server.wanted == frozenset()
        finally:
            await scene.server.stop()

    asyncio.run(main())


@pytest.mark.parametrize("variant", [Delta, World])
def test_a_client_is_served_the_view_of_its_identity(variant: type[Delta] | type[World]) -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(show(EASTERN, str(WEB)), variant) as player:
            player.ask(CDS, str(WEB))
            await scene.until(lambda: scene.server.wanted == {str(WEB)})
            scene.server.offer(str(DB), snapshot(names="x"))
            scene.server.offer(str(WEB), snapshot(names="ab"))
            response = await player.hear()
            assert response.type_url == CDS and len(response.resources) == 2
            player.ask(CDS, response_nonce=response.nonce)
            changed = {**snapshot(names="ab"), EDS: {}}
            scene.server.offer(str(WEB), {**changed, CDS: {"a": resource("a", "2")}}, {(CDS, "a")})
            assert (await player.hear()).type_url == CDS

    play(act)


def test_clients_of_equal_views_share_one() -> None:
    async def act(scene: Scene) -> None:
        feature = (central.NO_OVERPROVISIONING,)
        async with scene.client(show(EASTERN, str(WEB))) as one, scene.client(show(EASTERN, str(DB))) as two:
            one.ask(CDS, str(WEB), feature)
            two.ask(CDS, str(DB), feature)
            await scene.until(lambda: scene.server.streams == 2 and scene.server.wanted == {"grpc"})
            scene.server.offer("grpc", snapshot())
            for player in (one, two):
                response = await player.hear()
                player.ask(CDS, response_nonce=response.nonce, error_detail={"code": 3, "message": "a: bad"})
            await scene.until(scene.server.problems)
            assert scene.server.problems() == ("E190 envoy refuses Cluster a: a: bad (view grpc)",)
            assert not scene.server.settled()

    play(act)


@pytest.mark.parametrize(
    ("shown", "node", "text"),
    [
        (
            show(EASTERN, str(WEB)),
            str(DB),
            f"E105 node id '{DB}' is not the SPIFFE ID of the certificate; set it to {WEB}",
        ),
        (show(EASTERN, str(WEB)), "", f"E105 node id '' is not the SPIFFE ID of the certificate; set it to {WEB}"),
        (
            show(EASTERN, str(WEB)),
            f"{WEB}\nE000 all is well",
            f"E105 node id '{WEB}\\nE000 all is well' is not the SPIFFE ID of the certificate; set it to {WEB}",
        ),
        (
            show(EASTERN, str(account(EAST, "shop", "nobody"))),
            str(account(EAST, "shop", "nobody")),
            f"E105 {account(EAST, 'shop', 'nobody')} may see nothing",
        ),
        (
            show(EASTERN, str(WEB), str(DB)),
            str(WEB),
            "E105 peer presented 2 names, exactly one SPIFFE ID is allowed",
        ),
    ],
)
def test_who_is_not_whom_he_says_is_told_so_in_one_line(shown: Leaf, node: str, text: str) -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(shown) as player:
            player.ask(CDS, node)
            ended = await player.end()
            assert (ended.code, ended.text) == (7, text)

    play(act)


def test_another_members_anchor_is_no_reason_to_be_let_in() -> None:
    async def act(scene: Scene) -> None:
        stranger = show(WESTERN, str(gateway_id(WEST)))
        with pytest.raises((ConnectionError, ssl.SSLError, AssertionError)):
            async with scene.client(stranger) as player:
                player.ask(CDS, str(gateway_id(WEST)))
                ended = await player.end()
                assert ended.code != -1

    play(act)


def test_a_client_without_a_certificate_is_not_let_in() -> None:
    async def act(scene: Scene) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=EASTERN.pem)
        context.set_alpn_protocols(["h2"])
        line = await dial(Delta.method, lambda message: None, ("127.0.0.1", scene.server.port), context)
        async with asyncio.timeout(10):
            assert (await line.ended).code == -1
        assert scene.server.streams == 0

    play(act)


def test_our_leaf_and_anchors_are_taken_anew_without_a_restart() -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(show(EASTERN, str(WEB))) as before:
            before.ask(CDS, str(WEB))
            await scene.until(lambda: scene.server.wanted)
            scene.shown = (show(RENEWED, str(gateway_id(EAST))), RENEWED.pem)
            async with scene.client(show(RENEWED, str(DB)), anchors=RENEWED.pem) as after:
                after.ask(CDS, str(DB))
                await scene.until(lambda: len(scene.server.wanted) == 2)
            assert not before.line.ended.done()

    play(act)


def test_2_7_2_later_requests_need_no_node() -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(show(EASTERN, str(WEB))) as player:
            player.ask(CDS, str(WEB))
            player.ask(EDS, resource_names_subscribe=["a"])
            await scene.until(lambda: scene.server.wanted)
            scene.server.offer(str(WEB), snapshot())
            assert {(await player.hear()).type_url for _ in range(2)} == {CDS, EDS}

    play(act)


def test_too_many_streams_are_sent_away_and_the_others_stay() -> None:
    async def act(scene: Scene) -> None:
        async with scene.client(show(EASTERN, str(WEB))) as one, scene.client(show(EASTERN, str(DB))) as two:
            one.ask(CDS, str(WEB))
            await scene.until(lambda: scene.server.streams == 1)
            two.ask(CDS, str(DB))
            ended = await two.end()
            assert (ended.code, ended.text) == (14, "E190 1 streams are open, 1 are allowed; connect again later")
            assert not one.line.ended.done()

    play(act, Limits(streams=1))


def test_who_does_not_say_who_he_is_has_not_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(central, "FIRST_SECONDS", 0.05)

    async def act(scene: Scene) -> None:
        async with scene.client(show(EASTERN, str(WEB))) as player:
            ended = await player.end()
            assert (ended.code, ended.text) == (4, f"E190 {WEB} said nothing for 0.05 s; connect again")

    play(act)


def test_an_old_connection_is_asked_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    options = [(name, 100 if "connection_age" in name else value) for name, value in central.OPTIONS]
    monkeypatch.setattr(central, "OPTIONS", options)

    async def act(scene: Scene) -> None:
        async with scene.client(show(EASTERN, str(WEB))) as player:
            player.ask(CDS, str(WEB))
            await player.end()
            assert player.line.going_away

    play(act)


def test_what_grpc_says_of_itself_makes_it_of_that_kind() -> None:
    """Rule 2.7.13."""
    assert kind_of(["x", "envoy.lb.does_not_support_overprovisioning"]) == "grpc"
    assert kind_of(["xds.config.resource-in-sotw"]) == kind_of([]) == "sidecar"


def test_an_address_that_is_not_ours_is_refused_in_one_line() -> None:
    async def main() -> None:
        server = CentralServer(lambda: (SERVER, EASTERN.pem), by_identity)
        with pytest.raises(InputError, match=re.escape('E122 --xds-listen "192.0.2.1:1": cannot be bound')):
            await server.start("192.0.2.1:1")
        await server.stop()

    asyncio.run(main())
