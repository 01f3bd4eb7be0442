"""What a pass of the running agent does after a small change, and what it leaves alone."""

from msgspec import Struct, structs

from federation.model.record import Endpoint
from gateways.xds.messages import CDS, EDS, LDS, RDS
from tests.unit.gateways.test_daemon import Scene, play, until
from tests.unit.gateways.test_intent import CLIENT, EU, EU_PEER, NODE, US
from tests.worlds.two_members import candidate, keyed, site, web_import, web_pool

WIKI = structs.replace(web_import(candidate(EU, 1, 1), listener=16002), addresses=("10.96.0.2",))
WIKI = structs.replace(WIKI, service=structs.replace(WIKI.service, name="wiki"))


def handout(address: str, **ours: int) -> dict[str, Struct]:
    web = web_import(candidate(US, 1, 1), candidate(EU, 1, 1))
    return keyed(structs.replace(site(US), **ours), EU_PEER, web, WIKI, web_pool(Endpoint(address)), CLIENT)


def offers(scene: Scene) -> list[set[tuple[str, str]]]:
    """The keys of each offer from now on."""
    seen: list[set[tuple[str, str]]] = []
    offer = scene.agent._xds.offer

    def watched(snapshot: object, changed: object = None) -> None:
        seen.append(set(changed))  # type: ignore[call-overload]
        offer(snapshot, changed)  # type: ignore[arg-type]

    scene.agent._xds.offer = watched  # type: ignore[method-assign]
    return seen


def test_one_endpoint_offers_its_load_assignments_and_nothing_else() -> None:
    async def act(scene: Scene) -> None:
        async with scene.envoy():
            await until(lambda: scene.feed.said and scene.feed.node.reached == scene.feed.tree.root)
            seen = offers(scene)
            scene.feed.hand_out(handout("10.1.1.2"))
            await until(lambda: scene.feed.node.reached == scene.feed.tree.root)
            names = ("out/shop/web/http/local", "out/shop/web/http/ns/default/sa/client")
            assert seen == [{(EDS, name) for name in names}]

    play(NODE, handout("10.1.1.1"), act)


def test_what_concerns_no_resource_is_not_offered_and_is_reached_all_the_same() -> None:
    async def act(scene: Scene) -> None:
        async with scene.envoy():
            await until(lambda: scene.feed.said and scene.feed.node.reached == scene.feed.tree.root)
            seen, rules = offers(scene), len(scene.twin.ledger.commands)
            scene.feed.hand_out(handout("10.1.1.1", ledger=9))
            await until(lambda: scene.feed.node.reached == scene.feed.tree.root)
            assert seen == [] and len(scene.twin.ledger.commands) == rules

    play(NODE, handout("10.1.1.1"), act)


def test_a_service_that_goes_takes_its_resources_and_no_others() -> None:
    async def act(scene: Scene) -> None:
        async with scene.envoy() as envoy:
            await until(lambda: scene.feed.said and scene.feed.node.reached == scene.feed.tree.root)
            seen = offers(scene)
            scene.feed.hand_out({k: v for k, v in handout("10.1.1.1").items() if k != "import/shop/wiki"})
            await until(lambda: scene.feed.node.reached == scene.feed.tree.root)
            gone = "out/shop/wiki/http"
            own = f"{gone}/ns/default/sa/client"
            assert seen == [{(LDS, gone), (CDS, own), (EDS, own), (RDS, own)}]
            assert envoy.held[LDS] == {"out/shop/web/http"}

    play(NODE, handout("10.1.1.1"), act)


def test_a_pass_that_finds_nothing_new_reports_nothing() -> None:
    async def act(scene: Scene) -> None:
        async with scene.envoy():
            await until(lambda: scene.feed.said and scene.feed.node.reached == scene.feed.tree.root)
            before = scene.feed.said
            for _ in range(3):
                scene.feed.changed.set()
                await until(lambda: not scene.feed.changed.is_set())
            assert scene.feed.said is before

    play(NODE, handout("10.1.1.1"), act)
