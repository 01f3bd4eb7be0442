"""Which own endpoints are probed, and how."""

import pytest

from federation.model.handout import Pool
from federation.model.names import ServiceKey
from federation.model.policy import Probe
from federation.model.record import Endpoint, Port
from federation.probing.target import Composite, Target
from gateways.checking import targets_of
from gateways.service_states import ABSENT
from gateways.services import checked_endpoints
from gateways.state import NodeState, ServiceState, Situation

WEB = ServiceKey("shop", "web")
NODE = Situation(node="n1", role="node", member="us-east", domain="acme.mesh", address="10.1.0.1")
TCP, UDP = Port("http", 8_080, "TCP"), Port("dns", 53, "UDP")
ICMP, HTTP, OTHER = Probe(kind="icmp"), Probe(path="/up"), Probe(port=9_000)


def pool(*ports: Port) -> Pool:
    endpoints = Endpoint(address="10.1.0.1", state="ready"), Endpoint(address="10.1.0.2", state="draining")
    return Pool(service=WEB, az="a", ports=ports, endpoints=endpoints)


@pytest.mark.parametrize(
    ("ports", "probe", "expected"),
    [
        ((TCP,), None, None),
        ((TCP,), HTTP, (8_080, (HTTP,), 0)),
        ((UDP, TCP), HTTP, (8_080, (HTTP,), 0)),
        ((UDP,), HTTP, None),
        ((UDP,), OTHER, (0, (OTHER,), 0)),
        ((UDP,), ICMP, (0, (ICMP,), 0)),
        ((TCP,), Probe(parts=(ICMP, HTTP, OTHER), need=2), (8_080, (ICMP, HTTP, OTHER), 2)),
        ((UDP,), Probe(parts=(ICMP, HTTP), need=1), (0, (ICMP,), 1)),
    ],
)
def test_an_endpoint_that_takes_new_requests_is_probed_where_it_has_a_port(
    ports: tuple[Port, ...], probe: Probe | None, expected: tuple[object, ...] | None
) -> None:
    found = [(one.port, one.probes, one.need) for one in checked_endpoints(WEB, [pool(*ports)], probe)]
    assert found == ([] if expected is None else [expected])


def test_each_part_goes_to_its_own_port_or_else_to_the_endpoints() -> None:
    checked = checked_endpoints(WEB, [pool(TCP)], Probe(parts=(HTTP, OTHER), need=1))
    state = NodeState(situation=NODE, services={WEB: ServiceState(checked=checked)})
    host, group = WEB.host, str(WEB)
    parts = (
        Target("10.1.0.1", 8_080, host, HTTP, group=group),
        Target("10.1.0.1", 9_000, host, OTHER, group=group),
    )
    assert targets_of({WEB: ABSENT}, state) == {(WEB, "10.1.0.1"): Composite(parts, 1)}
