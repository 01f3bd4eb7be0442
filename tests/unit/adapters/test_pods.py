"""Whose the addresses of pods are."""

from typing import Any

import pytest

from federation.adapters.pods import Pods
from federation.model.handout import Workload
from federation.wire.k8s.core import Pod, PodIp, PodSpec, PodStatus
from federation.wire.k8s.meta import ObjectMeta


def pod(name: str, *addresses: str, node: str = "n1", account: str = "client", **other: Any) -> Pod:
    spec = PodSpec(node_name=node, service_account_name=account, host_network=other.get("host_network", False))
    status = PodStatus(phase=other.get("phase", "Running"), pod_ips=[PodIp(address) for address in addresses])
    return Pod(metadata=ObjectMeta(name=name, namespace="shop"), spec=spec, status=status)


def test_the_accounts_of_a_node_have_the_addresses_of_their_pods() -> None:
    pods = Pods()
    for one in (pod("b", "10.1.1.12"), pod("a", "10.1.1.11", "fd00::11"), pod("c", "10.1.1.13", account="other")):
        pods.put(one)
    pods.put(pod("far", "10.1.2.1", node="n2"))
    assert pods.workloads("n1") == (
        Workload("shop", "client", ("10.1.1.11", "10.1.1.12", "fd00::11")),
        Workload("shop", "other", ("10.1.1.13",)),
    )
    assert pods.take_moved() == {"n1", "n2"}
    pods.put(pod("far", "10.1.2.1", node="n2"))
    assert pods.take_moved() == set()
    pods.drop(("shop", "c"))
    assert (pods.take_moved(), len(pods.workloads("n1"))) == ({"n1"}, 1)


NOBODYS: dict[str, dict[str, Any]] = {
    "on its node's own network": {"host_network": True},
    "ended": {"phase": "Succeeded"},
    "failed": {"phase": "Failed"},
    "on no node": {"node": ""},
    "of an account that is no label": {"account": "Not A Label"},
}


@pytest.mark.parametrize("case", NOBODYS)
def test_the_address_of_such_a_pod_is_nobodys_any_more(case: str) -> None:
    """Its address may be another pod's by now."""
    pods = Pods()
    pods.put(pod("a", "10.1.1.11"))
    pods.put(pod("a", "10.1.1.11", **NOBODYS[case]))
    assert pods.workloads("n1") == ()


def test_a_pod_without_an_address_is_nobodys() -> None:
    pods = Pods()
    pods.put(pod("a"))
    assert (pods.workloads("n1"), pods.take_moved()) == ((), set())
