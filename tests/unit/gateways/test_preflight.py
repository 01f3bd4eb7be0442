"""What a machine must have: files of machines that were seen, and exact texts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateways.gateway_cli import gateway
from gateways.preflight import Facts, facts_of, findings

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
ROUTE6 = f"""\
{"0" * 32} 00 {"0" * 32} 00 fe80{"0" * 27}1 00000400 00000001 00000000 00000003     eth6
{"0" * 32} 00 {"0" * 32} 00 {"0" * 32} ffffffff 00000001 00000000 00200200       lo
fe80{"0" * 28} 40 {"0" * 32} 00 {"0" * 32} 00000100 00000001 00000000 00000001     eth1
"""


def machine(root: Path, files: dict[str, str]) -> Path:
    usual = {
        "proc/net/route": ROUTE,
        "proc/net/ipv6_route": ROUTE6,
        "proc/sys/net/ipv6/conf/all/disable_ipv6": "0\n",
        "proc/sys/net/ipv6/conf/default/disable_ipv6": "0\n",
        "sys/class/net/eth0/mtu": "1500\n",
        "sys/class/net/eth1/mtu": "900\n",
        "sys/class/net/eth6/mtu": "9000\n",
    }
    for name, text in (usual | files).items():
        (path := root / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_usual_machine_is_read(tmp_path: Path) -> None:
    assert facts_of(machine(tmp_path, {})) == Facts(underlay=(("eth0", 1500), ("eth6", 9000)))
    assert {one.verdict for one in findings(facts_of(tmp_path))} == {"ok"}


FOREIGN = {
    "never said": ({}, True),
    "said": ({"etc/systemd/networkd.conf": "[Network]\nManageForeignRoutes=no\n"}, False),
    "said in a part": ({"usr/lib/systemd/networkd.conf.d/10-x.conf": "[Network]\nManageForeignRoutes=false\n"}, False),
    "said otherwise in the place that counts": (
        {
            "etc/systemd/networkd.conf.d/20-y.conf": "[Network]\nManageForeignRoutes=yes\n",
            "usr/lib/systemd/networkd.conf.d/10-x.conf": "[Network]\nManageForeignRoutes=no\n",
        },
        True,
    ),
    "unreadable": ({"etc/systemd/networkd.conf": "no section\n"}, True),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_whether_networkd_looks_after_our_routes_is_read(tmp_path: Path, case: str) -> None:
    files, foreign = FOREIGN[case]
    facts = facts_of(machine(tmp_path, {"run/systemd/netif/state": "", **files}))
    assert (facts.networkd, facts.foreign) == (True, foreign)


def test_a_machine_without_any_of_the_files_is_no_crash(tmp_path: Path) -> None:
    assert facts_of(tmp_path) == Facts(no_ipv6=("all", "default"))


TEXTS = {
    "off": (
        Facts(no_ipv6=("all", "default"), underlay=(("eth0", 1500),)),
        ("failed", "ipv6", "off, and links carry IPv6: run `sysctl -w net.ipv6.conf.all.disable_ipv6=0 "
         "net.ipv6.conf.default.disable_ipv6=0`"),
    ),
    "small": (
        Facts(underlay=(("eth0", 1500), ("ppp0", 1359))),
        ("failed", "underlay", "ppp0 has an MTU of 1359, a link needs 1360: raise it"),
    ),
    "smaller": (
        Facts(underlay=(("eth0", 1499),)),
        ("warning", "underlay", "eth0 has an MTU of 1499, less than 1500: links will carry smaller packets"),
    ),
    "nowhere": (Facts(), ("warning", "underlay", "no default route: peers must be reached by routes of their own")),
    "networkd": (
        Facts(networkd=True),
        ("warning", "networkd", "systemd-networkd removes routes that it did not make, when it restarts; ours come back "
         "within 3 s: set ManageForeignRoutes=no in /etc/systemd/networkd.conf"),
    ),
    "networkd that was told": (
        Facts(networkd=True, foreign=False), ("ok", "networkd", "systemd-networkd leaves others' routes alone")
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_each_finding_says_what_to_do(case: str) -> None:
    facts, told = TEXTS[case]
    assert told in [(one.verdict, one.name, one.text) for one in findings(facts)]


def test_an_underlay_that_is_none_is_refused() -> None:
    done = CliRunner().invoke(gateway, ("preflight", "--underlay", "here"))
    text = 'E122 --underlay "here": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535'
    assert str(done.exception) == text
