from ipaddress import ip_address, ip_network

import pytest

from federation.lab.topology import LAB, Topology, topology_of

TWO = Topology(LAB.domain, LAB.zone, (LAB.members[0], LAB.members[2]), LAB.wan)


def test_addresses_follow_from_the_number() -> None:
    east = LAB.member("us-east")
    assert (east.underlay, east.gateway, east.client) == ("192.0.2.1", "10.1.0.1", "10.1.2.10")
    assert (east.pod_prefix, east.clusterset_prefix, east.sync) == (
        "10.1.0.0/16",
        "10.101.0.0/16",
        "192.0.2.1:7443",
    )
    assert (east.ingress, east.public) == ("10.1.3.10", "192.0.2.101")


def test_round_trips_are_those_of_the_story() -> None:
    pairs = (("us-east", "us-west"), ("us-east", "eu-central"), ("us-west", "eu-central"))
    assert [LAB.rtt_ms(*pair) for pair in pairs] == [60, 90, 140]


@pytest.mark.parametrize("topology", [LAB, TWO])
def test_every_pair_has_a_round_trip_and_nothing_overlaps(topology: Topology) -> None:
    assert all(topology.rtt_ms(a, b) == topology.rtt_ms(b, a) > 0 for a, b in topology.pairs())
    prefixes = [ip_network(text) for m in topology.members for text in (m.pod_prefix, m.clusterset_prefix)]
    assert not any(a.overlaps(b) for i, a in enumerate(prefixes) for b in prefixes[i + 1 :])


def test_pods_are_named_apart_lie_in_their_member_and_take_zones_in_turn() -> None:
    pods = [(member, pod) for member in LAB.members for pod in member.all_pods]
    assert len({pod.name for _, pod in pods}) == len({pod.address for _, pod in pods}) == len(pods)
    assert all(ip_address(pod.address) in ip_network(member.pod_prefix) for member, pod in pods)
    assert {pod.zone for pod in LAB.member("us-west").endpoints} == {"us-west-1a", "us-west-1b"}
    assert [pod.address for pod in LAB.member("us-west").pods("pay")] == ["10.2.1.31", "10.2.1.32"]


def test_unknown_names_are_key_errors() -> None:
    with pytest.raises(KeyError):
        LAB.member("mars")
    with pytest.raises(KeyError):
        LAB.rtt_ms("us-east", "mars")


def test_a_second_gateway_is_a_machine_of_its_own_beside_its_members() -> None:
    topology = topology_of(True)
    assert topology_of(False) is LAB
    assert topology.names == LAB.names and topology.ports == ("us-east", "us-west", "us-west-2", "eu-central")
    west = topology.member("us-west")
    assert (west.second_underlay, west.second_address) == ("192.0.2.12", "10.2.0.2")
    assert topology.rtt_ms("us-west-2", "eu-central") == topology.rtt_ms("eu-central", "us-west-2") == 140
    assert topology.rtt_ms("us-west-2", "us-west") == 0
    assert topology.machines("us-west") == ("us-west", "us-west-2")
    assert topology.machines("us-west-2") == ("us-west-2",)
    assert topology.machines("mars") == LAB.machines("us-west-2") == ()
    for pair in (("us-west-2", "us-west-2"), ("us-west-2", "mars")):
        with pytest.raises(KeyError):
            topology.rtt_ms(*pair)
