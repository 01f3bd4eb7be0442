"""What sidecars hold: the clusters of a workload, on loopback, without an identity, a leaf or a key."""

import json

from msgspec import Struct, structs

from federation.model.handout import Import
from federation.model.names import ServiceKey
from federation.model.policy import Policy, Portion
from federation.model.record import Endpoint
from federation.model.spiffe import SpiffeId, account, agent_id, gateway_id, parse_spiffe, xds_id
from gateways.evidence import NOTHING
from gateways.planner import Planner
from gateways.render.envoy.common import ADS, CDS, EDS, LDS, RDS, SDS, WORKLOAD_API, leaf_secret
from gateways.render.envoy.resources import Groups
from gateways.render.envoy.sidecar import Wanted, sidecar_bootstrap
from gateways.sidecar import is_workload, sidecar_groups
from gateways.state import NodeState, Situation
from tests.unit.gateways.test_intent import EU, EU_PEER, US
from tests.worlds.two_members import DOMAIN, candidate, keyed, site, web_import, web_pool

HERE = Situation(node="x1", role="xds", member="us-east", domain=DOMAIN, address="127.0.0.1")
HOME = web_pool(Endpoint("10.1.1.1"))
OWN = US.domain


def values(app_protocol: str = "http", addresses: tuple[str, ...] = ("10.96.0.1",)) -> dict[str, Struct]:
    web = web_import(candidate(US, 1, 1, cost=0), candidate(EU, 1, 1), app_protocol=app_protocol)
    return keyed(site(US), EU_PEER, structs.replace(web, addresses=addresses), HOME)


def planned(content: dict[str, Struct]) -> NodeState:
    planner = Planner(HERE)
    planner.step(content, NOTHING)
    return planner.state


def rendered(state: NodeState) -> dict[tuple[str, str], str]:
    groups = sidecar_groups(state, state.services, whole=True)
    return {(part.kind, part.name): json.dumps(part.content()) for parts in groups.values() for part in parts}


def test_a_sidecar_holds_one_listener_and_one_cluster_a_port() -> None:
    found = rendered(planned(values()))
    assert sorted(name for kind, name in found if kind == LDS) == ["out/shop/web/http"]
    for kind in (CDS, EDS, RDS):
        assert [name for one, name in found if one == kind] == ["out/shop/web/http/bearer"]
    listener = json.loads(found[LDS, "out/shop/web/http"])
    assert listener["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 16001}
    assert "filter_chains" not in listener or listener["filter_chains"] == []


def test_tcp_goes_to_the_cluster_itself() -> None:
    found = rendered(planned(values(app_protocol="")))
    assert '"cluster": "out/shop/web/http/bearer"' in found[LDS, "out/shop/web/http"]
    assert not [name for kind, name in found if kind == RDS]


def test_2_9_no_leaf_and_no_key_is_on_the_central_port_and_no_identity_but_gateways() -> None:
    found = rendered(planned(values()))
    assert sorted(name for kind, name in found if kind == SDS) == ["anchor/eu-central", "anchor/us-east"]
    whole = "".join(found.values())
    assert "private_key" not in whole and '"tls_certificate"' not in whole
    assert whole.count("/sa/") == whole.count("/ns/isthmus/sa/gateway") > 0


def test_2_7_18_the_leaf_comes_from_the_workloads_own_node() -> None:
    cluster = json.loads(rendered(planned(values()))[CDS, "out/shop/web/http/bearer"])
    (secret,) = cluster["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificate_sds_secret_configs"]
    source = secret["sds_config"]["api_config_source"]
    assert secret["name"] == "default" and "ads" not in secret["sds_config"]
    assert source["grpc_services"][0]["envoy_grpc"] == {"cluster_name": "workload"}


def test_copies_of_requests_are_made_too() -> None:
    content = values()
    web = content["import/shop/web"]
    assert isinstance(web, Import)
    policy = Policy(mirror=Portion("member/eu-central", 500_000))
    found = rendered(planned({**content, "import/shop/web": structs.replace(web, policy=policy)}))
    assert (CDS, "out/shop/web/http/bearer/mirror") in found


def test_nothing_is_captured_so_no_address_is_of_a_wrong_family() -> None:
    state = planned(values(addresses=("fd00::1",)))
    assert state.problems == () and state.captures == ()


def test_a_change_of_one_service_makes_its_parts_and_no_others() -> None:
    planner = Planner(HERE)
    other = structs.replace(web_import(candidate(US, 1, 1), listener=16002), service=ServiceKey("shop", "db"))
    planner.step({**values(), "import/shop/db": other}, NOTHING)
    former = planner.step({"pool/shop/web/a/3": web_pool(Endpoint("10.1.1.2"))}, NOTHING)
    groups: Groups = sidecar_groups(planner.state, former, whole=False)
    assert set(groups) == {"shop/web"}
    gone = planner.step({"import/shop/db": None}, NOTHING)
    assert sidecar_groups(planner.state, gone, whole=False) == {"shop/db": ()}


def test_a_service_account_called_bearer_is_an_identity_like_any_other() -> None:
    assert leaf_secret(f"spiffe://{OWN}/ns/shop/sa/bearer")["sds_config"] == ADS
    assert leaf_secret(f"spiffe://{OWN}/bearer") == {"name": "default", "sds_config": WORKLOAD_API}


def test_who_is_a_workload() -> None:
    good = account(OWN, "shop", "web")
    assert is_workload(good, OWN)
    others = [gateway_id(OWN), xds_id(OWN), agent_id(OWN, "n1"), account("eu-central.acme.mesh", "shop", "web")]
    others += [SpiffeId(OWN, ("web",)), SpiffeId(OWN, ("ns", "shop", "sa")), SpiffeId(OWN, (*good.segments, "x"))]
    assert not [one for one in others if is_workload(one, OWN)]


def test_the_bootstrap_pins_the_central_port_and_shows_the_workloads_leaf() -> None:
    identity = parse_spiffe("spiffe://us-east.acme.mesh/ns/shop/sa/web")
    made = sidecar_bootstrap(Wanted(identity=identity, xds=("xds.example", 7445), workload="/run/w.sock", admin=9000))
    text = json.dumps(made)
    assert made["node"] == {"id": str(identity), "cluster": "us-east.acme.mesh"}
    assert '{"exact": "spiffe://us-east.acme.mesh/ns/isthmus/sa/xds"}' in text
    assert '"name": "spiffe://us-east.acme.mesh"' in text and "/run/w.sock" in text and "private" not in text
    assert "admin" not in sidecar_bootstrap(Wanted(identity=identity, xds=("10.0.0.1", 1), workload="/run/w.sock"))
