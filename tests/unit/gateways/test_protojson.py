"""Our writer of messages against protobuf's own parser of the same JSON form."""

import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from gateways.render.envoy.common import Shared
from gateways.render.envoy.resources import resources
from gateways.show import HIDDEN
from gateways.xds.encode import TYPES
from gateways.xds.protojson import Unwritable, message_bytes
from tests.unit.gateways.test_golden import WORLDS

CLUSTER = "envoy.config.cluster.v3.Cluster"
LISTENER = "envoy.config.listener.v3.Listener"
ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment"


def message_of(kind: str) -> Message:
    assert TYPES
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(kind))()


def protobufs(kind: str, value: dict[str, object]) -> bytes:
    """The bytes by protobuf's own way. It leaves the order of maps within an Any to chance."""
    return bytes(json_format.ParseDict(value, message_of(kind)).SerializeToString(deterministic=True))


def read(kind: str, data: bytes) -> dict[str, object]:
    """What protobuf reads in these bytes, extensions included."""
    message = message_of(kind)
    message.ParseFromString(data)
    return json_format.MessageToDict(message)


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_every_resource_is_read_by_protobuf_as_its_own(name: str) -> None:
    state = WORLDS[name]()
    made = resources(state, {str(identity): HIDDEN for identity in state.identities})
    written = [(kind.rpartition("/")[2], content) for kind, named in made.items() for content in named.values()]
    assert len(written) > 5
    for kind, content in written:
        mine, its = message_bytes(kind, content), protobufs(kind, content)
        assert len(mine) == len(its) and read(kind, mine) == read(kind, its)


SAME: dict[str, tuple[str, dict[str, object]]] = {
    "nothing": (CLUSTER, {}),
    "names out of the fields' order": (CLUSTER, {"lb_policy": "MAGLEV", "connect_timeout": "0.25s", "name": "c"}),
    "defaults without presence": (CLUSTER, {"name": "", "lb_policy": "ROUND_ROBIN", "ignore_health_on_host_removal": False}),
    "wrappers of defaults": (CLUSTER, {"per_connection_buffer_limit_bytes": 0, "outlier_detection": {"consecutive_5xx": 0}}),
    "a oneof with a default": (CLUSTER, {"type": "STATIC"}),
    "durations": (CLUSTER, {"connect_timeout": "-1.5s", "dns_refresh_rate": "3600s", "cleanup_interval": "0s"}),
    "big numbers": (CLUSTER, {"max_requests_per_connection": 4294967295, "per_connection_buffer_limit_bytes": 128}),
    "doubles": (CLUSTER, {"common_lb_config": {"healthy_panic_threshold": {"value": 12.5}}}),
    "a double that is whole": (CLUSTER, {"common_lb_config": {"healthy_panic_threshold": {"value": 20}}}),
    "a repeated enum": (
        ASSIGNMENT,
        {"policy": {"drop_overloads": [{"category": "a", "drop_percentage": {"numerator": 3, "denominator": "MILLION"}}]}},
    ),
    "metadata of every kind, keys out of order": (
        CLUSTER,
        {"metadata": {"filter_metadata": {"z": {"b": [1, "x", None, True, {"c": {}}], "a": -2.5}, "y": {}}}},
    ),
    "an Any without content": (
        LISTENER,
        {"filter_chains": [{"filters": [{"name": "f", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}]},
    ),
    "umlauts": (CLUSTER, {"name": "größer"}),
    "an empty list": (LISTENER, {"filter_chains": []}),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_these_have_protobufs_bytes(case: str) -> None:
    kind, value = SAME[case]
    assert message_bytes(kind, value) == protobufs(kind, value)


BAD: dict[str, tuple[dict[str, object], str]] = {
    "unknown field": ({"nome": "x"}, 'envoy.config.cluster.v3.Cluster has no field "nome"'),
    "unknown field inside": (
        {"outlier_detection": {"often": 1}},
        'outlier_detection: envoy.config.cluster.v3.OutlierDetection has no field "often"',
    ),
    "text for a number": (
        {"outlier_detection": {"consecutive_5xx": "3"}},
        "outlier_detection.consecutive_5xx: '3' is no integer of 0 to 4294967295",
    ),
    "a number too big": (
        {"circuit_breakers": {"thresholds": [{"max_retries": 4294967296}]}},
        "circuit_breakers.thresholds.max_retries: 4294967296 is no integer of 0 to 4294967295",
    ),
    "a negative weight": (
        {"load_assignment": {"endpoints": [{"load_balancing_weight": -1}]}},
        "load_assignment.endpoints.load_balancing_weight: -1 is no integer of 0 to 4294967295",
    ),
    "a number for text": ({"name": 3}, "name: 3 is no text"),
    "truth for a number": (
        {"per_connection_buffer_limit_bytes": True},
        "per_connection_buffer_limit_bytes: True is no integer of 0 to 4294967295",
    ),
    "a number for truth": (
        {"ignore_health_on_host_removal": 1},
        "ignore_health_on_host_removal: 1 is neither true nor false",
    ),
    "an unknown value": (
        {"lb_policy": "BEST"},
        'lb_policy: "BEST" is none of envoy.config.cluster.v3.Cluster.LbPolicy',
    ),
    "no duration": ({"connect_timeout": "1m"}, "connect_timeout: '1m' is no duration such as \"1.5s\""),
    "an object for a list": ({"transport_socket_matches": {}}, "transport_socket_matches: must be a list"),
    "a list for an object": (
        {"outlier_detection": []},
        "outlier_detection: must be an object of envoy.config.cluster.v3.OutlierDetection",
    ),
    "an Any without a type": (
        {"transport_socket": {"typed_config": {"sni": "x"}}},
        'transport_socket.typed_config: must be an object with its type under "@type"',
    ),
    "an Any of an unknown type": (
        {"transport_socket": {"typed_config": {"@type": "type.googleapis.com/no.Such"}}},
        'transport_socket.typed_config: no message type "no.Such" is known',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_of_the_type_is_refused_with_place_and_reason(case: str) -> None:
    value, text = BAD[case]
    with pytest.raises(Unwritable) as refused:
        message_bytes(CLUSTER, value)
    assert str(refused.value) == text


def test_a_shared_piece_is_written_once_and_again_where_it_is_another_type() -> None:
    piece = Shared({"name": "x"})
    first = message_bytes(CLUSTER, piece)
    assert message_bytes(CLUSTER, piece) is first
    assert message_bytes(LISTENER, piece) == protobufs(LISTENER, dict(piece))


def test_shared_objects_and_extensions_are_written_once() -> None:
    kind = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    pieces = {"typed_config": Shared({"@type": kind}), "match": Shared({"member": "m1"})}
    value: dict[str, object] = {
        "transport_socket_matches": [
            {"name": name, "match": pieces["match"], "transport_socket": {"typed_config": pieces["typed_config"]}}
            for name in ("a", "b")
        ]
    }
    assert message_bytes(CLUSTER, value) == protobufs(CLUSTER, value)
    pieces["match"]["member"] = "too late"
    assert b"too late" not in message_bytes(CLUSTER, value)
