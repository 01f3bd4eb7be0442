"""What a cluster's network, kube-proxy and firewalls need of their owner: files as they write them, and exact texts."""

import json
from pathlib import Path

import pytest

from gateways.kernel.nft import BaseChain, chains_of
from gateways.preflight_cluster import Surroundings, surrounding, surroundings_of

CALICO = {"name": "k8s-pod-network", "cniVersion": "0.3.1", "plugins": [{"type": "calico"}, {"type": "portmap"}]}
FLANNEL = {"name": "cbr0", "plugins": [{"type": "flannel", "delegate": {"isDefaultGateway": True}}]}
CILIUM = {"cniVersion": "0.3.1", "name": "cilium", "plugins": [{"type": "cilium-cni", "enable-debug": False}]}
KINDNET = {"cniVersion": "0.3.1", "name": "kindnet", "plugins": [{"type": "ptp", "ipMasq": False}]}
OLD = {"name": "weave", "type": "weave-net"}


def network(root: Path, files: dict[str, str]) -> str:
    (folder := root / "etc/cni/net.d").mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return surroundings_of(root, (), ()).network


FILES = {
    "calico": ({"10-calico.conflist": json.dumps(CALICO), "calico-kubeconfig": "apiVersion: v1"}, "calico"),
    "flannel": ({"10-flannel.conflist": json.dumps(FLANNEL)}, "flannel"),
    "cilium": ({"05-cilium.conflist": json.dumps(CILIUM), "10-calico.conflist": json.dumps(CALICO)}, "cilium-cni"),
    "kindnet": ({"10-kindnet.conflist": json.dumps(KINDNET)}, "kindnet"),
    "one plugin": ({"00-weave.conf": json.dumps(OLD)}, "weave-net"),
    "what cannot be read is passed over": (
        {"01-x.conf": "{", "02-x.conf": "[]", "03-x.conflist": '{"plugins": []}', "10.conflist": json.dumps(FLANNEL)},
        "flannel",
    ),
    "none": ({}, ""),
}


@pytest.mark.parametrize("case", FILES)
def test_the_network_is_the_first_by_name(tmp_path: Path, case: str) -> None:
    files, found = FILES[case]
    assert network(tmp_path, files) == found


def test_other_files_are_read(tmp_path: Path) -> None:
    for name, text in {
        "proc/sys/net/ipv4/conf/all/rp_filter": "0",
        "proc/sys/net/ipv4/conf/eth0/rp_filter": "1",
        "proc/sys/net/ipv4/conf/eth1/rp_filter": "2",
        "sys/class/net/kube-ipvs0/mtu": "1500",
    }.items():
        (path := tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert surroundings_of(tmp_path, ("eth0", "eth1"), ()) == Surroundings(ipvs=True, strict=("eth0",))
    (tmp_path / "proc/sys/net/ipv4/conf/all/rp_filter").write_text("1")
    assert surroundings_of(tmp_path, ("eth0", "eth1"), ()).strict == ("eth0",)
    assert surroundings_of(tmp_path / "nowhere", ("eth0",), ()) == Surroundings()


LISTING = {
    "nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {
            "chain": {
                "family": "inet",
                "table": "firewalld",
                "name": "filter_IN",
                "type": "filter",
                "hook": "input",
                "prio": 10,
                "policy": "drop",
            }
        },
        {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}},
        {"chain": {"family": "inet", "table": "isthmus_node", "name": "output", "hook": "output", "policy": "accept"}},
        {"chain": {"family": "ip", "table": "nat", "name": "KUBE-SERVICES"}},
        {"chain": {"family": "ip", "table": "nat", "name": "DOCKER"}},
    ]
}
FIREWALL = BaseChain("inet", "firewalld", "filter_IN", "input", True)
DOCKER = BaseChain("ip", "filter", "FORWARD", "forward", True)
KUBE = BaseChain("ip", "nat", "KUBE-SERVICES", services=True)


def test_chains_are_read_as_nft_lists_them() -> None:
    ours = BaseChain("inet", "isthmus_node", "output", "output")
    assert chains_of(json.dumps(LISTING)) == (FIREWALL, DOCKER, ours, KUBE)


MASQUERADE = "leave its masqueradeAll off, which hides the pods' addresses by which they are known"
TEXTS = {
    "strict": (
        Surroundings(strict=("eth0", "eth1")),
        "rp_filter",
        "warning",
        "strict, with several default routes: packets of peers may be dropped; run `sysctl -w "
        "net.ipv4.conf.eth0.rp_filter=2 net.ipv4.conf.eth1.rp_filter=2`",
    ),
    "calico": (
        Surroundings(network="calico"),
        "network",
        "warning",
        "Calico drops what pods send to their own node where FelixConfiguration says so by default, and a node's proxy "
        "listens there: set defaultEndpointToHostAction to Accept; where there are host endpoints, let the UDP ports "
        "of links in by a policy",
    ),
    "cilium": (
        Surroundings(network="cilium-cni"),
        "network",
        "warning",
        "Cilium: leave devices ist+ out of its `devices`, or it takes what links carry for its own; with its host "
        "firewall, let the UDP ports of links in",
    ),
    "flannel": (Surroundings(network="flannel"), "network", "ok", "Flannel: nothing to do"),
    "kindnet": (Surroundings(network="kindnet"), "network", "ok", "kindnet: nothing to do"),
    "unknown": (
        Surroundings(network="weave-net"),
        "network",
        "warning",
        '"weave-net" is not one that we know: pods must reach their own node\'s --address under their own source '
        "addresses",
    ),
    "ipvs": (
        Surroundings(network="calico", ipvs=True),
        "kube-proxy",
        "ok",
        f"captures clusterset IPs (ipvs); {MASQUERADE}",
    ),
    "nftables": (
        Surroundings(network="calico", chains=(BaseChain("ip", "kube-proxy", "nat-prerouting", "prerouting"),)),
        "kube-proxy",
        "ok",
        f"captures clusterset IPs (nftables); {MASQUERADE}",
    ),
    "iptables": (
        Surroundings(network="kindnet", chains=(KUBE,)),
        "kube-proxy",
        "ok",
        f"captures clusterset IPs (iptables); {MASQUERADE}",
    ),
    "cilium instead": (
        Surroundings(network="cilium-cni"),
        "kube-proxy",
        "ok",
        "none; Cilium in its place captures clusterset IPs",
    ),
    "no proxy": (
        Surroundings(network="flannel"),
        "kube-proxy",
        "warning",
        "none was seen: is there one, or another that captures the cluster's service addresses?",
    ),
    "no cluster": (
        Surroundings(),
        "kube-proxy",
        "ok",
        "none; clusterset IPs are captured by the node's own table",
    ),
    "firewall": (
        Surroundings(chains=(FIREWALL,)),
        "firewall",
        "warning",
        "what no rule accepts is dropped by inet firewalld filter_IN: let UDP 51820 to 51827 in",
    ),
    "firewall and Docker": (
        Surroundings(chains=(FIREWALL, DOCKER)),
        "firewall",
        "warning",
        "what no rule accepts is dropped by inet firewalld filter_IN, ip filter FORWARD: let UDP 51820 to 51827 in and "
        "devices ist+ across",
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_said(case: str) -> None:
    found, name, verdict, text = TEXTS[case]
    checks = {one.name: one for one in surrounding(found, "51820 to 51827", True)}
    assert (checks[name].verdict, checks[name].text) == (verdict, text)


def test_a_machine_of_its_own_has_nothing_to_say_and_forwarding_counts_only_where_it_is_asked() -> None:
    assert {one.verdict for one in surrounding(Surroundings(), "51820 to 51827", True)} == {"ok"}
    quiet = {one.name: one.verdict for one in surrounding(Surroundings(chains=(DOCKER,)), "51820 to 51827", False)}
    assert quiet["firewall"] == "ok"
