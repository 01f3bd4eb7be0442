"""What `isthmus gateway verify` says of what was measured: exact texts, and the JUnit report."""

from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from msgspec import structs

from federation.model.errors import InputError
from gateways.bench.result import Carried, LinkResult, Trips
from gateways.gateway_cli import gateway
from gateways.probe.sizes import SIZES
from gateways.tunnel_view import PeerView, TunnelView
from gateways.verify import Check, Measured, Verdict, checks, junit, throughput
from gateways.verifying import verified

PEER = PeerView(
    member="us-west",
    gateway=1,
    state="up",
    key="k",
    endpoint="192.0.2.2:51820",
    recorded="192.0.2.2:51820",
    overlay="fd49:7374:0:2::1",
    allowed=("fd49:7374:0:2::/64",),
    keepalive=10,
    mtu=1420,
    handshake_age=12,
    rx=0,
    tx=0,
)
GOOD = Measured(trips=(0.06, 0.061, 0.0625, 0.09), sizes=frozenset(SIZES), large=True, door=0.0613)
VIEW = TunnelView(
    member="us-east", node="gw1", device="ist0", up=True, mtu=1420, addresses=(), port=51820, key="k", peers=(PEER,)
)

FINDINGS: dict[str, tuple[PeerView, Measured, dict[str, tuple[Verdict, str]]]] = {
    "good": (
        PEER,
        GOOD,
        {
            "handshake": ("ok", "12 s ago, with 192.0.2.2:51820"),
            "echo": ("ok", "0 % of 4 lost; least 60.00, median 61.75, p99 90.00 ms"),
            "size": ("ok", "packets of 1420 bytes get there whole"),
            "fragments": ("ok", "an echo of 3000 bytes came back"),
            "door": ("ok", "open, connected in 61.30 ms"),
        },
    ),
    "dead": (
        structs.replace(PEER, state="silent", handshake_age=-1),
        Measured(trips=(None, None), sizes=frozenset(), large=False, door=None),
        {
            "handshake": (
                "failed",
                "never, with 192.0.2.2:51820: is its UDP port open both ways, and its clock not set back?",
            ),
            "echo": ("failed", "none of 2 came back"),
            "size": ("failed", "packets of 1280 bytes, which IPv6 needs, do not get there"),
            "fragments": ("failed", "an echo of 3000 bytes did not come back"),
            "door": ("skipped", "closed: it offers nothing to us, or its Envoy does not run"),
        },
    ),
    "narrow and lossy": (
        structs.replace(PEER, state="silent", handshake_age=200, endpoint=""),
        structs.replace(GOOD, trips=(0.06,) * 9 + (None,), sizes=frozenset((1280, 1312, 1328))),
        {
            "handshake": (
                "failed",
                "200 s ago, with an unknown endpoint: is its UDP port open both ways, and its clock not set back?",
            ),
            "echo": ("failed", "10 % of 10 lost; least 60.00, median 60.00, p99 60.00 ms"),
            "size": (
                "ok",
                "packets of 1328 bytes get there whole of 1420: the underlay has a smaller MTU, and TCP keeps to it; "
                "lost below that: 1296",
            ),
        },
    ),
    "behind NAT": (
        structs.replace(PEER, state="silent", handshake_age=-1, sighted=("198.51.100.7:4000",)),
        GOOD,
        {
            "handshake": (
                "failed",
                f"never, with {PEER.endpoint}: is its UDP port open both ways, and its clock not set back?; others hear "
                "it at 198.51.100.7:4000, which is tried as well",
            )
        },
    ),
    "missing": (
        structs.replace(PEER, state="missing"),
        GOOD,
        {"handshake": ("failed", "the device lacks this peer: is the agent running?")},
    ),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_each_finding_is_a_verdict_and_a_line(case: str) -> None:
    peer, measured, texts = FINDINGS[case]
    found = {check.name: (check.verdict, check.text) for check in checks(peer, measured)}
    assert found.keys() == FINDINGS["good"][2].keys()
    assert {name: found[name] for name in texts} == texts


def test_the_report_for_ci_systems_counts_failures() -> None:
    peer, measured, _ = FINDINGS["dead"]
    suite = ElementTree.fromstring(junit([*checks(PEER, GOOD), *checks(peer, measured)], 2.5))
    assert suite.attrib == {
        "name": "isthmus gateway verify",
        "tests": "10",
        "failures": "4",
        "skipped": "1",
        "time": "2.500",
    }
    assert suite[5].attrib == {"classname": "us-west gateway 1", "name": "handshake"}
    assert suite[5][0].tag == "failure" and suite[9][0].tag == "skipped"


def test_a_member_without_a_link_is_named_with_those_that_have_one() -> None:
    with pytest.raises(InputError) as caught:
        verified([VIEW], "mars", 1)
    assert str(caught.value) == 'E104 --member "mars": no link to it; members with links: us-west'


@pytest.mark.parametrize("count", ["0", "1001", "x"])
def test_a_count_out_of_range_is_refused(count: str) -> None:
    done = CliRunner().invoke(gateway, ("verify", "--state", "s", "--count", count))
    assert done.exit_code == 2 and "'--count'" in done.output


def test_throughput_is_a_finding_where_it_was_asked_for() -> None:
    trips = Trips(0.3, 0.41, 0.9, 0.0)
    carried = Carried(mbit=312.04, bytes=1_420, window=64, seconds=2.0, own=0.31, trips=trips)
    found = LinkResult(member="eu-central", gateway=1, idle=trips, carried=carried)
    said = "312.0 Mbit/s each way; under load median 0.41 ms"
    assert throughput(PEER, found) == Check(PEER.name, "throughput", "ok", said)
    busy = structs.replace(found, carried=structs.replace(carried, own=0.95))
    assert throughput(PEER, busy).text == f"{said}; the link may carry more"
    assert throughput(PEER, structs.replace(found, carried=None)) == Check(
        PEER.name, "throughput", "failed", "nothing came back"
    )
