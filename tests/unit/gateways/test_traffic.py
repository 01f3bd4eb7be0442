"""Which links count as busy."""

from gateways.probe.traffic import BUSY_FROM, Traffic


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
