"""The Workload API of a running agent, read by an independent client (the package `spiffe`) and by bare gRPC."""

import asyncio
import os
import queue
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct
from prometheus_client import REGISTRY
from spiffe import SpiffeId as ReadId
from spiffe import TrustDomain, WorkloadApiClient
from spiffe.workloadapi.errors import WorkloadApiError
from spiffe.workloadapi.x509_context import X509Context

from federation.link.leaf import Leaf
from federation.model.errors import Unavailable
from federation.model.handout import UnixUser, Workload
from federation.model.spiffe import SpiffeId
from gateways.daemon import Agent
from gateways.identity.serve import CONNECTIONS_MAX
from gateways.kernel.memory import Twin
from tests.unit.gateways.test_daemon import MemoryEnvoy, MemoryFeed, until
from tests.unit.gateways.test_intent import NODE
from tests.worlds.two_members import keyed, peer, real, site

US, EU, AP = real("us-east"), real("eu-central"), real("ap-south")
ME = UnixUser(os.geteuid(), os.getegid())
STRANGER = UnixUser(ME.uid + 1)
CLIENT = US.identity("shop", "client")
DENIED = (
    f"E105 uid {ME.uid}, gid {ME.gid} is no registered workload of this node; "
    "register it with `isthmus enroll --workload-uid` or `--workload-kubernetes`"
)


def handout(*users: UnixUser) -> dict[str, Struct]:
    return keyed(site(US), peer(EU, "192.0.2.2:51820"), Workload("shop", "client", uids=users))


class IssuingFeed(MemoryFeed):
    """A feed with a real CA behind it."""

    def __init__(self, values: dict[str, Struct]) -> None:
        super().__init__("node", values)
        self.leaves: dict[SpiffeId, Leaf] = {}

    async def svid(self, identity: SpiffeId) -> Leaf:
        if not self.issuing:
            raise Unavailable(f"no controller to issue {identity}")
        return self.leaves.setdefault(identity, US.leaf(identity))

    def rotate(self, identity: SpiffeId) -> None:
        self.leaves[identity] = US.leaf(identity)
        self.svid_changed.set()

    def issue(self) -> None:
        self.issuing = True
        self.svid_changed.set()


class Scene:
    """A running node agent with its Workload API."""

    def __init__(self, values: dict[str, Struct]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ist-"))
        self.folder.chmod(0o711)
        self.path = self.folder / "workload.sock"
        self.feed = IssuingFeed(values)
        self.agent = Agent(self.feed, NODE, Twin().kernel, self.folder / "xds.sock", workload_path=self.path)

    def client(self) -> WorkloadApiClient:
        return WorkloadApiClient(f"unix://{self.path}", default_timeout=10)

    async def context(self) -> X509Context:
        with self.client() as client:
            return await asyncio.to_thread(client.fetch_x509_context)

    async def refusal(
        self, call: str, metadata: tuple[tuple[str, str], ...] = (("workload.spiffe.io", "true"),)
    ) -> tuple[grpc.StatusCode, str]:
        async with grpc.aio.insecure_channel(f"unix:{self.path}") as channel:
            try:
                async with asyncio.timeout(10):
                    await anext(aiter(channel.unary_stream(f"/SpiffeWorkloadAPI/{call}")(b"", metadata=metadata)))
            except grpc.aio.AioRpcError as error:
                return error.code(), error.details() or ""
        raise AssertionError(f"{call} was answered")


def play(values: dict[str, Struct], act: Callable[[Scene], Awaitable[None]]) -> None:
    """Run an agent while `act` lasts."""

    async def main() -> None:
        scene = Scene(values)
        task = asyncio.create_task(scene.agent.run())
        try:
            await until(lambda: task.done() or scene.path.exists())
            async with asyncio.timeout(30):
                await act(scene)
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert not list(scene.folder.iterdir())
        scene.folder.rmdir()

    asyncio.run(main())


async def ready(scene: Scene) -> None:
    """Wait until the certificate is at hand."""
    await until(lambda: CLIENT in scene.feed.leaves)
    while (await refused_or_none(scene)) is not None:  # noqa: ASYNC110 - what is awaited is a state
        await asyncio.sleep(0.01)


async def refused_or_none(scene: Scene) -> str | None:
    try:
        await scene.context()
    except WorkloadApiError as error:
        return str(error)
    return None


@asynccontextmanager
async def watching(scene: Scene) -> AsyncIterator[Callable[[], Awaitable[X509Context]]]:
    """An open stream of the independent client: each call is its next message."""
    seen: queue.Queue[X509Context] = queue.Queue()
    failed: queue.Queue[Exception] = queue.Queue()
    with scene.client() as client:
        stream = client.stream_x509_contexts(seen.put, failed.put, retry_connect=False)
        try:
            yield lambda: asyncio.to_thread(seen.get, timeout=10)
        finally:
            stream.cancel()
        assert failed.empty()
        assert seen.empty()


@asynccontextmanager
async def acknowledging(path: Path) -> AsyncIterator[None]:
    """An Envoy that takes everything."""
    envoy = MemoryEnvoy(path)
    task = asyncio.create_task(envoy.run())
    try:
        yield
    finally:
        task.cancel()
        await envoy.close()


def authorities(context: X509Context) -> dict[str, list[bytes]]:
    bundles = context.x509_bundle_set.bundles
    return {b.trust_domain.name: [a.public_bytes(Encoding.PEM) for a in b.x509_authorities] for b in bundles}


def serial(context: X509Context) -> int:
    return int(context.default_svid.leaf.serial_number)


def test_a_registered_process_gets_its_certificate_and_a_bundle_for_each_member() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        context = await scene.context()
        svid = context.default_svid
        assert len(context.x509_svids) == 1
        assert svid.spiffe_id == ReadId(str(CLIENT))
        assert svid.leaf.public_key() == svid.private_key.public_key()
        svid.leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(US.anchor.encode()))
        assert authorities(context) == {US.domain: [US.anchor.encode()], EU.domain: [EU.anchor.encode()]}
        with scene.client() as client:
            bundles = await asyncio.to_thread(client.fetch_x509_bundles)
        for one in (US, EU):
            bundle = bundles.get_bundle_for_trust_domain(TrustDomain(one.domain))
            assert bundle is not None
            assert [a.public_bytes(Encoding.PEM) for a in bundle.x509_authorities] == [one.anchor.encode()]
        assert len(bundles.bundles) == 2

    play(handout(ME), act)


HEADERS: dict[str, tuple[tuple[str, str], ...]] = {
    "none": (),
    "upper case": (("workload.spiffe.io", "True"),),
    "false": (("workload.spiffe.io", "false"),),
    "twice": (("workload.spiffe.io", "true"), ("workload.spiffe.io", "true")),
    "another name": (("workload.spiffe.io.", "true"),),
}


@pytest.mark.parametrize(
    "call", ["FetchX509SVID", "FetchX509Bundles", "FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID"]
)
@pytest.mark.parametrize("case", HEADERS)
def test_no_call_is_answered_without_the_header(call: str, case: str) -> None:
    async def act(scene: Scene) -> None:
        code, text = await scene.refusal(call, HEADERS[case])
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert text == "E125 the metadata `workload.spiffe.io: true` is missing: this is no client of the Workload API"

    play(handout(ME), act)


@pytest.mark.parametrize("call", ["FetchX509SVID", "FetchX509Bundles", "FetchJWTBundles"])
def test_a_process_that_is_not_registered_gets_nothing(call: str) -> None:
    async def act(scene: Scene) -> None:
        before = refusals("no identity")
        await until(lambda: CLIENT in scene.feed.leaves)
        assert await scene.refusal(call) == (grpc.StatusCode.PERMISSION_DENIED, DENIED)
        assert refusals("no identity") == before + 1

    play(handout(STRANGER), act)


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("isthmus_agent_workload_api_refusals_total", {"reason": reason}) or 0


@contextmanager
def acting_as(user: UnixUser) -> Iterator[None]:
    """Be this user for the kernel, on every thread (setuid(2))."""
    group, me = os.getegid(), os.geteuid()
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(me)
        os.setegid(group)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: acts as other users")
def test_who_calls_is_the_user_that_the_kernel_names() -> None:
    registered, other_group, other = UnixUser(12345, 23456), UnixUser(12345, 23457), UnixUser(12346, 23456)

    async def act(scene: Scene) -> None:
        await until(lambda: CLIENT in scene.feed.leaves)
        for stranger in (other_group, other):
            with acting_as(stranger):
                code, text = await scene.refusal("FetchX509SVID")
            assert code == grpc.StatusCode.PERMISSION_DENIED
            assert text.startswith(f"E105 uid {stranger.uid}, gid {stranger.gid} is no registered workload")
        with acting_as(registered):
            await ready(scene)
            context = await scene.context()
        assert context.default_svid.spiffe_id == ReadId(str(CLIENT))

    play(handout(registered), act)


def test_a_rotation_reaches_an_open_stream() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with watching(scene) as message:
            first = serial(await message())
            scene.feed.rotate(CLIENT)
            second = serial(await message())
        assert first != second
        assert second == x509.load_pem_x509_certificate(scene.feed.leaves[CLIENT].chain.encode()).serial_number

    play(handout(ME), act)


def test_a_new_member_reaches_an_open_stream_and_a_revoked_one_leaves_it() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        both, more = handout(ME), handout(ME) | keyed(peer(AP, "192.0.2.3:51820"))
        async with watching(scene) as message:
            assert authorities(await message()).keys() == {US.domain, EU.domain}
            scene.feed.hand_out(more)
            assert authorities(await message()) == {m.domain: [m.anchor.encode()] for m in (US, EU, AP)}
            scene.feed.hand_out(both)
            assert authorities(await message()).keys() == {US.domain, EU.domain}

    play(handout(ME), act)


def test_a_handout_that_changes_nothing_for_the_caller_sends_nothing() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with watching(scene) as message:
            await message()
            scene.feed.hand_out(handout(ME) | keyed(Workload("shop", "other", uids=(STRANGER,))))
            await until(lambda: US.identity("shop", "other") in scene.feed.leaves)
            scene.feed.rotate(US.identity("shop", "other"))
            scene.feed.rotate(CLIENT)
            context = await message()
            assert (
                serial(context)
                == x509.load_pem_x509_certificate(scene.feed.leaves[CLIENT].chain.encode()).serial_number
            )

    play(handout(ME), act)


def test_an_open_stream_ends_when_the_registration_does() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with grpc.aio.insecure_channel(f"unix:{scene.path}") as channel:
            call = channel.unary_stream("/SpiffeWorkloadAPI/FetchX509SVID")(
                b"", metadata=(("workload.spiffe.io", "true"),)
            )
            messages = aiter(call)
            await anext(messages)
            assert REGISTRY.get_sample_value("isthmus_agent_workload_api_streams") == 1
            scene.feed.hand_out(handout(STRANGER))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(messages)
            assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.PERMISSION_DENIED, DENIED)
        await until(lambda: REGISTRY.get_sample_value("isthmus_agent_workload_api_streams") == 0)

    play(handout(ME), act)


def test_what_is_not_known_yet_is_unavailable_and_not_denied() -> None:
    async def act(scene: Scene) -> None:
        text = "E190 no handout yet: who is who on this node is not known"
        assert await scene.refusal("FetchX509SVID") == (grpc.StatusCode.UNAVAILABLE, text)
        scene.feed.issuing = False
        scene.feed.hand_out(handout(ME))
        text = f"E190 no certificate for uid {ME.uid} is at hand: no controller has issued it yet, or it ran out"
        while (got := await scene.refusal("FetchX509SVID")) != (grpc.StatusCode.UNAVAILABLE, text):
            assert got[0] == grpc.StatusCode.UNAVAILABLE
        scene.feed.issue()
        await ready(scene)

    play({}, act)


def test_one_user_cannot_use_up_the_agents_descriptors() -> None:
    async def act(scene: Scene) -> None:
        before = refusals("connections")
        held = [await asyncio.open_unix_connection(scene.path) for _ in range(CONNECTIONS_MAX)]
        for reader, _ in held:
            assert await reader.read(1)
        reader, writer = await asyncio.open_unix_connection(scene.path)
        assert await reader.read() == b""
        assert refusals("connections") == before + 1
        for one in (writer, *(writer for _, writer in held)):
            one.close()
        await ready(scene)

    play(handout(ME), act)


def test_the_handout_is_wholly_in_force_only_with_the_certificates_that_processes_fetch() -> None:
    async def act(scene: Scene) -> None:
        async with acknowledging(scene.folder / "xds.sock"):
            before = scene.feed.tree.root
            await until(lambda: scene.feed.said and scene.feed.node.reached == before)
            scene.feed.issuing = False
            scene.feed.hand_out(handout(ME))
            await until(lambda: f"E190 no controller to issue {CLIENT}" in scene.feed.node.problems)
            assert scene.feed.node.reached == before
            scene.feed.issue()
            await until(lambda: scene.feed.node.reached == scene.feed.tree.root)

    play(handout(), act)
