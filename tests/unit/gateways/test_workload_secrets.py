"""Envoy's SDS on the socket of the Workload API: whose leaf it gives, to whom, and when again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2

from federation.model.handout import Workload
from gateways.identity.secrets import STREAM_SECRETS
from gateways.xds.messages import SDS
from tests.unit.gateways.test_workload_api import CLIENT, DENIED, EU, ME, STRANGER, US, Scene, handout, play, ready
from tests.worlds.two_members import keyed, site

HEADER = (("workload.spiffe.io", "true"),)
OWN, ABROAD = f"spiffe://{US.domain}", f"spiffe://{EU.domain}"


class Asking:
    """One stream that an Envoy holds open."""

    def __init__(self, call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
        self._call = call

    async def ask(self, *names: str, node: str = str(CLIENT), **more: str) -> None:
        message = discovery_pb2.DiscoveryRequest(type_url=SDS, resource_names=names, **more)
        message.node.id = node
        await self._call.write(message.SerializeToString())

    async def hear(self) -> dict[str, secret_pb2.Secret]:
        """The next response, acknowledged."""
        async with asyncio.timeout(10):
            response = discovery_pb2.DiscoveryResponse.FromString(await self._call.read())
        found = [secret_pb2.Secret.FromString(one.value) for one in response.resources]
        names = tuple(one.name for one in found)
        await self.ask(*names, version_info=response.version_info, response_nonce=response.nonce)
        return {one.name: one for one in found}

    async def end(self) -> tuple[grpc.StatusCode, str]:
        async with asyncio.timeout(10):
            return await self._call.code(), await self._call.details()


@asynccontextmanager
async def asking(scene: Scene, metadata: tuple[tuple[str, str], ...] = HEADER) -> AsyncIterator[Asking]:
    async with grpc.aio.insecure_channel(f"unix:{scene.path}") as channel:
        yield Asking(channel.stream_stream(STREAM_SECRETS)(metadata=metadata))


def test_2_9_an_envoy_gets_its_workloads_leaf_and_each_anchor_under_its_own_name() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with asking(scene) as envoy:
            await envoy.ask("default", OWN, ABROAD)
            found = await envoy.hear()
            leaf = scene.feed.leaves[CLIENT]
            assert found["default"].tls_certificate.certificate_chain.inline_string == leaf.chain
            assert found["default"].tls_certificate.private_key.inline_string == leaf.key
            assert found[OWN].validation_context.trusted_ca.inline_string == US.anchor
            assert found[ABROAD].validation_context.trusted_ca.inline_string == EU.anchor

    play(handout(ME), act)


def test_2_9_a_new_leaf_comes_by_itself_and_alone() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with asking(scene) as envoy:
            await envoy.ask("default")
            await envoy.hear()
            scene.feed.rotate(CLIENT)
            found = await envoy.hear()
            assert list(found) == ["default"]
            assert found["default"].tls_certificate.private_key.inline_string == scene.feed.leaves[CLIENT].key

    play(handout(ME), act)


def test_who_is_registered_no_more_is_served_no_more() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with asking(scene) as envoy:
            await envoy.ask("default")
            await envoy.hear()
            scene.feed.hand_out(handout(STRANGER))
            assert await envoy.end() == (grpc.StatusCode.PERMISSION_DENIED, DENIED)

    play(handout(ME), act)


OTHER = US.identity("shop", "other")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (str(OTHER), f"E105 uid {ME.uid}, gid {ME.gid} may not act as {OTHER}"),
        (str(EU.identity("shop", "client")), f"E105 uid {ME.uid}, gid {ME.gid} may not act as {EU.identity('shop', 'client')}"),
    ],
)  # fmt: skip
def test_an_envoy_of_another_workload_is_refused(node: str, text: str) -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with asking(scene) as envoy:
            await envoy.ask("default", node=node)
            assert await envoy.end() == (grpc.StatusCode.PERMISSION_DENIED, text)

    other = Workload("shop", "other", uids=(STRANGER,))
    play({**handout(ME), **{f"workload/{other.namespace}/{other.account}": other}}, act)


def test_a_user_that_is_nobody_is_refused() -> None:
    async def act(scene: Scene) -> None:
        async with asking(scene) as envoy:
            await envoy.ask("default")
            assert await envoy.end() == (grpc.StatusCode.PERMISSION_DENIED, DENIED)

    play(handout(STRANGER), act)


def test_without_the_header_or_a_node_or_with_rubbish_it_is_no_request() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with asking(scene, ()) as envoy:
            code, text = await envoy.end()
            assert code is grpc.StatusCode.INVALID_ARGUMENT and text.startswith("E125 the metadata")
        async with asking(scene) as envoy:
            await envoy.ask("default", node="")
            text = "E105 node.id is missing: set it to the SPIFFE ID of the workload"
            assert await envoy.end() == (grpc.StatusCode.INVALID_ARGUMENT, text)
        async with asking(scene) as envoy:
            await envoy._call.write(b"\xff\xff")
            text = "E120 request for secrets cannot be read"
            assert await envoy.end() == (grpc.StatusCode.INVALID_ARGUMENT, text)

    play(handout(ME), act)


def test_while_no_certificate_is_at_hand_it_is_unavailable() -> None:
    async def act(scene: Scene) -> None:
        scene.feed.issuing = False
        scene.feed.hand_out(handout(ME))
        code, text = grpc.StatusCode.PERMISSION_DENIED, ""
        while code is grpc.StatusCode.PERMISSION_DENIED:
            async with asking(scene) as envoy:
                await envoy.ask("default")
                code, text = await envoy.end()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert text == f"E190 no certificate of {CLIENT} is at hand: no controller has issued it yet, or it ran out"

    play(keyed(site(US), Workload("shop", "other", uids=(STRANGER,))), act)
