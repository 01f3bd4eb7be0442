"""Limits of the API server that what is rendered must keep, and names of zones that peers take."""

from federation.model.imported import Condition
from federation.model.names import ServiceKey, is_label
from federation.wire.k8s.render import MESSAGE_MAX, conditions
from federation.wire.k8s.translate import local_slices
from federation.wire.k8s.types import EndpointSlice, ObjectMeta, SliceEndpoint


def test_a_message_that_is_too_long_is_cut() -> None:
    (made,) = conditions((Condition("Conflict", True, "PortConflict", "x" * (MESSAGE_MAX + 1)),), 1)
    assert made["message"] == "x" * MESSAGE_MAX


def test_a_zone_with_a_long_name_is_a_label_all_the_same() -> None:
    endpoint = SliceEndpoint(addresses=["10.1.1.1"], zone=f"{'Z' * 62}_{'z' * 9}")
    found = EndpointSlice(metadata=ObjectMeta(name="web-1"), address_type="IPv4", endpoints=[endpoint])
    (made,) = local_slices(ServiceKey("shop", "web"), [found], "a", {})
    assert made.az == "z" * 62 and is_label(made.az)
