"""`isthmus check` against API servers that serve our definitions."""

import json
from pathlib import Path

import dns.rcode
import yaml

from tests.worlds.clusters import Cluster
from tests.worlds.command_line import said
from tests.worlds.forwarder import Forwarder, forwarding


def kinds(kubeconfig: Path) -> tuple[int, dict[str, str]]:
    """Exit status and what the check of kinds says, all else being good."""
    with forwarding(Forwarder(rcode=dns.rcode.NOERROR, text="1.0.0")) as port:
        arguments = ("--resolver", f"127.0.0.1:{port}", "--kubeconfig", str(kubeconfig), "--output", "json")
        status, out, _ = said("check", *arguments)
    row: dict[str, str] = json.loads(out)[2]
    return status, row


def test_kinds_that_are_served(api: Cluster) -> None:
    all_of = "AccessPolicy, ClusterProperty, Drain, EgressPolicy, GlobalName, MemberCluster, ServiceExport, ServiceImport, TrafficPolicy"
    text = f"{api.url} serves all 9 kinds: {all_of}"
    assert kinds(api.kubeconfig) == (0, {"check": "kinds", "status": "ok", "text": text})


def test_kinds_for_somebody_unknown(api: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(api.kubeconfig.read_text())
    config["users"] = [{"name": one["name"], "user": {"token": "nobody"}} for one in config["users"]]
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    status, row = kinds(tmp_path / "config")
    why = "refuses to say what it serves: 401 Unauthorized: Unauthorized; check the user of the kubeconfig"
    assert (status, row["text"]) == (1, f"{api.url} {why}")
