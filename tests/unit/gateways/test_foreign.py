"""Foreign trust domains on a node: beside the members' for workloads and for Envoy, never in one pool with any."""

import asyncio
from datetime import UTC, datetime

import pytest
from msgspec import Struct

from federation.model.handout import ForeignBundle
from federation.model.spiffe import account
from federation.model.tokens import JwtKey, TokenRequest
from federation.trust.anchor import make_anchor
from federation.trust.authorities import AuthorityKeys
from gateways.intent import intend
from gateways.render.envoy.common import SDS
from gateways.render.envoy.resources import grouped, resources
from gateways.xds.encode import Encoder
from tests.unit.gateways.test_intent import NODE
from tests.unit.gateways.test_workload_api import ME, US, Scene, authorities, handout, play, ready, watching
from tests.unit.gateways.test_workload_jwt import JwtScene, kids, perform
from tests.worlds.two_members import keyed

OTHER = "m1.other.org"
ANCHOR = make_anchor(OTHER, datetime.now(UTC))[1]


def foreign(anchors: str = ANCHOR, keys: tuple[JwtKey, ...] = (), name: str = OTHER) -> dict[str, Struct]:
    return keyed(ForeignBundle(name, anchors, keys))


def test_a_workload_sees_a_foreign_bundle_beside_the_members_and_its_end() -> None:
    async def act(scene: Scene) -> None:
        await ready(scene)
        async with watching(scene) as message:
            members = authorities(await message())
            scene.feed.hand_out(handout(ME) | foreign())
            assert authorities(await message()) == members | {OTHER: [ANCHOR.encode()]}
            scene.feed.hand_out(handout(ME) | foreign(""))
            assert authorities(await message()) == members

    play(handout(ME), act)


def test_a_workload_finds_a_foreign_token_good_and_no_foreign_key_signs_for_a_member() -> None:
    async def act(jwt: JwtScene) -> None:
        await jwt.ready()
        keys = AuthorityKeys(jwt.us.keys._path.parent / "foreign.json", OTHER)
        jwt.hand_out(ForeignBundle(OTHER, ANCHOR, keys.published(jwt.us.now).keys))
        while not kids(await jwt.bundles(), OTHER):  # noqa: ASYNC110 - what is awaited is a state
            await asyncio.sleep(0.01)
        token = keys.sign(TokenRequest(str(account(OTHER, "shop", "web")), ("db",)), jwt.us.now)
        assert (await jwt.validate(token, "db")).spiffe_id.trust_domain.name == OTHER
        keys._trust_domain = US.domain
        forged = keys.sign(TokenRequest(str(US.identity("shop", "web")), ("db",)), jwt.us.now)
        with pytest.raises(Exception, match=r"us-east\.acme\.mesh has no key"):
            await jwt.validate(forged, "db")

    perform(act)


@pytest.mark.parametrize("name", ["acme.mesh", "eu-central.acme.mesh", "new.acme.mesh"])
def test_a_foreign_name_within_our_federation_is_left_out(name: str) -> None:
    state = intend(NODE, handout(ME) | foreign(name=name))
    assert state.foreign == ()
    assert state.problems == (f"E105 foreign bundle of {name}: the name lies in our own federation; left out",)
    assert name not in {one.trust_domain for one in state.authorities}


def test_envoy_may_pin_a_foreign_trust_domain_by_its_name() -> None:
    state = intend(NODE, handout(ME) | foreign())
    secrets = resources(state, {})[SDS]
    wanted = {"name": f"spiffe://{OTHER}", "validation_context": {"trusted_ca": {"inline_string": ANCHOR}}}
    assert secrets[f"spiffe://{OTHER}"] == wanted
    assert not any(ANCHOR in str(content) for name, content in secrets.items() if name != f"spiffe://{OTHER}")
    invalid = Encoder().encode(grouped(state, {})).problems
    assert list(invalid) == []
