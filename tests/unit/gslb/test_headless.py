"""Headless imports over bytes: whose endpoints are answered, under which names; read back by dnspython."""

import dns.flags
import dns.rcode
import dns.rdatatype
import pytest
from gslb.compiler import Compiler
from gslb.headless import ADDRESSES_MAX, SRV_BYTES
from msgspec import Struct, structs

from federation.model.handout import Import
from federation.model.policy import Policy
from federation.model.record import Port
from tests.worlds.headless import DB, NAME, SQL, added, ask, headless, link_down, part, pod, serving, texts

METRICS = Port("metrics", 9100)
EAST, WEST, EU = "10.1.0.1", "10.2.0.1", "10.3.0.1"
ALL = (part("us-east", pod(EAST)), part("us-west", pod(WEST)), part("eu-central", pod(EU)))
HALF = part("us-east", pod(EAST), *(pod(f"10.1.0.{n}", ready=False) for n in (2, 3, 4)))

WHO: dict[str, tuple[dict[str, Struct], list[str]]] = {
    "local alone while it has room": (headless(*ALL), [EAST]),
    "without a local endpoint, the nearest": (headless(*ALL[1:]), [WEST]),
    "a quarter of the local ones ready: the next helps": (headless(HALF, *ALL[1:]), [EAST, WEST]),
    "none of the local ones ready": (headless(part("us-east", pod(EAST, ready=False)), *ALL[1:]), [WEST]),
    "local is drained": (headless(*ALL, draining="us-east"), [WEST]),
    "local's region is drained by the policy": (headless(*ALL, policy=Policy(drain=("us-east",))), [WEST]),
    "by the policy's order": (headless(*ALL[1:], policy=Policy(order=("eu-central",))), [EU]),
    "by the policy's weights": (headless(*ALL, policy=Policy(weights={"us-west": 1, "eu-central": 1})), [WEST, EU]),
    "the links to the nearest are down": (headless(*ALL[1:]) | link_down("us-west"), [EU]),
    "another's word on links counts nothing": (headless(*ALL[1:]) | link_down("us-west", "eu-central"), [WEST]),
    "every link is down: the words are left aside": (
        headless(*ALL[1:]) | link_down("us-west") | link_down("eu-central"),
        [WEST],
    ),
    "every zone of a member": (headless(ALL[0], part("us-east", pod("10.1.0.9"), az="b")), [EAST, "10.1.0.9"]),
}


@pytest.mark.parametrize("case", WHO)
def test_the_bare_name_has_the_ready_endpoints_of_whom_the_law_chooses(case: str) -> None:
    values, wanted = WHO[case]
    response = ask(serving(values), NAME, "A")
    assert response.rcode() == dns.rcode.NOERROR
    assert response.flags & dns.flags.AA
    assert texts(response) == sorted(wanted)
    assert response.answer[0].ttl == 5


def test_candidates_that_the_slices_contradict_leave_no_name_empty() -> None:
    values = headless(*ALL)
    item = values[f"import/{DB}"]
    assert isinstance(item, Import)
    values[f"import/{DB}"] = structs.replace(item, candidates=())
    assert texts(ask(serving(values), NAME, "A")) == [EAST, WEST, EU]


def test_who_comes_back_by_the_ramp_is_answered_again_when_it_is_his_turn() -> None:
    values = headless(*ALL[:2])
    item = values[f"import/{DB}"]
    assert isinstance(item, Import)
    back = structs.replace(item.candidates[0], floor=0, since=1_000)
    values[f"import/{DB}"] = structs.replace(item, candidates=(back, *item.candidates[1:]))
    server = serving(values)
    assert [texts(ask(server, NAME, "A", now=now)) for now in (2_000, 11_000, 101_000)] == [
        [WEST],
        [EAST, WEST],
        [EAST],
    ]


DUAL = (
    part("us-east", pod("10.1.0.1", "db-0"), pod("10.1.0.2", "db-1"), ports=(SQL, METRICS)),
    part("us-east", pod("fd00:1::1", "db-0"), ports=(SQL, METRICS), az="b"),
    part("us-west", pod("10.2.0.1", "db-0"), pod("10.2.0.9", "db-9", ready=False)),
    part("eu-central", pod("10.3.0.1"), pod("fd00:3::1")),
)
ANSWERS = {
    ("bare, IPv4", NAME, "A"): ["10.1.0.1", "10.1.0.2"],
    ("bare, IPv6, of the same members", NAME, "AAAA"): ["fd00:1::1"],
    ("case does not matter", NAME.upper(), "A"): ["10.1.0.1", "10.1.0.2"],
    ("ANY is one RRset", NAME, "ANY"): ["10.1.0.1", "10.1.0.2"],
    ("host name", f"db-0.us-east.{NAME}", "A"): ["10.1.0.1"],
    ("both families of a host name", f"db-0.us-east.{NAME}", "AAAA"): ["fd00:1::1"],
    ("the same host name elsewhere", f"db-0.us-west.{NAME}", "A"): ["10.2.0.1"],
    ("an address as host name", f"10-3-0-1.eu-central.{NAME}", "A"): ["10.3.0.1"],
    ("an IPv6 address as host name", f"fd00-3--1.eu-central.{NAME}", "AAAA"): ["fd00:3::1"],
    ("SRV at the bare name", NAME, "SRV"): [
        f"0 10 {port} db-{n}.us-east.{NAME}" for port in (5432, 9100) for n in (0, 1)
    ],
    ("SRV of a port", f"_sql._tcp.{NAME}", "SRV"): [f"0 10 5432 db-{n}.us-east.{NAME}" for n in (0, 1)],
    ("SRV of another", f"_metrics._tcp.{NAME}", "SRV"): [f"0 10 9100 db-{n}.us-east.{NAME}" for n in (0, 1)],
}


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case[0])
def test_a_name_with_data_is_answered_with_authority(case: tuple[str, str, str]) -> None:
    response = ask(serving(headless(*DUAL)), *case[1:])
    assert response.rcode() == dns.rcode.NOERROR
    assert response.flags & dns.flags.AA
    assert texts(response) == ANSWERS[case]


NEGATIVE = {
    "the member form has no address": (f"us-east.{NAME}", "A", dns.rcode.NOERROR),
    "nor any other type": (f"us-east.{NAME}", "SRV", dns.rcode.NOERROR),
    "a member without the service": (f"ap-south.{NAME}", "A", dns.rcode.NXDOMAIN),
    "an endpoint that is not ready": (f"db-9.us-west.{NAME}", "A", dns.rcode.NXDOMAIN),
    "no such host": (f"db-7.us-east.{NAME}", "A", dns.rcode.NXDOMAIN),
    "a host of another member": (f"db-1.us-west.{NAME}", "A", dns.rcode.NXDOMAIN),
    "below a host": (f"x.db-0.us-east.{NAME}", "A", dns.rcode.NXDOMAIN),
    "a host without that family": (f"db-1.us-east.{NAME}", "AAAA", dns.rcode.NOERROR),
    "above a port": (f"_tcp.{NAME}", "SRV", dns.rcode.NOERROR),
    "a protocol without ports": (f"_udp.{NAME}", "SRV", dns.rcode.NXDOMAIN),
    "a port of the other protocol": (f"_sql._udp.{NAME}", "SRV", dns.rcode.NXDOMAIN),
    "no such port": (f"_none._tcp.{NAME}", "SRV", dns.rcode.NXDOMAIN),
    "a port has no address": (f"_sql._tcp.{NAME}", "A", dns.rcode.NOERROR),
    "TXT": (NAME, "TXT", dns.rcode.NOERROR),
    "another service": ("other.shop.svc.clusterset.local.", "A", dns.rcode.NXDOMAIN),
    "the namespace": ("shop.svc.clusterset.local.", "A", dns.rcode.NOERROR),
}


@pytest.mark.parametrize("case", NEGATIVE)
def test_a_negative_answer_carries_the_soa(case: str) -> None:
    name, kind, code = NEGATIVE[case]
    response = ask(serving(headless(*DUAL)), name, kind)
    assert response.rcode() == code
    assert response.answer == []
    assert [(rrset.rdtype, rrset.ttl) for rrset in response.authority] == [(dns.rdatatype.SOA, 5)]


@pytest.mark.parametrize("name", [NAME, f"_sql._tcp.{NAME}", f"us-east.{NAME}", "shop.svc.clusterset.local."])
def test_with_nobody_ready_anywhere_no_name_exists(name: str) -> None:
    server = serving(headless(part("us-east", pod(EAST, "db-0", ready=False))))
    assert ask(server, name, "A").rcode() == dns.rcode.NXDOMAIN


def test_an_srv_answer_brings_the_addresses_of_its_targets() -> None:
    found = added(ask(serving(headless(*DUAL)), f"_sql._tcp.{NAME}", "SRV"))
    assert found == [
        f"db-0.us-east.{NAME} 10.1.0.1",
        f"db-0.us-east.{NAME} fd00:1::1",
        f"db-1.us-east.{NAME} 10.1.0.2",
    ]


def test_a_port_that_only_another_member_has_is_answered_from_there() -> None:
    server = serving(headless(part("us-east", pod(EAST)), part("us-west", pod(WEST), ports=(SQL, METRICS))))
    assert texts(ask(server, f"_metrics._tcp.{NAME}", "SRV")) == [f"0 10 9100 10-2-0-1.us-west.{NAME}"]
    assert texts(ask(server, f"_sql._tcp.{NAME}", "SRV")) == [f"0 10 5432 10-1-0-1.us-east.{NAME}"]


def test_an_unnamed_port_has_a_record_at_the_bare_name_only() -> None:
    server = serving(headless(part("us-east", pod(EAST), ports=(Port("", 7000),))))
    assert texts(ask(server, NAME, "SRV")) == [f"0 10 7000 10-1-0-1.us-east.{NAME}"]
    assert ask(server, f"_tcp.{NAME}", "SRV").rcode() == dns.rcode.NXDOMAIN


def test_without_ports_there_are_addresses_and_no_srv() -> None:
    server = serving(headless(part("us-east", pod(EAST), ports=())))
    assert texts(ask(server, NAME, "A")) == [EAST]
    assert ask(server, NAME, "SRV").rcode() == dns.rcode.NOERROR


def test_an_answer_that_does_not_fit_udp_is_truncated_and_whole_on_tcp() -> None:
    server = serving(headless(part("us-east", *(pod(f"10.1.1.{n}") for n in range(200)))))
    short = ask(server, NAME, "A")
    assert short.flags & dns.flags.TC
    assert short.answer == []
    assert len(texts(ask(server, NAME, "A", tcp=True))) == 200


def test_beyond_what_one_answer_holds_the_nearest_are_answered_in_both_families_alike() -> None:
    four = part("us-east", *(pod(f"10.1.{n // 250}.{n % 250}", f"h{n}") for n in range(ADDRESSES_MAX)))
    six = part("us-east", *(pod(f"fd00:1::{n:x}", f"h{n}") for n in range(ADDRESSES_MAX)), az="b")
    server = serving(headless(four, six))
    found = {kind: ask(server, NAME, kind, tcp=True) for kind in ("A", "AAAA", "SRV")}
    assert not any(response.flags & dns.flags.TC for response in found.values())
    v4 = {address.removeprefix("10.1.") for address in texts(found["A"])}
    v6 = {int(address.rpartition("::")[2] or "0", 16) for address in texts(found["AAAA"])}
    assert v4 == {f"{n // 250}.{n % 250}" for n in v6}
    assert len(v4) == len(texts(found["SRV"])) == ADDRESSES_MAX // 2


def test_srv_records_of_many_ports_stay_within_one_message() -> None:
    ports = tuple(Port(f"port-{n}", 7000 + n) for n in range(20))
    server = serving(headless(part("us-east", *(pod(f"10.1.1.{n}") for n in range(100)), ports=ports)))
    response = ask(server, NAME, "SRV", tcp=True)
    assert not response.flags & dns.flags.TC
    size = len(response.to_wire())
    assert SRV_BYTES * 0.9 < size < 65_535


def test_many_endpoints_of_one_host_name_take_no_more_than_one_answer() -> None:
    pods = (pod(f"10.1.{n // 250}.{n % 250}", "same") for n in range(2 * ADDRESSES_MAX))
    server = serving(headless(part("us-east", *pods)))
    assert len(texts(ask(server, f"same.us-east.{NAME}", "A", tcp=True))) == ADDRESSES_MAX
    assert len(texts(ask(server, NAME, "A", tcp=True))) == ADDRESSES_MAX


def test_a_name_that_is_too_long_is_said_and_its_endpoint_is_still_answered() -> None:
    slices = part("us-east", pod(EAST, "h" * 63), pod("10.1.0.2", "ok"))
    values = headless(slices)
    item = values[f"import/{DB}"]
    assert isinstance(item, Import)
    service = structs.replace(DB, namespace="n" * 63, name="s" * 63)
    moved = {
        f"import/{service}": structs.replace(item, service=service),
        "slice": structs.replace(slices, service=service),
    }
    long = structs.replace(moved["slice"], member="m" * 63)
    server = serving({"site": values["site"], f"import/{service}": moved[f"import/{service}"], "headless/one": long})
    name = f"{'h' * 63}.{'m' * 63}.{service.host}"
    assert server.table.problems == (
        f'headless import {service}: 1 of its endpoints\' names are longer than 253 characters, the first "{name}": '
        "they are not served; give these pods shorter host names",
    )
    assert texts(ask(server, f"{service.host}.", "A")) == [EAST, "10.1.0.2"]
    assert texts(ask(server, f"{service.host}.", "SRV")) == [f"0 10 5432 ok.{'m' * 63}.{service.host}."]


def test_only_the_service_of_a_changed_slice_is_compiled_again() -> None:
    compiler, values = Compiler(), headless(*DUAL)
    other = structs.replace(DB, name="other")
    item = values[f"import/{DB}"]
    assert isinstance(item, Import)
    values[f"import/{other}"] = structs.replace(item, service=other)
    values["headless/other"] = structs.replace(DUAL[0], service=other)
    before = compiler.compile(values, 1)
    again = compiler.compile(values | {"headless/more": part("us-west", pod("10.2.0.7"), az="c")}, 2)
    assert again.headless[other.host] is before.headless[other.host]
    assert f"10-2-0-7.us-west.{DB.host}" in again.headless[DB.host].hosts
    less = compiler.compile({key: value for key, value in values.items() if "us-west" not in key}, 3)
    assert not any("us-west" in name for name in less.headless[DB.host].hosts)
