"""EndpointSlices of an import: one source, one family, one set of ports each, and few that change."""

from federation.model.handout import Listener
from federation.model.imported import DerivedService, ListenerSlice, SourceSlice
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Endpoint, Port, Slice, Traits
from federation.plan.exports import Merged
from federation.plan.imports import BUCKET, Exporter, cluster_objects
from federation.wire.k8s.naming import derived_name
from federation.wire.k8s.render import render

WEB = ServiceKey("shop", "web")
EU = MemberName("eu-central")
HTTP = Port("http", 80)
LISTENERS = (Listener(name="http", port=80, protocol="TCP", app_protocol="", listener=10_001),)


def merged(*families: str) -> Merged:
    return Merged("ClusterSetIP", (HTTP,), Traits(families=families), ())  # type: ignore[arg-type]


def exporter(*addresses: str) -> Exporter:
    endpoints = tuple(Endpoint(address) for address in addresses)
    part = Slice(service=WEB, az="a", ports=(Port("http", 8080), Port("admin", 9)), endpoints=endpoints)
    return Exporter(member=EU, slices=(part,), ports=("http",))


def slices(*addresses: str) -> dict[tuple[str, int], set[str]]:
    found = cluster_objects(WEB, merged("IPv4"), [exporter(*addresses)], LISTENERS, (), False, ())
    sliced = [one for one in found if isinstance(one, SourceSlice)]
    assert all(one.ports == (Port("http", 8080),) for one in sliced)
    return {(one.family, one.bucket): {e.address for e in one.endpoints} for one in sliced}


def test_many_endpoints_are_spread_and_one_more_changes_one_slice() -> None:
    many = [f"10.2.{n >> 8}.{n & 255}" for n in range(1_000)]
    before, after = slices(*many), slices(*many, "10.2.200.1")
    assert set().union(*before.values()) == set(many)
    assert max(map(len, before.values())) < 4 * BUCKET
    assert sum(before[key] != after[key] for key in before) == 1


def test_families_stand_apart() -> None:
    assert slices("10.2.0.1", "fd00:2::1") == {("IPv4", 0): {"10.2.0.1"}, ("IPv6", 0): {"fd00:2::1"}}


NODES = (("n1", "192.0.2.1"), ("n2", "192.0.2.2"))


def derived(families: tuple[str, ...], nodes: tuple[tuple[str, str], ...]) -> tuple[bool, list[str]]:
    found = cluster_objects(WEB, merged(*families), [exporter()], LISTENERS, (), False, nodes)
    [service] = [one for one in found if isinstance(one, DerivedService)]
    return service.dual_stack, [one.family for one in found if isinstance(one, ListenerSlice)]


def test_the_address_is_of_both_families_where_the_nodes_listen_on_both() -> None:
    assert derived(("IPv4",), NODES) == (False, ["IPv4"])
    assert derived(("IPv4", "IPv6"), NODES) == (False, ["IPv4"])
    assert derived(("IPv4", "IPv6"), (*NODES, ("n1", "fd00::1"))) == (True, ["IPv4", "IPv6"])
    assert derived(("IPv4", "IPv6"), ()) == (True, [])


def test_names_of_the_longest_services_are_labels_and_differ() -> None:
    one, other = (ServiceKey("shop", "x" * 62 + last) for last in "ab")
    assert len(derived_name(one)) <= 63
    assert derived_name(one) != derived_name(other)


def test_ports_without_a_name_get_one_where_a_service_needs_it() -> None:
    ports = (
        Listener(name="", port=53, protocol="TCP", app_protocol="", listener=10_000),
        Listener(name="", port=53, protocol="UDP", app_protocol="", listener=10_001),
    )
    alone, both = (render(DerivedService(service=WEB, ports=some, traits=Traits())).body for some in (ports[:1], ports))
    assert alone is not None and both is not None
    assert [port["name"] for port in alone["spec"]["ports"]] == [""]
    assert [port["name"] for port in both["spec"]["ports"]] == ["tcp-53", "udp-53"]
