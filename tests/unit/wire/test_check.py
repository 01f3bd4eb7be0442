"""What is said of one bad object, text by text."""

from typing import Any

import msgspec
import pytest

from federation.wire.k8s.check import fault
from federation.wire.k8s.types import CLUSTER_KINDS
from tests.worlds.bad_objects import BAD, Bad
from tests.worlds.bad_routing import ONLY_HERE, Nodes


def said(kind: str, content: dict[str, Any]) -> str | None:
    try:
        return fault(msgspec.convert(content, CLUSTER_KINDS[kind]))
    except msgspec.ValidationError as error:
        return str(error)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_object_of_our_kinds(bad: Bad) -> None:
    content = {"kind": bad.kind, "metadata": {"name": bad.name, "namespace": "shop"}, "spec": bad.spec}
    assert said(bad.kind, content) == bad.ours


@pytest.mark.parametrize(("nodes", "text"), ONLY_HERE.values(), ids=ONLY_HERE)
def test_a_tree_that_does_not_answer_every_client(nodes: Nodes, text: str) -> None:
    spec = {"host": "shop.example.com", "service": "web", "routing": nodes}
    assert said("GlobalName", {"metadata": {"name": "web"}, "spec": spec}) == f'field "spec.routing": {text}'


BEHIND = {  # key -> what is said of it
    "argocd.argoproj.io/tracking-id": "is acted on by Argo CD: keys of argocd.argoproj.io are not exported",
    "app.kubernetes.io/instance": "is acted on by Argo CD: it is not exported",
    "app.kubernetes.io/managed-by": "is acted on by Helm: it is not exported",
    "kustomize.toolkit.fluxcd.io/prune": "is acted on by Flux: keys of kustomize.toolkit.fluxcd.io are not exported",
    "helm.toolkit.fluxcd.io/name": "is acted on by Flux: keys of helm.toolkit.fluxcd.io are not exported",
    "meta.helm.sh/release-name": "is acted on by Helm: keys of meta.helm.sh are not exported",
    "kubectl.kubernetes.io/last-applied-configuration": (
        "is acted on by kubectl: keys of kubectl.kubernetes.io are not exported"
    ),
    "kubernetes.io/service-name": "is acted on by Kubernetes: keys of kubernetes.io are not exported",
    "x.app.kubernetes.io/name": "is acted on by Kubernetes: keys of kubernetes.io are not exported",
    "multicluster.x-k8s.io/a": "",
    "multicluster.k8s.io/a": "is acted on by Kubernetes: keys of k8s.io are not exported",
    "isthmus.dev/owner": "is ours: keys of isthmus.dev are not exported",
    "app.kubernetes.io/name": "",
    "app.kubernetes.io/part-of": "",
    "notkubernetes.io/a": "",
    "instance": "",
    "k8s.io": "",
}


@pytest.mark.parametrize("field", ["exportedLabels", "exportedAnnotations"])
@pytest.mark.parametrize("key", BEHIND)
def test_what_programs_in_the_other_cluster_act_on_is_not_exported(field: str, key: str) -> None:
    text = f'field "spec.{field}": "{key}" {BEHIND[key]}' if BEHIND[key] else None
    assert said("ServiceExport", {"metadata": {"name": "web"}, "spec": {field: {key: "x"}}}) == text


MANY = [{"port": port} for port in range(1, 102)]
BIG = {"example.com/a": "x" * 65_536}
OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "port 0": ("Service", {"spec": {"ports": [{"port": 0}]}}, "Expected `int` >= 1 - at `$.spec.ports[0].port`"),
    "an unknown protocol": (
        "Service",
        {"spec": {"ports": [{"port": 80, "protocol": "ICMP"}]}},
        "Invalid enum value 'ICMP' - at `$.spec.ports[0].protocol`",
    ),
    "a port name that DNS cannot carry": (
        "Service",
        {"spec": {"ports": [{"port": 80, "name": "HTTP"}]}},
        'field "spec.ports[0].name": "HTTP" is not a DNS label',
    ),
    "an application protocol with a line break": (
        "Service",
        {"spec": {"ports": [{"port": 80, "appProtocol": "a\nb"}]}},
        "field \"spec.ports[0].appProtocol\": 'a\\nb' is no name such as http or example.com/protocol",
    ),
    "more ports than peers take": (
        "Service",
        {"spec": {"ports": MANY}},
        'field "spec.ports": 101 ports, at most 100 can be exported',
    ),
    "a host name in an endpoint that is no label": (
        "EndpointSlice",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "hostname": "a_b"}]},
        'field "endpoints[0].hostname": "a_b" is not a DNS label',
    ),
    "port 0 in a slice": (
        "EndpointSlice",
        {"addressType": "IPv4", "ports": [{"port": 0}]},
        "Expected `int` >= 1 - at `$.ports[0].port`",
    ),
    "a port name twice": (
        "Service",
        {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]}},
        'field "spec.ports[1].name": "a" stands there twice',
    ),
    "a port twice": (
        "Service",
        {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}},
        'field "spec.ports[1]": 80/TCP stands there twice',
    ),
    "a port name twice in a slice": (
        "EndpointSlice",
        {"addressType": "IPv4", "ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]},
        'field "ports[1].name": "" stands there twice',
    ),
    "a label value that no label may have": (
        "ServiceExport",
        {"spec": {"exportedLabels": {"team": "a b"}}},
        "field \"spec.exportedLabels\": 'a b' of 'team' is no value of a label",
    ),
    "a key that is none": (
        "ServiceExport",
        {"spec": {"exportedAnnotations": {"a/b/c": "x"}}},
        "field \"spec.exportedAnnotations\": 'a/b/c' is not a key such as example.com/team",
    ),
    "a key of ours": (
        "ServiceExport",
        {"spec": {"exportedLabels": {"sub.isthmus.dev/owner": "x"}}},
        'field "spec.exportedLabels": "sub.isthmus.dev/owner" is ours: keys of isthmus.dev are not exported',
    ),
    "annotations that are too large": (
        "ServiceExport",
        {"spec": {"exportedAnnotations": BIG}},
        'field "spec.exportedAnnotations": 65549 bytes, at most 65536 can be exported',
    ),
    "a key whose prefix is no DNS name": (
        "ServiceExport",
        {"spec": {"exportedAnnotations": {"a..b/c": "x"}}},
        "field \"spec.exportedAnnotations\": 'a..b/c' is not a key such as example.com/team",
    ),
    "a node whose name is no DNS name": (
        "Node",
        {"metadata": {"name": "Node_1"}},
        'field "metadata.name": "Node_1" is not a DNS name in lower case',
    ),
    "a property without a value": (
        "ClusterProperty",
        {"metadata": {"name": "cluster.clusterset.k8s.io"}, "spec": {"value": ""}},
        "Expected `str` of length >= 1 - at `$.spec.value`",
    ),
}


@pytest.mark.parametrize(("kind", "content", "text"), OTHERS.values(), ids=OTHERS)
def test_a_bad_object_of_others(kind: str, content: dict[str, Any], text: str) -> None:
    assert said(kind, {"kind": kind, "metadata": {"name": "web"}} | content) == text


GOOD: list[tuple[str, dict[str, Any]]] = [
    ("Node", {"metadata": {"name": "ip-10-0-0-1.ec2.internal"}}),
    ("ClusterProperty", {"metadata": {"name": "cluster.clusterset.k8s.io"}, "spec": {"value": "us-east"}}),
    ("Drain", {"metadata": {"name": "upgrade.2026"}, "spec": {}}),
    ("MemberCluster", {"metadata": {"name": "us-east"}}),
    ("Lease", {"metadata": {"name": "isthmus"}, "spec": {"holderIdentity": "a"}}),
    (
        "Service",
        {
            "metadata": {"name": "dns"},
            "spec": {"ports": [{"port": 53, "name": "a"}, {"port": 53, "name": "b", "protocol": "UDP"}]},
        },
    ),
    (
        "EndpointSlice",
        {
            "metadata": {"name": "web-1"},
            "addressType": "IPv4",
            "ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}],
        },
    ),
    (
        "ServiceExport",
        {"metadata": {"name": "web"}, "spec": {"exportedLabels": {"team": "", "notisthmus.dev/a": "b", "x": "Y_1"}}},
    ),
]


@pytest.mark.parametrize(("kind", "content"), GOOD, ids=[kind for kind, _ in GOOD])
def test_a_good_object(kind: str, content: dict[str, Any]) -> None:
    assert said(kind, {"kind": kind} | content) is None
