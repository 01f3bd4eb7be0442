"""What a gRPC program without a proxy is given: endpoints at home, or the node proxy's listener."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, structs

from federation.model.policy import Affinity
from federation.model.record import Endpoint
from federation.model.resilience import Resilience, Timeouts
from gateways.intent import intend
from gateways.proxyless import Proxyless
from gateways.render.envoy.proxyless import proxyless_parts
from gateways.state import NodeState, ServiceState
from gateways.xds.encode import Encoder
from gateways.xds.messages import CDS, EDS, LDS, RDS
from tests.unit.gateways.test_intent import CLIENT, EU, EU_PEER, NODE, US
from tests.worlds.two_members import WEB, candidate, keyed, site, web_import, web_pool

NAME = "web.shop.svc.clusterset.local:80"
PROXY = [("10.1.0.1", 16001)]
READY = (Endpoint("10.1.1.1"), Endpoint("10.1.1.2"))


def state(*endpoints: Endpoint, remote: int = 4, protocol: str = "grpc", **policy: Any) -> NodeState:
    total = len(endpoints)
    ready = sum(one.state == "ready" for one in endpoints)
    web = web_import(candidate(US, ready, total, cost=0), candidate(EU, remote, remote, cost=90), app_protocol=protocol)
    web = structs.replace(web, policy=structs.replace(web.policy, **policy))
    return intend(NODE, keyed(site(US), EU_PEER, web, web_pool(*endpoints), CLIENT))


def addresses(item: ServiceState) -> list[tuple[str, int]]:
    (part,) = [one for one in proxyless_parts(item) if one.kind == EDS]
    content: Any = part.content()
    (place,) = content["endpoints"]
    assert place["load_balancing_weight"] == 1_000_000 and "priority" not in place
    found = [one["endpoint"]["address"]["socket_address"] for one in place["lb_endpoints"]]
    return [(one["address"], one["port_value"]) for one in found]


def test_all_at_home_is_reached_directly() -> None:
    item = state(*READY).services[WEB]
    assert addresses(item) == [("10.1.1.1", 8080), ("10.1.1.2", 8080)]
    assert [(part.kind, part.name) for part in proxyless_parts(item)] == [(one, NAME) for one in (LDS, RDS, CDS, EDS)]


@pytest.mark.parametrize(
    ("why", "found"),
    [
        ("another member has a share", state(READY[0], Endpoint("10.1.1.2", "unready"))),
        ("nobody is ready at home", state(Endpoint("10.1.1.1", "unready"))),
        ("the policy has a timeout", state(*READY, resilience=Resilience(timeouts=Timeouts(request=100)))),
        ("the policy has affinity", state(*READY, affinity=Affinity())),
    ],
)
def test_the_node_proxy_takes_what_grpc_cannot(why: str, found: NodeState) -> None:
    assert addresses(found.services[WEB]) == PROXY, why


def test_2_7_14_an_address_in_two_zones_comes_once() -> None:
    web = web_import(candidate(US, 2, 2, cost=0), app_protocol="grpc")
    pools = web_pool(READY[0]), web_pool(READY[0], az="b")
    item = intend(NODE, keyed(site(US), EU_PEER, web, *pools, CLIENT)).services[WEB]
    assert addresses(item) == [("10.1.1.1", 8080)]


def test_unready_and_draining_endpoints_are_not_given() -> None:
    found = state(
        *(Endpoint(f"10.1.1.{n}") for n in range(8)), Endpoint("10.1.2.1", "unready"), Endpoint("10.1.2.2", "draining")
    )
    assert {address[:7] for address, _ in addresses(found.services[WEB])} == {"10.1.1."}


def test_plain_tcp_is_not_for_grpc() -> None:
    assert list(proxyless_parts(state(*READY, protocol="tcp").services[WEB])) == []


def test_every_resource_is_a_valid_message() -> None:
    encoded = Encoder().encode({"web": tuple(proxyless_parts(state(*READY).services[WEB]))})
    assert encoded.problems == () and len(encoded.changed) == 4
    assert encoded.snapshot[CDS][NAME].follows == (NAME,)


class Offered(Proxyless):
    """Remembers what was offered."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere/workload.sock"))
        self.said: list[tuple[set[str], int]] = []
        assert self._server is not None
        self._server.offer = self._said  # type: ignore[method-assign, assignment]

    def _said(self, snapshot: dict[str, dict[str, Struct]], changed: frozenset[tuple[str, str]]) -> None:
        self.said.append((set(snapshot[LDS]), len(changed)))


def test_only_what_was_touched_is_offered_and_unknown_is_not_empty() -> None:
    proxyless, known, unknown = Offered(), state(*READY), NodeState(situation=NODE, known=False)
    without = structs.replace(known, services={})
    for now, touched in [
        (unknown, ()),
        (known, (WEB,)),
        (known, ()),
        (state(READY[0]), (WEB,)),
        (unknown, (WEB,)),
        (without, ()),
    ]:
        proxyless.note(touched)
        asyncio.run(proxyless.offer(now))
    assert proxyless.said == [({NAME}, 4), ({NAME}, 1), (set(), 4)]
