"""What the conformance suite of the Multi-Cluster Services API asks of DNS (specs 22 to 27), over bytes."""

import dns.flags
import dns.rcode
import pytest
from gslb.steer import Steering

from federation.model.handout import Candidate, Import, Listener
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Port
from tests.worlds.headless import NAME, added, ask, headless, part, pod, serving, texts

HELLO = "hello.shop.svc.clusterset.local."
VIPS = {"IPv4": ("10.101.0.5",), "IPv6": ("fd00:101::5",), "both": ("10.101.0.5", "fd00:101::5")}


def hello(addresses: tuple[str, ...]) -> Steering:
    """The suite's service: the ports tcp/42 and udp/42, and one without a name."""
    ports = ("tcp", 42, "TCP"), ("udp", 42, "UDP"), ("", 43, "TCP")
    item = Import(
        service=ServiceKey("shop", "hello"),
        kind="ClusterSetIP",
        addresses=addresses,
        ports=tuple(Listener(name=n, port=p, protocol=t, app_protocol="", listener=1) for n, p, t in ports),  # type: ignore[arg-type]
        candidates=(Candidate(member=MemberName("us-west"), region="us-west", cost=1, ready=1, total=1),),
    )
    return serving({f"import/{item.service}": item})


@pytest.mark.parametrize("families", VIPS)
def test_spec_22_the_name_has_the_clusterset_ip_of_each_family(families: str) -> None:
    server, vips = hello(VIPS[families]), VIPS[families]
    assert texts(ask(server, HELLO, "A")) == [one for one in vips if ":" not in one]
    assert texts(ask(server, HELLO, "AAAA")) == [one for one in vips if ":" in one]
    assert ask(server, HELLO, "A").rcode() == ask(server, HELLO, "AAAA").rcode() == dns.rcode.NOERROR


def test_spec_23_srv_at_the_bare_name_is_one_record_for_a_port_of_two_protocols() -> None:
    found = ask(hello(VIPS["both"]), HELLO, "SRV")
    assert texts(found) == [f"0 10 42 {HELLO}", f"0 10 43 {HELLO}"]
    assert added(found) == [f"{HELLO} 10.101.0.5", f"{HELLO} fd00:101::5"]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_spec_23_a_named_port_has_a_record_of_its_own(protocol: str) -> None:
    assert texts(ask(hello(VIPS["IPv4"]), f"_{protocol}._{protocol}.{HELLO}", "SRV")) == [f"0 10 42 {HELLO}"]


@pytest.mark.parametrize("name", [f"_43._tcp.{HELLO}", f"_udp._tcp.{HELLO}"])
def test_spec_23_no_other_name_of_a_port_exists(name: str) -> None:
    assert ask(hello(VIPS["IPv4"]), name, "SRV").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    "name", ["hello.shop.svc.cluster.local.", "cluster.local.", "kubernetes.default.svc.cluster.local."]
)
def test_spec_24_cluster_local_stays_the_clusters_own(name: str) -> None:
    found = ask(hello(VIPS["IPv4"]), name, "A")
    assert found.rcode() == dns.rcode.REFUSED
    assert not found.flags & dns.flags.AA
    assert found.answer == []


def test_spec_25_a_headless_name_has_every_pods_address() -> None:
    server = serving(
        headless(part("us-west", pod("10.2.0.1"), pod("10.2.0.2")), part("us-west", pod("fd00:2::1"), az="b"))
    )
    assert texts(ask(server, NAME, "A")) == ["10.2.0.1", "10.2.0.2"]
    assert texts(ask(server, NAME, "AAAA")) == ["fd00:2::1"]


@pytest.mark.parametrize(("number", "address"), [(0, "10.2.0.1"), (1, "10.2.0.2")])
def test_spec_26_a_pod_with_a_host_name_has_a_name_of_its_own(number: int, address: str) -> None:
    server = serving(headless(part("us-west", pod("10.2.0.1", "db-0"), pod("10.2.0.2", "db-1"))))
    assert texts(ask(server, f"db-{number}.us-west.{NAME}", "A")) == [address]


PORTS = (Port("tcp", 42), Port("udp", 42, "UDP"))
TARGETS = {
    "host names": ((pod("10.2.0.1", "db-0"), pod("10.2.0.2", "db-1")), ["db-0", "db-1"]),
    "IPv4 addresses": ((pod("10.2.0.1"), pod("10.2.0.2")), ["10-2-0-1", "10-2-0-2"]),
    "IPv6 addresses": ((pod("fd00:2::1"), pod("fd00:2::2")), ["fd00-2--1", "fd00-2--2"]),
}


@pytest.mark.parametrize("case", TARGETS)
def test_spec_27_headless_srv_at_the_bare_name_is_one_record_an_endpoint(case: str) -> None:
    pods, prefixes = TARGETS[case]
    found = ask(serving(headless(part("us-west", *pods, ports=PORTS))), NAME, "SRV")
    assert texts(found) == [f"0 10 42 {prefix}.us-west.{NAME}" for prefix in prefixes]


@pytest.mark.parametrize("member", ["us-west", "us-east"])
@pytest.mark.parametrize("kind", ["A", "AAAA", "SRV", "TXT", "ANY"])
def test_a_members_name_has_no_record_of_any_type(member: str, kind: str) -> None:
    bare = serving(headless(part("us-west", pod("10.2.0.1", "db-0"))))
    assert ask(bare, f"{member}.{NAME}", kind).answer == []
    assert ask(hello(VIPS["both"]), f"{member}.{HELLO}", kind).rcode() == dns.rcode.NXDOMAIN


def test_the_schema_has_a_version() -> None:
    found = ask(hello(VIPS["both"]), "dns-version.clusterset.local.", "TXT")
    assert (texts(found), found.answer[0].ttl) == (['"1.0.0"'], 28_800)
