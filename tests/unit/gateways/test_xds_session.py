"""The delta protocol, one rule a test (research/xds-trust.md 2.7)."""

from gateways.xds.messages import CDS, EDS, LDS, SDS, Request, Resource, Response, Snapshot
from gateways.xds.session import Stream


def resource(name: str, version: str, follows: tuple[str, ...] = ()) -> Resource:
    return Resource(name=name, version=version, body=b"", follows=follows)


def snapshot(clusters: str = "1", endpoints: str = "1", listeners: str = "1", names: str = "a") -> Snapshot:
    return {
        CDS: {n: resource(n, clusters, (n,)) for n in names},
        EDS: {n: resource(n, endpoints) for n in names},
        LDS: {n: resource(n, listeners) for n in names},
        SDS: {"key": resource("key", "1")},
    }


def said(stream: Stream) -> list[Response]:
    made = list(stream.output)
    stream.output.clear()
    return made


def short(stream: Stream) -> list[tuple[str, list[str], list[str]]]:
    """What was said: last word of the type, names, removed."""
    return [(r.type_url.rpartition(".")[2], [x.name for x in r.resources], list(r.removed)) for r in said(stream)]


def acknowledge(stream: Stream, rounds: int = 5) -> list[Response]:
    """Acknowledge everything until silence; all that was said."""
    every: list[Response] = []
    for _ in range(rounds):
        responses = said(stream)
        every += responses
        for response in responses:
            stream.receive(Request(type_url=response.type_url, nonce=response.nonce))
    assert not stream.output
    return every


def connected(first: Snapshot) -> Stream:
    """A client as Envoy is: clusters, then their endpoints, then listeners; everything acknowledged."""
    stream = Stream(first)
    stream.receive(Request(type_url=CDS))
    stream.receive(Request(type_url=EDS, subscribe=tuple(first[EDS])))
    stream.receive(Request(type_url=LDS))
    acknowledge(stream)
    return stream


def test_a_first_request_without_names_is_the_wildcard() -> None:
    stream = Stream(snapshot(names="ab"))
    stream.receive(Request(type_url=CDS))
    assert short(stream) == [("Cluster", ["a", "b"], [])]


def test_equal_versions_after_a_reconnect_are_not_sent_again() -> None:
    stream = Stream(snapshot())
    stream.receive(Request(type_url=CDS, initial={"a": "1"}))
    stream.receive(Request(type_url=EDS, subscribe=("a",), initial={"a": "1"}))
    stream.receive(Request(type_url=LDS, initial={"a": "1"}))
    assert said(stream) == []
    assert stream.settled()


def test_what_vanished_while_the_client_was_away_is_removed_after_the_listeners() -> None:
    stream = Stream(snapshot())
    stream.receive(Request(type_url=CDS, initial={"a": "1", "old": "1"}))
    assert said(stream) == []
    stream.receive(Request(type_url=LDS, initial={"a": "1", "old": "1"}))
    assert short(stream) == [("Listener", [], ["old"])]
    stream.receive(Request(type_url=LDS, nonce="1"))
    assert short(stream) == [("Cluster", [], ["old"])]


def test_subscribing_again_is_answered_even_when_nothing_changed() -> None:
    stream = connected(snapshot())
    stream.receive(Request(type_url=EDS, subscribe=("a",)))
    assert short(stream) == [("ClusterLoadAssignment", ["a"], [])]


def test_an_unknown_name_is_answered_at_once_and_sent_when_it_appears() -> None:
    stream = connected(snapshot())
    stream.receive(Request(type_url=SDS, subscribe=("later",)))
    assert short(stream) == [("Secret", [], ["later"])]
    acknowledge(stream)
    stream.update({**snapshot(), SDS: {"later": resource("later", "1")}})
    assert short(stream) == [("Secret", ["later"], [])]


def test_unsubscribing_a_name_under_the_wildcard_sends_it_back() -> None:
    stream = connected(snapshot())
    stream.receive(Request(type_url=CDS, subscribe=("a",)))
    acknowledge(stream)
    stream.receive(Request(type_url=CDS, unsubscribe=("a",)))
    assert ("Cluster", ["a"], []) in short(stream)


def test_an_unsubscribed_name_is_not_sent_any_more() -> None:
    stream = connected(snapshot())
    stream.receive(Request(type_url=EDS, unsubscribe=("a",)))
    stream.update(snapshot(endpoints="2"))
    assert said(stream) == []


def test_a_changed_cluster_takes_its_endpoints_along() -> None:
    stream = connected(snapshot())
    stream.update(snapshot(clusters="2"))
    assert short(stream) == [("Cluster", ["a"], []), ("ClusterLoadAssignment", ["a"], [])]


def test_listeners_wait_for_clusters_and_old_clusters_for_listeners() -> None:
    stream = connected(snapshot(names="a"))
    stream.update(snapshot(names="b"))
    (clusters,) = said(stream)
    assert [x.name for x in clusters.resources] == ["b"] and clusters.removed == ()
    stream.receive(Request(type_url=CDS, nonce=clusters.nonce))
    (listeners,) = said(stream)
    assert [x.name for x in listeners.resources] == ["b"] and listeners.removed == ("a",)
    stream.receive(Request(type_url=LDS, nonce=listeners.nonce))
    assert ("Cluster", [], ["a"]) in short(stream)


def test_a_stale_nonce_changes_nothing() -> None:
    stream = connected(snapshot())
    stream.update(snapshot(endpoints="2"))
    stream.receive(Request(type_url=EDS, nonce="1", error="too late"))
    assert not stream.settled() and stream.nacks == 0 and stream.problems() == ()
    acknowledge(stream)
    assert stream.settled()


def test_a_named_bad_resource_is_quarantined_alone() -> None:
    stream = connected(snapshot(names="ab"))
    stream.update(snapshot(clusters="2", names="ab"))
    nonce = said(stream)[0].nonce
    stream.receive(Request(type_url=CDS, nonce=nonce, error="Error adding/updating cluster(s) b: no such thing"))
    acknowledge(stream)
    assert stream.nacks == 1 and not stream.settled()
    assert stream.problems() == ("E190 envoy refuses Cluster b: Error adding/updating cluster(s) b: no such thing",)
    stream.update(snapshot(clusters="2", endpoints="9", names="ab"))
    assert short(stream) == [("ClusterLoadAssignment", ["a", "b"], [])]


def test_a_refusal_that_names_nobody_is_traced_to_the_one() -> None:
    stream = connected(snapshot(names="ab"))
    stream.update(snapshot(endpoints="2", names="ab"))
    stream.receive(Request(type_url=EDS, nonce=said(stream)[0].nonce, error="malformed"))
    single = said(stream)
    assert [[x.name for x in r.resources] for r in single] == [["a"], ["b"]]
    stream.receive(Request(type_url=EDS, nonce=single[0].nonce))
    stream.receive(Request(type_url=EDS, nonce=single[1].nonce, error="malformed"))
    assert stream.problems() == ("E190 envoy refuses ClusterLoadAssignment b: malformed",)
    assert said(stream) == []


def test_a_new_version_of_a_refused_resource_is_tried() -> None:
    stream = connected(snapshot())
    stream.update(snapshot(clusters="2"))
    clusters, endpoints = said(stream)
    stream.receive(Request(type_url=CDS, nonce=clusters.nonce, error="a: bad"))
    stream.receive(Request(type_url=EDS, nonce=endpoints.nonce))
    stream.update(snapshot(clusters="3"))
    acknowledge(stream)
    assert stream.problems() == () and stream.settled()


def test_an_address_in_use_is_tried_again_and_bad_content_is_not() -> None:
    stream = connected(snapshot(names="ab"))
    stream.update(snapshot(listeners="2", names="ab"))
    error = "Error adding/updating listener(s) a: cannot bind '10.0.0.1:1': Address already in use\n"
    stream.receive(Request(type_url=LDS, nonce=said(stream)[0].nonce, error=error))
    assert said(stream) == []
    stream.retry()
    assert short(stream) == [("Listener", ["a"], [])]


def test_settled_needs_clusters_and_listeners_asked_for_and_acknowledged() -> None:
    stream = Stream(snapshot())
    assert not stream.settled()
    stream.receive(Request(type_url=CDS))
    acknowledge(stream)
    assert not stream.settled()
    stream.receive(Request(type_url=LDS))
    acknowledge(stream)
    assert stream.settled()
    stream.update(snapshot(listeners="2"))
    assert not stream.settled()


def test_an_emptied_service_is_sent_and_never_removed_while_its_cluster_stands() -> None:
    stream = connected(snapshot())
    stream.update(snapshot(endpoints="empty"))
    assert short(stream) == [("ClusterLoadAssignment", ["a"], [])]
