"""Whole renders of a few worlds against files under tests/golden/gateways; ISTHMUS_GOLDEN=write rewrites them."""

import json
import os
from pathlib import Path

import pytest
from msgspec import structs

from federation.model.handout import Workload
from federation.model.record import Endpoint
from gateways.intent import intend
from gateways.render.envoy.bootstrap import bootstrap
from gateways.render.envoy.resources import NODE as NODE_GROUP
from gateways.render.envoy.resources import Groups, grouped, resources
from gateways.show import HIDDEN, document
from gateways.state import NodeState, Telemetry
from gateways.xds.encode import Encoder
from gateways.xds.messages import CDS, EDS, LDS, SDS
from tests.unit.gateways.test_intent import AP, CLIENT, EU, EU_PEER, GATEWAY, NODE, US, gateway
from tests.worlds.policies import FULL
from tests.worlds.two_members import candidate, keyed, peer, site, web_import, web_offer, web_pool

GOLDEN = Path(__file__).parents[2] / "golden" / "gateways"


def node_with_spill() -> NodeState:
    """Two of four ready at home, a pair of gateways abroad, a third member, two workloads, HTTP."""
    states = ("ready", "ready", "unready", "draining")
    pool = web_pool(*(Endpoint(f"10.1.1.{i}", state) for i, state in enumerate(states)))  # type: ignore[arg-type]
    pair = structs.replace(EU_PEER, gateways=(gateway(1, b"a" * 32), gateway(2, b"b" * 32)))
    web = web_import(candidate(US, 2, 4, 0), candidate(EU, 4, 4, 90), candidate(AP, 3, 3, 200))
    robot = Workload("shop", "robot", ("10.1.0.20", "10.1.0.21"))
    return intend(NODE, keyed(site(US), pair, peer(AP, "192.0.2.3:51820"), web, pool, CLIENT, robot))


def gateway_with_tcp_offer() -> NodeState:
    """Two peers, one offered port of plain TCP."""
    values = keyed(site(US), EU_PEER, peer(AP, "192.0.2.3:51820"), web_offer(""), web_pool(Endpoint("10.1.1.1")))
    return intend(GATEWAY, values)


TOLD = Telemetry(otlp="127.0.0.1:4317", access_log="/var/log/isthmus.json")


def node_with_full_policy() -> NodeState:
    """One workload, and a policy in which nothing is left to defaults; traces and logs are told."""
    web = structs.replace(web_import(candidate(US, 1, 1, 0), candidate(EU, 4, 4, 90)), policy=FULL)
    here = structs.replace(NODE, telemetry=TOLD)
    return intend(here, keyed(site(US), EU_PEER, web, web_pool(Endpoint("10.1.1.1")), CLIENT))


def gateway_with_full_policy() -> NodeState:
    """The same policy as the exporter's own."""
    offer = structs.replace(web_offer(), policy=FULL)
    here = structs.replace(GATEWAY, telemetry=TOLD)
    return intend(here, keyed(site(US), EU_PEER, offer, web_pool(Endpoint("10.1.1.1"))))


WORLDS = {
    made.__name__: made
    for made in (node_with_spill, gateway_with_tcp_offer, node_with_full_policy, gateway_with_full_policy)
}


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_render(name: str) -> None:
    text = json.dumps(document(WORLDS[name]()), indent=1, sort_keys=True) + "\n"
    path = GOLDEN / f"{name}.json"
    if os.environ.get("ISTHMUS_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def all_of(state: NodeState) -> Groups:
    return grouped(state, {str(identity): HIDDEN for identity in state.identities})


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_every_resource_is_a_valid_message_and_encodes_once(name: str) -> None:
    encoder = Encoder()
    first = encoder.encode(all_of(WORLDS[name]()))
    assert first.problems == ()
    assert first.changed == {(kind, key) for kind in first.snapshot for key in first.snapshot[kind]}
    again = encoder.encode(all_of(WORLDS[name]()))
    assert again.changed == frozenset()
    assert all(again.snapshot[kind] is first.snapshot[kind] for kind in first.snapshot)
    assert first.snapshot == Encoder().encode(all_of(WORLDS[name]())).snapshot


def test_an_invalid_resource_keeps_its_last_good_form_and_is_told_until_it_is_good() -> None:
    groups = all_of(gateway_with_tcp_offer())
    encoder = Encoder()
    good = encoder.encode(groups)
    broken = tuple(
        structs.replace(part, render=lambda *_: {"no_such_field": 1}, made_of=()) if part.name == "gateway" else part
        for part in groups[NODE_GROUP]
    )
    bad = encoder.encode({NODE_GROUP: broken})
    assert bad.snapshot == good.snapshot and bad.changed == frozenset()
    line = 'E190 Listener gateway is no valid message: envoy.config.listener.v3.Listener has no field "no_such_field"'
    assert bad.problems == (line,)
    assert encoder.encode({"shop/web": groups["shop/web"]}).problems == (line,)
    assert encoder.encode({NODE_GROUP: groups[NODE_GROUP]}).problems == ()


def test_a_changed_endpoint_changes_one_load_assignment() -> None:
    def groups(address: str) -> Groups:
        return all_of(intend(GATEWAY, keyed(site(US), EU_PEER, web_offer(""), web_pool(Endpoint(address)))))

    encoder = Encoder()
    before = encoder.encode(groups("10.1.1.1")).snapshot
    after = encoder.encode({"shop/web": groups("10.1.1.2")["shop/web"]})
    assert after.changed == {(EDS, "in/shop/web/http")}
    assert before[EDS]["in/shop/web/http"].version != after.snapshot[EDS]["in/shop/web/http"].version
    assert all(after.snapshot[kind] is before[kind] for kind in (CDS, LDS, SDS))


def test_a_group_that_is_gone_takes_its_resources_along() -> None:
    groups = all_of(node_with_spill())
    encoder = Encoder()
    encoder.encode(groups)
    gone = encoder.encode({"shop/web": ()})
    assert gone.changed == {(part.kind, part.name) for part in groups["shop/web"]}
    assert gone.snapshot[CDS] == gone.snapshot[EDS] == gone.snapshot[LDS] == {} and gone.snapshot[SDS]


def test_identities_without_a_certificate_hold_nothing_else_back() -> None:
    state = node_with_spill()
    client = {str(state.identities[0]): HIDDEN}
    made = resources(state, client)
    names = [name for by_name in made.values() for name in by_name]
    assert not [name for name in names if "robot" in name]
    assert "out/shop/web/http/ns/default/sa/client" in names


def test_the_bootstrap_asks_for_no_secret_over_the_stream() -> None:
    text = json.dumps(bootstrap("n1", "us-east", "us", "/run/x/xds.sock", "/run/x/admin.sock"))
    assert "sds_config" not in text and '"ads"' in text
