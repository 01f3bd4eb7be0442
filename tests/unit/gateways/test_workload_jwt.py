"""JWT-SVIDs over the Workload API of a running agent, read by an independent client (the package `spiffe`)."""

import asyncio
import queue
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest
from msgspec import Struct
from spiffe import SpiffeId as ReadId
from spiffe import TrustDomain
from spiffe.bundle.jwt_bundle.jwt_bundle_set import JwtBundleSet
from spiffe.svid.jwt_svid import JwtSvid
from spiffe.workloadapi.errors import FetchJwtSvidError, ValidateJwtSvidError

from federation.model.handout import JwtBundle, UnixUser, Workload
from federation.model.spiffe import SpiffeId
from federation.trust.authorities import AHEAD, LIFE
from tests.unit.gateways.test_workload_api import DENIED, EU, ME, STRANGER, US, Scene, play
from tests.worlds.jwt_signers import JwtSigner
from tests.worlds.two_members import keyed, peer, site

CLIENT, ROBOT = US.identity("shop", "client"), US.identity("shop", "robot")


class JwtScene:
    """A running agent and the signers of two members; `asked` counts tokens that the controller was asked for."""

    def __init__(self, scene: Scene, folder: Path, users: tuple[UnixUser, ...], *more: Workload) -> None:
        self.scene = scene
        now = int(time.time())
        self.us, self.eu = JwtSigner(US, folder, now), JwtSigner(EU, folder, now)
        self.asked = 0
        self._values = (site(US), peer(EU, "192.0.2.2:51820"), Workload("shop", "client", uids=users), *more)
        scene.feed.token = self._token  # type: ignore[method-assign]
        self.hand_out()

    async def _token(self, identity: SpiffeId, audiences: tuple[str, ...]) -> str:
        self.asked += 1
        return self.us.token(identity, *audiences)

    def hand_out(self, *others: Struct) -> None:
        """The members' keys as they are now."""
        bundles = [self.us.bundle(), self.eu.bundle()]
        self.scene.feed.hand_out(keyed(*self._values, *bundles, *others))  # type: ignore[arg-type]

    async def fetch(self, *audiences: str, subject: str = "") -> JwtSvid:
        with self.scene.client() as client:
            wanted = ReadId(subject) if subject else None
            return await asyncio.to_thread(client.fetch_jwt_svid, set(audiences), wanted)

    async def validate(self, token: str, audience: str) -> JwtSvid:
        with self.scene.client() as client:
            return await asyncio.to_thread(client.validate_jwt_svid, token, audience)

    async def bundles(self) -> JwtBundleSet:
        with self.scene.client() as client:
            return await asyncio.to_thread(client.fetch_jwt_bundles)

    async def ready(self) -> None:
        """Wait until the agent knows both members' keys."""
        async with asyncio.timeout(10):
            while (code := await self.refusal("ValidateJWTSVID", b""))[0] == grpc.StatusCode.UNAVAILABLE:
                assert code
        while {b.trust_domain.name for b in (await self.bundles()).bundles} != {US.domain, EU.domain}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def refusal(self, call: str, request: bytes) -> tuple[grpc.StatusCode, str]:
        async with grpc.aio.insecure_channel(f"unix:{self.scene.path}") as channel:
            try:
                method = channel.unary_unary(f"/SpiffeWorkloadAPI/{call}")
                await method(request, metadata=(("workload.spiffe.io", "true"),), timeout=10)
            except grpc.aio.AioRpcError as error:
                return error.code(), error.details() or ""
        raise AssertionError(f"{call} was answered")


def perform(act: Callable[[JwtScene], Awaitable[None]], *users: UnixUser, more: tuple[Workload, ...] = ()) -> None:
    """Run an agent whose client workload is these users while `act` lasts."""

    async def with_keys(scene: Scene) -> None:
        with tempfile.TemporaryDirectory() as folder:
            await act(JwtScene(scene, Path(folder), users or (ME,), *more))

    play({}, with_keys)


def kids(bundles: JwtBundleSet, domain: str) -> set[str]:
    bundle = bundles.get_bundle_for_trust_domain(TrustDomain(domain))
    return set() if bundle is None else set(bundle.jwt_authorities)


def test_a_process_gets_a_token_that_the_client_and_the_agent_find_good() -> None:
    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        svid = await jwt.fetch("db", "cache")
        assert (svid.spiffe_id, svid.audience) == (ReadId(str(CLIENT)), {"db", "cache"})
        assert 290 < svid.expiry - time.time() <= 300
        bundle = (await jwt.bundles()).get_bundle_for_trust_domain(TrustDomain(US.domain))
        assert bundle is not None
        assert JwtSvid.parse_and_validate(svid.token, bundle, {"db"}).spiffe_id == ReadId(str(CLIENT))
        found = await jwt.validate(svid.token, "db")
        assert (found.spiffe_id, found._claims["sub"]) == (ReadId(str(CLIENT)), str(CLIENT))
        assert (
            await jwt.validate(jwt.eu.token(EU.identity("shop", "web"), "db"), "db")
        ).spiffe_id.path == "/ns/shop/sa/web"

    perform(act)


def test_bundles_of_members_stand_apart() -> None:
    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        bundles = await jwt.bundles()
        assert kids(bundles, US.domain) == set(jwt.us.kids())
        assert kids(bundles, EU.domain) == set(jwt.eu.kids())
        assert len(bundles.bundles) == 2

    perform(act)


def test_the_agent_tells_why_a_token_is_not_good() -> None:
    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        token = jwt.us.token(CLIENT, "db")
        with pytest.raises(ValidateJwtSvidError, match='E105 JWT-SVID is not for the audience "cache"'):
            await jwt.validate(token, "cache")
        keys = jwt.us.keys._held
        early = [type(one)(one.kid, one.key, one.signs_from - 301) for one in keys]
        jwt.us.keys._held = tuple(early)
        jwt.us.now -= 301
        with pytest.raises(ValidateJwtSvidError, match="E105 JWT-SVID ran out at "):
            await jwt.validate(jwt.us.token(CLIENT, "db"), "db")

    perform(act)


def test_one_identity_of_several_is_had_by_its_name_and_no_other() -> None:
    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        assert (await jwt.fetch("db", subject=str(ROBOT))).spiffe_id == ReadId(str(ROBOT))
        with jwt.scene.client() as client:
            all_of_them = await asyncio.to_thread(client.fetch_jwt_svids, {"db"})
        assert {str(one.spiffe_id) for one in all_of_them} == {str(CLIENT), str(ROBOT)}
        with pytest.raises(FetchJwtSvidError, match=f"may not act as {US.identity('shop', 'pay')}"):
            await jwt.fetch("db", subject=str(US.identity("shop", "pay")))

    perform(act, more=(Workload("shop", "robot", uids=(ME,)),))


@pytest.mark.parametrize("call", ["FetchJWTSVID", "ValidateJWTSVID"])
def test_nobody_gets_nothing(call: str) -> None:
    async def act(jwt: JwtScene) -> None:
        request = b"\x0a\x02db" + (b"\x12\x01x" if call == "ValidateJWTSVID" else b"")
        while (found := await jwt.refusal(call, request))[0] == grpc.StatusCode.UNAVAILABLE:
            assert found
        assert found == (grpc.StatusCode.PERMISSION_DENIED, DENIED)
        assert jwt.asked == 0

    perform(act, STRANGER)


BAD_REQUESTS: dict[str, tuple[str, bytes, str]] = {
    "no audience": ("FetchJWTSVID", b"", "E125 JWT-SVID for 0 audiences, must be 1 to 8"),
    "no protobuf": ("FetchJWTSVID", b"\xff", "E125 the request cannot be read"),
    "nine audiences": ("FetchJWTSVID", b"\x0a\x01a" * 9, "E125 JWT-SVID for 9 audiences, must be 1 to 8"),
    "validate nothing": ("ValidateJWTSVID", b"\x0a\x01a", "E105 JWT-SVID: Not enough segments"),
    "validate for nobody": ("ValidateJWTSVID", b"\x12\x01a", "E125 JWT-SVID: name the audience that it must be for"),
    "validate no protobuf": ("ValidateJWTSVID", b"\xff", "E125 the request cannot be read"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_request_that_is_not_good_is_an_invalid_argument(case: str) -> None:
    call, request, text = BAD_REQUESTS[case]

    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        assert await jwt.refusal(call, request) == (grpc.StatusCode.INVALID_ARGUMENT, text)

    perform(act)


def test_a_token_is_asked_for_once_in_half_of_its_life() -> None:
    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        first = await jwt.fetch("db")
        assert (await jwt.fetch("db")).token == first.token
        assert jwt.asked == 1
        assert (await jwt.fetch("cache")).token != first.token
        assert jwt.asked == 2

    perform(act)


def test_without_a_controller_it_says_so() -> None:
    async def act(jwt: JwtScene) -> None:
        del jwt.scene.feed.token
        await jwt.ready()
        with pytest.raises(FetchJwtSvidError, match=f"E190 no controller to issue {CLIENT}"):
            await jwt.fetch("db")

    perform(act)


def test_a_rotation_of_the_keys_reaches_an_open_stream_and_no_token_fails_on_the_way() -> None:
    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        seen: queue.Queue[JwtBundleSet] = queue.Queue()
        failed: queue.Queue[Exception] = queue.Queue()

        async def message() -> set[str]:
            return kids(await asyncio.to_thread(seen.get, timeout=10), US.domain)

        with jwt.scene.client() as client:
            stream = client.stream_jwt_bundles(seen.put, failed.put, retry_connect=False)
            first = await message()
            start = jwt.us.now
            jwt.us.now = start + LIFE - AHEAD
            jwt.hand_out()
            both = await message()
            assert first < both
            assert len(both) == 2
            jwt.us.now = start + LIFE
            by_new = jwt.us.token(CLIENT, "db")
            assert (await jwt.validate(by_new, "db")).spiffe_id == ReadId(str(CLIENT))
            jwt.us.now = start + LIFE + 3_600
            jwt.hand_out()
            assert await message() == both - first
            stream.cancel()
        assert failed.empty()

    perform(act)


def test_keys_that_another_member_states_for_us_count_nothing() -> None:
    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        jwt.hand_out(JwtBundle(jwt.us.bundle().member, jwt.eu.bundle().statement))
        while kids(await jwt.bundles(), US.domain):  # noqa: ASYNC110 - what is awaited is a state
            await asyncio.sleep(0.01)
        text = (
            "E105 JWT keys of us-east.acme.mesh: the statement is not signed by an anchor of this trust domain; "
            "its JWT-SVIDs are refused here"
        )
        assert text in jwt.scene.feed.node.problems
        with pytest.raises(ValidateJwtSvidError, match=r"no keys of us-east\.acme\.mesh are known"):
            await jwt.validate(jwt.us.token(CLIENT, "db"), "db")

    perform(act)
