"""What other members ask for does not make this server probe its own network, this machine or a port of its choice."""

from pathlib import Path

import pytest
from gslb.bounds import Bounds, own_ranges, refused
from gslb.checks import Check, checks_of
from gslb.probe_options import parse_probes
from gslb.zone import AAAA, A
from msgspec import structs

from federation.model.cidr import network_of
from federation.model.errors import InputError
from federation.model.policy import Policy, Probe, Range
from tests.worlds.public_names import SHOP, handout, site, steered, table, target

OWN = own_ranges(structs.replace(site(), reachable=("10.1.0.0/16",), local=("192.168.0.0/24", "2001:db8:aa::/64")))


def why(address: str, member: str = "us-west", probe: Probe | None = None, bounds: Bounds = Bounds()) -> str:  # noqa: B008
    """Why a target at this address is not probed by a server of us-east; "": it is."""
    policy = Policy(probe=probe)
    seen = table(handout("us-east", steered(SHOP, target(member, addresses=(address,)), policy=policy)))
    found = refused(checks_of(seen.steered[SHOP]), "us-east", OWN, bounds)
    assert set(found) <= {Check(SHOP, AAAA if ":" in address else A, member)}
    return next(iter(found.values()), "")


ASTRAY = {
    "127.0.0.1": "lies in 127.0.0.0/8, which is never an endpoint",
    "169.254.169.254": "lies in 169.254.0.0/16, which is never an endpoint",
    "0.0.0.0": "lies in 0.0.0.0/8, which is never an endpoint",
    "224.0.0.1": "lies in 224.0.0.0/4, which is never an endpoint",
    "255.255.255.255": "lies in 240.0.0.0/4, which is never an endpoint",
    "::1": "lies in ::1/128, which is never an endpoint",
    "::": "lies in ::/128, which is never an endpoint",
    "fe80::1": "lies in fe80::/10, which is never an endpoint",
    "ff02::1": "lies in ff00::/8, which is never an endpoint",
    "::ffff:127.0.0.1": "is a v4-mapped address",
    "10.1.2.3": "lies in 10.1.0.0/16, which is our own network (--probe-allow)",
    "192.168.0.7": "lies in 192.168.0.0/24, which is our own network (--probe-allow)",
    "2001:db8:aa::7": "lies in 2001:db8:aa::/64, which is our own network (--probe-allow)",
    "fd49:7374:0:1::7": "lies in fd49:7374:0:1::/64, which is our own network (--probe-allow)",
}


@pytest.mark.parametrize("address", ASTRAY)
def test_an_address_that_leads_astray_is_not_probed(address: str) -> None:
    assert why(address) == f"target {address} of us-west is not probed: {ASTRAY[address]}"


@pytest.mark.parametrize("address", ["203.0.113.7", "10.2.0.1", "2001:db8:1::1"])
def test_any_other_is(address: str) -> None:
    assert why(address) == ""


def test_our_own_member_may_be_reached_where_it_stands_but_not_at_loopback() -> None:
    assert why("10.1.2.3", "us-east") == ""
    assert why("127.0.0.1", "us-east").endswith("lies in 127.0.0.0/8, which is never an endpoint")


def test_the_operator_may_allow_what_is_his() -> None:
    allowed = Bounds(allow=(network_of("127.0.0.0/8"), network_of("10.1.2.0/24")))
    assert why("127.0.0.1", bounds=allowed) == why("10.1.2.3", bounds=allowed) == ""
    assert why("10.1.3.3", bounds=allowed)


@pytest.mark.parametrize("probe", [Probe(port=22), Probe(parts=(Probe(kind="icmp"), Probe(port=22)))])
def test_a_port_that_is_not_for_probes_is_left_alone(probe: Probe) -> None:
    text = "port 22 is not among 80, 443, 1024-65535 (--probe-ports)"
    assert why("203.0.113.7", probe=probe) == f"target 203.0.113.7 of us-west is not probed: {text}"
    assert why("203.0.113.7", probe=probe, bounds=Bounds(ports=(Range(22, 25),))) == ""


@pytest.mark.parametrize("port", [0, 80, 443, 1_024, 65_535])
def test_usual_ports_are(port: int) -> None:
    assert why("203.0.113.7", probe=Probe(port=port)) == ""


def test_before_the_first_handout_there_are_no_own_ranges() -> None:
    assert own_ranges(None) == ()


def test_what_an_operator_says(tmp_path: Path) -> None:
    program = tmp_path / "probe"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    found = parse_probes([f"own={program}"], "25, 8000-8999", ["10.1.2.0/24"])
    assert found.commands == {"own": program}
    assert found.bounds == Bounds((Range(25, 25), Range(8_000, 8_999)), (network_of("10.1.2.0/24"),))
    assert parse_probes([], "", []).bounds == Bounds()


BAD = {
    "no name": (["/bin/true"], "", [], 'E125 --probe-command "/bin/true": write NAME=PROGRAM, NAME a DNS label'),
    "a wrong name": (
        ["A=/bin/true"],
        "",
        [],
        'E125 --probe-command "A=/bin/true": write NAME=PROGRAM, NAME a DNS label',
    ),
    "no program": (
        ["a=/nowhere"],
        "",
        [],
        'E122 --probe-command "a=/nowhere": "/nowhere" is not the absolute path of a program',
    ),
    "a relative program": (
        ["a=true"],
        "",
        [],
        'E122 --probe-command "a=true": "true" is not the absolute path of a program',
    ),
    "no program but a file": (
        ["a=/etc/passwd"],
        "",
        [],
        'E122 --probe-command "a=/etc/passwd": "/etc/passwd" is not the absolute path of a program',
    ),
    "twice": (["a=/bin/sh", "a=/bin/sh"], "", [], 'E125 --probe-command "a": stands there twice'),
    "no port": ([], "http", [], 'E122 --probe-ports "http": write ports and ranges such as 443,8000-8999'),
    "port 0": ([], "443,0", [], 'E122 --probe-ports "0": write ports and ranges such as 443,8000-8999'),
    "a port too high": ([], "65536", [], 'E122 --probe-ports "65536": write ports and ranges such as 443,8000-8999'),
    "a range backwards": ([], "9-8", [], 'E122 --probe-ports "9-8": write ports and ranges such as 443,8000-8999'),
    "no range": ([], "", ["10.1.2.3/24"], 'E122 --probe-allow "10.1.2.3/24": 10.1.2.3/24 has host bits set'),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_coded_line(case: str) -> None:
    commands, ports, allow, text = BAD[case]
    with pytest.raises(InputError) as refusal:
        parse_probes(commands, ports, allow)
    assert str(refusal.value) == text
