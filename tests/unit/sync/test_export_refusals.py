"""What a reader refuses of an export's traits and of numbers: each would end in an object that our API server refuses."""

from typing import Any

import pytest

from federation.model.names import MemberName, ServiceKey
from federation.model.record import Export, Numbers, Port, Resource, Slice, Traits
from tests.worlds.reader import GOOD, Reader

WEB = ServiceKey("shop", "web")
WHERE = "E120 service shop/web of member eu-central"


def export(**traits: Any) -> Export:
    return Export(service=WEB, ports=(Port("http", 80),), traits=Traits(**traits))


BAD: dict[str, tuple[Resource, str]] = {
    "affinity": (
        export(session_affinity="Cookie"),
        f"{WHERE}: session affinity 'Cookie' of 0 s is none; last good kept",
    ),
    "affinity seconds": (
        export(session_affinity="ClientIP", affinity_seconds=86_401),
        f"{WHERE}: session affinity 'ClientIP' of 86401 s is none; last good kept",
    ),
    "internal traffic policy": (
        export(internal_traffic_policy="Somewhere"),
        f"{WHERE}: internalTrafficPolicy 'Somewhere' is neither Cluster nor Local; last good kept",
    ),
    "traffic distribution": (
        export(traffic_distribution="x" * 64),
        f"{WHERE}: trafficDistribution '{'x' * 64}' is no name; last good kept",
    ),
    "families": (
        export(families=("IPv4", "IPv4")),
        f"{WHERE}: an IP family stands there twice; last good kept",
    ),
    "label key": (
        export(labels={"a/b/c": "x"}),
        f"{WHERE}: labels: 'a/b/c' is not a key such as example.com/team; last good kept",
    ),
    "label value": (
        export(labels={"a": "b c"}),
        f"{WHERE}: labels: 'b c' of 'a' is no value of a label; last good kept",
    ),
    "our label": (
        export(labels={"isthmus.dev/owner": "x"}),
        f'{WHERE}: labels: "isthmus.dev/owner" is ours: keys of isthmus.dev are not exported; last good kept',
    ),
    "a label by which Argo CD prunes": (
        export(labels={"app.kubernetes.io/instance": "shop"}),
        f'{WHERE}: labels: "app.kubernetes.io/instance" is acted on by Argo CD: it is not exported; last good kept',
    ),
    "an annotation of Kubernetes": (
        export(annotations={"service.kubernetes.io/topology-mode": "Auto"}),
        f'{WHERE}: annotations: "service.kubernetes.io/topology-mode" is acted on by Kubernetes: '
        "keys of kubernetes.io are not exported; last good kept",
    ),
    "annotations": (
        export(annotations={"a": "x" * 65_536}),
        f"{WHERE}: annotations: 65537 bytes, at most 65536 can be exported; last good kept",
    ),
    "a port name twice": (
        Export(service=WEB, ports=(Port("http", 80), Port("http", 81))),
        f"{WHERE}: port http stands there twice; last good kept",
    ),
    "a port twice": (
        Export(service=WEB, ports=(Port("http", 80), Port("web", 80))),
        f"{WHERE}: port 80/TCP stands there twice; last good kept",
    ),
    "a port name twice in a slice": (
        Slice(service=WEB, az="a", ports=(Port("http", 80), Port("http", 80, "UDP")), endpoints=()),
        "E120 slice of shop/web of member eu-central: port http stands there twice; last good kept",
    ),
    "no port name twice in a slice": (
        Slice(service=WEB, az="a", ports=(Port("", 80), Port("", 81)), endpoints=()),
        "E120 slice of shop/web of member eu-central: port without a name stands there twice; last good kept",
    ),
    "a number of nobody": (
        Numbers(WEB, {MemberName("No One"): 1}),
        'E120 numbers of shop/web by member "eu-central": not members\' numbers',
    ),
    "a number below one": (
        Numbers(WEB, {MemberName("us-east"): 0}),
        'E120 numbers of shop/web by member "eu-central": not members\' numbers',
    ),
    "numbers of no service": (
        Numbers(ServiceKey("shop", "We b"), {}),
        'E114 service "shop/We b" of member "eu-central": not a DNS label; last good kept',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_our_api_server_would_refuse_is_refused_here(case: str) -> None:
    resource, text = BAD[case]
    assert Reader().refusal(resource, GOOD[2]) == text


def test_a_slice_may_have_two_names_for_a_port_and_a_service_a_port_of_two_protocols() -> None:
    """As kube-apiserver 1.36 takes them."""
    said = (
        Slice(service=WEB, az="a", ports=(Port("a", 80), Port("b", 80)), endpoints=()),
        Export(service=WEB, ports=(Port("a", 53), Port("b", 53, "UDP"))),
    )
    reader = Reader()
    reader.take(*said)
    assert not reader.held.refusals
