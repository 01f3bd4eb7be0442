"""Whose the addresses of pods are, by node: what node agents need to know of who sends."""

from federation.model.handout import Workload
from federation.model.names import is_label
from federation.wire.k8s.core import Pod

ENDED = ("Succeeded", "Failed")
PodKey = tuple[str, str]
Account = tuple[str, str]


class Pods:
    """Mutable index owned by one adapter; of a pod only node, account and addresses are kept."""

    def __init__(self) -> None:
        self._pods: dict[PodKey, tuple[str, Account, tuple[str, ...]]] = {}
        self._on: dict[str, set[PodKey]] = {}
        self._moved: set[str] = set()

    def put(self, pod: Pod) -> None:
        """Take this pod. One on its node's own network, one that ended, and one that has no address yet is nobody's."""
        key = (pod.metadata.namespace, pod.metadata.name)
        account = (pod.metadata.namespace, pod.spec.service_account_name)
        addresses = tuple(one.ip for one in pod.status.pod_ips if one.ip)
        found = (pod.spec.node_name, account, addresses)
        counts = pod.spec.node_name and addresses and not pod.spec.host_network and pod.status.phase not in ENDED
        if not counts or not all(map(is_label, account)):
            self.drop(key)
        elif self._pods.get(key) != found:
            self.drop(key)
            self._pods[key] = found
            self._on.setdefault(pod.spec.node_name, set()).add(key)
            self._moved.add(pod.spec.node_name)

    def drop(self, key: PodKey) -> None:
        """Forget this pod."""
        before = self._pods.pop(key, None)
        if before is None:
            return
        node = before[0]
        self._moved.add(node)
        self._on[node].discard(key)
        if not self._on[node]:
            del self._on[node]

    def workloads(self, node: str) -> tuple[Workload, ...]:
        """The accounts whose pods run on this node, with the addresses of these."""
        by_account: dict[Account, list[str]] = {}
        for key in self._on.get(node, ()):
            _, account, addresses = self._pods[key]
            by_account.setdefault(account, []).extend(addresses)
        return tuple(Workload(*account, tuple(sorted(found))) for account, found in sorted(by_account.items()))

    def take_moved(self) -> set[str]:
        """The nodes of whose pods anything changed since the last look."""
        moved, self._moved = self._moved, set()
        return moved
