"""What one change plans again, and what stays the very object it was."""

from collections.abc import Mapping

import pytest
from msgspec import Struct, structs

from federation.model.handout import Workload
from federation.model.names import ServiceKey
from federation.model.policy import Policy, Probe, Ramp
from federation.model.record import Endpoint
from federation.model.standing import Standing
from gateways.checking import targets_of
from gateways.evidence import Evidence
from gateways.plan_import import plan_import
from gateways.planner import Planner
from gateways.service_states import Former
from gateways.state import ServiceState
from gateways.view import Imported, View
from tests.worlds.many_services import (
    NODE,
    Scale,
    gateway_of,
    handout,
    import_of,
    offering,
    own_site,
    peer_of,
    pool_of,
    service_of,
)

SCALE = Scale(members=6, services=5, endpoints=9, each=3, workloads=2)
ALL = {service_of(number) for number in range(SCALE.services)}
ONE = {service_of(1)}
OF_M3 = {service_of(number) for number in range(SCALE.services) if 3 in offering(SCALE, number)}
WAY = gateway_of(3, 1).overlay
SICK = frozenset({(service_of(1), "10.1.16.10")})
T = 1_700_000_000_000
SECOND = Policy(ramp=Ramp(10, 1), probe=Probe())


class Scene:
    """A planner that has the whole handout and remembers whom it planned in the last step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.planner = Planner(NODE)
        self.planned: set[ServiceKey] = set()
        self.ways: Mapping[str, Standing] = {}
        self.sick: frozenset[tuple[ServiceKey, str]] = frozenset()

        def counted(view: View, service: Imported) -> ServiceState:
            self.planned.add(service.item.service)
            return plan_import(view, service)

        monkeypatch.setattr("gateways.service_states.plan_import", counted)
        self.step(handout(SCALE) | {"import/apps/s1": import_of(SCALE, 1, policy=SECOND)})

    def step(self, changed: Mapping[str, Struct | None], now: int = T) -> Former:
        self.planned.clear()
        return self.planner.step(changed, Evidence(self.ways, self.sick, now=now))


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(monkeypatch)
    assert made.planned == ALL and OF_M3 and OF_M3 != ALL
    return made


CHANGES: dict[str, tuple[dict[str, Struct | None], set[ServiceKey], set[ServiceKey]]] = {
    "nothing": ({}, set(), set()),
    "the same again": ({**handout(SCALE), "import/apps/s1": import_of(SCALE, 1, policy=SECOND)}, set(), set()),
    "an endpoint": ({"pool/apps/s1/a/http": pool_of(SCALE, 1, 2)}, ONE, ONE),
    "an import": ({"import/apps/s1": None}, set(), ONE),
    "an offer, which is for gateways": ({"offer/apps/s1": None}, ONE, set()),
    "a kind that is for others": ({"place/m3": peer_of(3)}, set(), set()),
    "a peer's gateways": ({"peer/m3": peer_of(3, 2)}, OF_M3, OF_M3),
    "a peer that leaves": ({"peer/m3": None}, OF_M3, OF_M3),
    "a peer's anchor": ({"peer/m3": structs.replace(peer_of(3), anchor="another")}, set(), set()),
    "the ledger's mark": ({"site": structs.replace(own_site(), ledger=7)}, set(), set()),
    "the own region": ({"site": structs.replace(own_site(), region="r9")}, ALL, ALL),
    "who acts here": ({"workload/apps/w0": Workload("apps", "w0", ("10.1.9.77",))}, ALL, ALL),
    "a workload's users": ({"workload/apps/w0": Workload("apps", "w0", ("10.1.9.1",), kubernetes=True)}, set(), set()),
}


@pytest.mark.parametrize("case", CHANGES)
def test_only_what_hangs_on_a_change_is_planned_again(scene: Scene, case: str) -> None:
    changed, planned, others = CHANGES[case]
    assert scene.step(changed).keys() == others
    assert scene.planned == planned


def test_a_way_plans_those_whom_its_member_may_serve(scene: Scene) -> None:
    scene.ways = {WAY: Standing(up=False, since=T), gateway_of(99, 1).overlay: Standing(up=False)}
    assert scene.step({}).keys() == OF_M3
    assert scene.planned == OF_M3
    assert scene.step({}) == {} and scene.planned == set()


def test_a_sick_endpoint_plans_its_service_alone(scene: Scene) -> None:
    scene.sick = SICK
    assert scene.step({}).keys() == ONE and scene.planned == ONE
    scene.sick = frozenset()
    assert scene.step({}).keys() == ONE and scene.planned == ONE


def test_an_age_plans_only_the_service_that_it_is_of_and_only_when_it_comes_due(scene: Scene) -> None:
    scene.sick = frozenset((service_of(1), f"10.1.16.{n}") for n in (10, 11, 12))
    scene.step({})
    scene.sick = frozenset()
    scene.step({}, T + 100)
    due = scene.planner.state.until
    assert T + 100 < due <= T + 1_100
    assert scene.step({}, due - 1) == {} and scene.planned == set()
    assert scene.step({}, due).keys() == ONE and scene.planned == ONE
    for _ in range(20):
        due = scene.planner.state.until
        scene.step({}, due)
    assert scene.planner.state.until == 0, "the return is over"


def test_a_listener_port_that_two_want_plans_both(scene: Scene) -> None:
    taken = structs.replace(import_of(SCALE, 0), ports=import_of(SCALE, 2).ports)
    assert scene.step({"import/apps/s0": taken}).keys() == {service_of(0), service_of(2)}
    line = "E121 out/apps/s2/http: listener port 16002 belongs to out/apps/s0/http"
    assert scene.planner.state.problems == (line,)
    former = scene.step({"import/apps/s0": import_of(SCALE, 0)})
    assert former.keys() == {service_of(0), service_of(2)} and not scene.planner.state.problems


def test_what_did_not_change_is_the_same_object(scene: Scene) -> None:
    before = scene.planner.state
    pool = pool_of(SCALE, 1)
    moved = structs.replace(pool, endpoints=(*pool.endpoints[1:], Endpoint("10.1.99.1")))
    former = scene.step({"pool/apps/s1/a/http": moved})
    after = scene.planner.state
    assert former == {service_of(1): before.services[service_of(1)]}
    assert all(after.services[key] is before.services[key] for key in ALL - ONE)
    for part in ("captures", "anchors", "identities", "registered", "ways", "problems", "tunnels"):
        assert getattr(after, part) is getattr(before, part), part
    assert before.services[service_of(1)].clusters != after.services[service_of(1)].clusters


def test_without_a_site_nothing_is_known_and_everything_is_planned_when_it_is_back(scene: Scene) -> None:
    before = scene.planner.state
    assert scene.step({"site": None}).keys() == ALL
    assert not scene.planner.state.known and scene.planner.state.problems == ("E190 no handout yet",)
    assert scene.step({"site": own_site()}).keys() == ALL and scene.planned == ALL
    assert scene.planner.state == before


def test_only_the_targets_of_a_changed_service_are_probed_otherwise(scene: Scene) -> None:
    former = scene.step(
        {"pool/apps/s1/a/http": structs.replace(pool_of(SCALE, 1), endpoints=pool_of(SCALE, 1).endpoints[1:])}
    )
    targets = targets_of(former, scene.planner.state)
    assert {key: target is not None for key, target in targets.items()} == {
        (service_of(1), "10.1.16.10"): False,
        (service_of(1), "10.1.16.11"): True,
        (service_of(1), "10.1.16.12"): True,
    }
    assert targets_of(scene.step({"pool/apps/s2/a/http": pool_of(SCALE, 2, 1)}), scene.planner.state) == {}
