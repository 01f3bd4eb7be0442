"""The merge of exports, rule by rule (KEP-1645, conflict resolution; messages are what a person reads on each export)."""

from typing import Any

import pytest
from msgspec import structs

from federation.model.names import MemberName, ServiceKey
from federation.model.record import Export, Port, Traits
from federation.plan.exports import Merged, merge, usable_ports

WEB = ServiceKey("shop", "web")
HTTP = Port("http", 80)


def export(*ports: Port, kind: Any = "ClusterSetIP", **traits: Any) -> Export:
    given = {"families": ("IPv4",)} | traits
    return Export(service=WEB, kind=kind, ports=ports or (HTTP,), traits=Traits(**given))


def merged(*exports: Export) -> Merged:
    return merge([(MemberName(name), one) for name, one in zip(("east", "eu", "ap"), exports, strict=False)])


def test_exports_that_agree_conflict_in_nothing() -> None:
    found = merged(export(), export())
    assert (found.kind, found.ports, found.conflicts) == ("ClusterSetIP", (HTTP,), ())


CONFLICTS: dict[str, tuple[Export, str]] = {
    "TypeConflict": (
        export(kind="Headless"),
        'Using type "ClusterSetIP" from oldest export in east. 1/2 clusters disagree: eu.',
    ),
    "SessionAffinityConflict": (
        export(session_affinity="ClientIP"),
        'Using sessionAffinity "None" from oldest export in east. 1/2 clusters disagree: eu.',
    ),
    "SessionAffinityConfigConflict": (
        export(affinity_seconds=30),
        "Using sessionAffinityConfig from oldest export in east. 1/2 clusters disagree: eu.",
    ),
    "InternalTrafficPolicyConflict": (
        export(internal_traffic_policy="Local"),
        'Using internalTrafficPolicy "Cluster" from oldest export in east. 1/2 clusters disagree: eu.',
    ),
    "TrafficDistributionConflict": (
        export(traffic_distribution="PreferClose"),
        'Using trafficDistribution "" from oldest export in east. 1/2 clusters disagree: eu.',
    ),
    "LabelsConflict": (
        export(labels={"a": "b"}),
        "Using labels from oldest export in east. 1/2 clusters disagree: eu.",
    ),
    "AnnotationsConflict": (
        export(annotations={"a": "b"}),
        "Using annotations from oldest export in east. 1/2 clusters disagree: eu.",
    ),
    "IPFamilyConflict": (
        export(families=("IPv4", "IPv6")),
        "IPv6 endpoints exist in part of the clusters only. 1/2 clusters are without: east.",
    ),
    "PortConflict": (
        export(HTTP, Port("sctp", 142, "SCTP")),
        "Using the union of ports, on a clash those of the oldest export, in east. 1/2 clusters disagree: eu.",
    ),
}


@pytest.mark.parametrize("reason", CONFLICTS)
def test_what_differs_is_the_oldest_exports_and_a_conflict(reason: str) -> None:
    other, message = CONFLICTS[reason]
    found = merged(export(), other)
    assert [(c.reason, c.message) for c in found.conflicts] == [(reason, message)]
    assert found.kind == "ClusterSetIP"
    assert structs.replace(found.traits, families=("IPv4",)) == export().traits


def test_several_conflicts_stand_side_by_side() -> None:
    found = merged(export(), export(session_affinity="ClientIP", labels={"a": "b"}), export())
    assert [c.reason for c in found.conflicts] == ["SessionAffinityConflict", "LabelsConflict"]
    assert found.conflicts[1].message == "Using labels from oldest export in east. 1/3 clusters disagree: eu."


def test_ports_are_united_by_name_then_by_protocol_and_number() -> None:
    """KEP-1645 rule 12: neither a name nor a (protocol, port) stands there twice; who is left out is named."""
    first = export(HTTP, Port("dns", 53, "UDP"))
    second = export(Port("http", 8080), Port("domain", 53, "UDP"), Port("dns-tcp", 53, "TCP"))
    found = merged(first, second)
    assert found.ports == (HTTP, Port("dns", 53, "UDP"), Port("dns-tcp", 53, "TCP"))
    assert found.conflicts[0].message == (
        "Using the union of ports, on a clash those of the oldest export, in east. http 8080/TCP of eu is left out. "
        "domain 53/UDP of eu is left out. 1/2 clusters disagree: eu."
    )
    assert usable_ports(first, found.ports) == ("http", "dns")
    assert usable_ports(second, found.ports) == ("dns-tcp",)


def test_families_keep_the_order_of_the_oldest_and_stand_once() -> None:
    found = merged(export(families=("IPv6", "IPv4")), export(families=("IPv4", "IPv6")))
    assert found.traits.families == ("IPv6", "IPv4")
    assert found.conflicts == ()


def test_many_who_disagree_are_counted_and_some_named() -> None:
    members = [(MemberName(f"m{n}"), export(labels={"n": str(min(n, 1))})) for n in range(9)]
    message = merge(members).conflicts[0].message
    assert message == "Using labels from oldest export in m0. 8/9 clusters disagree: m1, m2, m3, m4, m5 and 3 more."


def test_many_ports_that_are_left_out_are_counted_and_some_named() -> None:
    """A condition's message has a limit: a peer's ports must not keep a condition from being written."""
    ports = [Port(f"p{n}", 1_000 + n) for n in range(100)]
    other = [Port(f"p{n}", 2_000 + n) for n in range(100)]
    message = merged(export(*ports), export(*other)).conflicts[0].message
    assert message.endswith(" p4 2004/TCP of eu is left out. 95 more are left out. 1/2 clusters disagree: eu.")
