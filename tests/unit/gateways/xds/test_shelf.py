"""What streams share: the content of a view, what changes in it, sets of names, serialised responses."""

from envoy.service.discovery.v3 import discovery_pb2

from gateways.xds import wire
from gateways.xds.messages import CDS, EDS, LDS, SDS, Resource, Response, WorldResponse, mark, version_of
from gateways.xds.shelf import NAMES_MAX, Shelf
from tests.unit.gateways.xds.played import resource, snapshot


def test_a_change_has_what_was_before_and_what_is_after() -> None:
    shelf = Shelf(snapshot(names="ab"))
    (change,) = shelf.offer({**snapshot(names="ab"), SDS: {}})
    assert (change.type_url, change.name, change.before, change.after) == (SDS, "key", resource("key", "1"), None)
    assert shelf.get(SDS, "key") is None and shelf.has(SDS)


def test_only_what_is_said_to_have_changed_is_looked_at() -> None:
    shelf = Shelf(snapshot(names="ab"))
    changes = shelf.offer(snapshot(endpoints="2", clusters="2", names="ab"), [(EDS, "a"), (CDS, "none"), (LDS, "a")])
    assert [(change.type_url, change.name) for change in changes] == [(EDS, "a")]
    assert shelf.of(CDS)["a"].version == "1" and shelf.of(EDS)["a"].version == "2"


def test_a_type_that_was_never_offered_is_unknown_and_an_empty_one_is_not() -> None:
    shelf = Shelf({CDS: {}})
    assert shelf.has(CDS) and not shelf.has(LDS)


def test_the_marks_of_a_type_follow_its_changes() -> None:
    shelf = Shelf(snapshot(names="ab"))
    shelf.offer(snapshot(names="bc", clusters="2"))
    shelf.offer(snapshot(names="ab"), [(CDS, name) for name in "abc"])
    assert version_of(shelf.marks(CDS)) == version_of(sum(mark(one) for one in snapshot(names="ba")[CDS].values()))


def test_marks_tell_name_and_version_apart() -> None:
    assert mark(resource("ab", "c")) != mark(resource("a", "bc")) and mark(None) == 0
    assert version_of(0) == "0" * 32 and len(version_of(mark(resource("a", "1")))) == 32


def test_equal_sets_of_names_are_one_object_and_few_are_remembered() -> None:
    shelf = Shelf()
    first = shelf.share(frozenset("ab"))
    assert shelf.share(frozenset(["b", "a"])) is first
    for number in range(NAMES_MAX + 1):
        shelf.share(frozenset([str(number)]))
    assert shelf.share(frozenset("ab")) == first and len(shelf._names) <= NAMES_MAX + 1


def body(name: str, size: int = 3) -> Resource:
    return Resource(name=name, version=name, body=b"\x00" * size)


def test_a_delta_response_on_the_wire() -> None:
    bodies = wire.Bodies()
    for nonce in ("1", "2"):
        response = Response(type_url=EDS, nonce=nonce, resources=(body("a"), body("b")), removed=("c",))
        message = discovery_pb2.DeltaDiscoveryResponse.FromString(bodies.delta(response))
        assert (message.type_url, message.nonce, list(message.removed_resources)) == (EDS, nonce, ["c"])
        assert [(r.name, r.version, r.resource.type_url, r.resource.value) for r in message.resources] == [
            ("a", "a", EDS, b"\x00" * 3),
            ("b", "b", EDS, b"\x00" * 3),
        ]


def test_a_world_response_on_the_wire() -> None:
    response = WorldResponse(type_url=CDS, nonce="n", version="v", resources=(body("a"),))
    message = discovery_pb2.DiscoveryResponse.FromString(wire.Bodies().world(response))
    assert (message.type_url, message.nonce, message.version_info) == (CDS, "n", "v")
    assert [(r.type_url, r.value) for r in message.resources] == [(CDS, b"\x00" * 3)]


def test_equal_responses_are_serialised_once_and_secrets_are_not_kept() -> None:
    bodies = wire.Bodies()
    for nonce in "123":
        bodies.delta(Response(type_url=EDS, nonce=nonce, resources=(body("a"),)))
        bodies.delta(Response(type_url=SDS, nonce=nonce, resources=(body("a"),)))
    assert len(bodies._kept) == 1


def test_serialised_responses_are_bounded() -> None:
    bodies = wire.Bodies()
    big = wire.BODIES_MAX // 4
    for number in range(8):
        bodies.delta(Response(type_url=EDS, nonce="1", resources=(body(str(number), big),)))
    assert 0 < bodies._size <= wire.BODIES_MAX and len(bodies._kept) == 3


def test_requests_without_protobuf() -> None:
    delta = discovery_pb2.DeltaDiscoveryRequest(type_url=EDS, response_nonce="1", resource_names_subscribe=["a"])
    delta.initial_resource_versions["a"] = "v"
    delta.error_detail.code = 13
    read = wire.delta_request(delta)
    assert (read.subscribe, read.initial, read.error, read.nonce) == (("a",), {"a": "v"}, "", "1")
    world = wire.world_request(discovery_pb2.DiscoveryRequest(type_url=EDS, version_info="v", resource_names=["a"]))
    assert (world.names, world.version, world.error, world.nonce) == (("a",), "v", None, "")
