"""Which links count as busy."""

from gateways.probe.counters import received
from gateways.probe.traffic import BUSY_FROM, Traffic
from gateways.render.wireguard import Actual, Counters, Device
from gateways.state import Tunnel, WgPeer


def test_a_link_is_busy_while_it_carries_more_than_probes() -> None:
    traffic = Traffic()
    traffic.look({"a": 1_000_000, "b": 0}, 100.0)
    assert traffic.busy == frozenset()
    moved = {"a": 1_000_000 + 3 * BUSY_FROM, "b": 3 * BUSY_FROM - 3}
    traffic.look(moved, 103.0)
    assert traffic.busy == {"a"}
    traffic.look(moved, 104.0)
    assert traffic.busy == frozenset()


def test_looks_that_follow_each_other_closely_are_passed_over() -> None:
    traffic = Traffic()
    traffic.look({"a": 0}, 10.0)
    traffic.look({"a": 10_000_000}, 10.9)
    assert traffic.busy == frozenset()
    traffic.look({"a": 10_000_000}, 11.0)
    assert traffic.busy == {"a"}


def device(name: str, rail: int, **peers: str) -> Tunnel:
    """One with peers of these keys, at these overlay addresses."""
    found = tuple(
        WgPeer(member="eu-central", gateway=1, key=key.encode(), endpoint="", allowed=(), overlay=overlay)
        for key, overlay in peers.items()
    )
    return Tunnel(device=name, private_key=b"", listen_port=0, address="", peers=found, rail=rail)


def holding(**bytes_received: int) -> Actual:
    nothing = Device(name="", private_key=b"", port=0, peers=())
    return Actual(nothing, {key.encode(): Counters(rx=count) for key, count in bytes_received.items()})


def test_a_gateway_knows_what_it_received_of_each_other() -> None:
    found = received([device("ist0", 1, k="fd00::1")], {"ist0": holding(k=7)}, {"fd00::1": False})
    assert found == {"fd00::1": 7}


def test_a_node_shares_what_it_received_of_its_own_gateway_among_the_ways_over_it() -> None:
    tunnels = [device("ist1", 0, k="fd00:1::1"), device("ist2", 0, k="fd00:1::2")]
    ways = {"fd00:2::1%ist1": False, "fd00:3::1%ist1": True, "fd00:2::1%ist2": False}
    found = received(tunnels, {"ist1": holding(k=9_000), "ist2": holding(k=5)}, ways)
    assert found == {"fd00:2::1%ist1": 4_500, "fd00:3::1%ist1": 4_500, "fd00:2::1%ist2": 5}
    assert received(tunnels, {}, ways) == {}
