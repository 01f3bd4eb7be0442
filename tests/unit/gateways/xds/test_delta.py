"""The incremental variant, one rule a test (research/xds-trust.md 2.7): `test_2_7_N_...` is rule N."""

from collections.abc import Mapping

from gateways.xds.messages import CDS, ECDS, EDS, LDS, RDS, SDS, Request, Resource
from gateways.xds.shelf import Shelf
from tests.unit.gateways.xds.played import Stream, acknowledge, connected, resource, said, short, snapshot


def test_2_7_4_a_first_request_without_names_is_the_wildcard() -> None:
    stream = Stream(snapshot(names="ab"))
    stream.receive(Request(type_url=CDS))
    assert short(stream) == [("Cluster", ["a", "b"], [])]


def test_2_7_11_equal_versions_after_a_reconnect_are_not_sent_again() -> None:
    stream = Stream(snapshot())
    stream.receive(Request(type_url=CDS, initial={"a": "1"}))
    stream.receive(Request(type_url=EDS, subscribe=("a",), initial={"a": "1"}))
    stream.receive(Request(type_url=LDS, initial={"a": "1"}))
    assert said(stream) == []
    assert stream.settled()


def test_2_7_11_what_vanished_while_the_client_was_away_is_removed_after_the_listeners() -> None:
    stream = Stream(snapshot())
    stream.receive(Request(type_url=CDS, initial={"a": "1", "old": "1"}))
    assert said(stream) == []
    stream.receive(Request(type_url=LDS, initial={"a": "1", "old": "1"}))
    assert short(stream) == [("Listener", [], ["old"])]
    stream.receive(Request(type_url=LDS, nonce="1"))
    assert short(stream) == [("Cluster", [], ["old"])]


def test_2_7_5_subscribing_again_is_answered_even_when_nothing_changed() -> None:
    stream = connected(snapshot())
    stream.receive(Request(type_url=EDS, subscribe=("a",)))
    assert short(stream) == [("ClusterLoadAssignment", ["a"], [])]


def test_2_7_5_an_unknown_name_is_answered_at_once_and_sent_when_it_appears() -> None:
    stream = connected(snapshot())
    stream.receive(Request(type_url=SDS, subscribe=("later",)))
    (answer,) = acknowledge(stream)
    assert answer.removed == ("later",)
    stream.offer({**snapshot(), SDS: {"later": resource("later", "1")}})
    assert short(stream) == [("Secret", ["later"], [])]


def test_2_7_4_unsubscribing_a_name_under_the_wildcard_sends_it_back() -> None:
    stream = connected(snapshot())
    stream.receive(Request(type_url=CDS, subscribe=("a",)))
    acknowledge(stream)
    stream.receive(Request(type_url=CDS, unsubscribe=("a",)))
    assert ("Cluster", ["a"], []) in short(stream)


def test_2_7_7_filters_go_before_the_listeners_that_use_them() -> None:
    stream = Stream({CDS: {}, LDS: {}, ECDS: {}})
    for request in (Request(type_url=CDS), Request(type_url=LDS), Request(type_url=ECDS, subscribe=("peers",))):
        stream.receive(request)
    assert [one.removed for one in acknowledge(stream) if one.type_url == ECDS] == [("peers",)]
    stream.offer({CDS: {}, LDS: {"gateway": resource("gateway", "1")}, ECDS: {"peers": resource("peers", "1")}})
    assert short(stream) == [("TypedExtensionConfig", ["peers"], []), ("Listener", ["gateway"], [])]


def test_an_unsubscribed_name_is_not_sent_any_more() -> None:
    stream = connected(snapshot())
    stream.receive(Request(type_url=EDS, unsubscribe=("a",)))
    stream.offer(snapshot(endpoints="2"))
    assert said(stream) == []


def test_2_7_8_a_changed_cluster_takes_its_endpoints_along() -> None:
    stream = connected(snapshot())
    stream.offer(snapshot(clusters="2"))
    assert short(stream) == [("Cluster", ["a"], []), ("ClusterLoadAssignment", ["a"], [])]


def test_2_7_7_listeners_wait_for_clusters_and_old_clusters_for_listeners() -> None:
    stream = connected(snapshot(names="a"))
    stream.offer(snapshot(names="b"))
    (clusters,) = said(stream)
    assert [x.name for x in clusters.resources] == ["b"] and clusters.removed == ()
    stream.receive(Request(type_url=CDS, nonce=clusters.nonce))
    listeners, routes = said(stream)
    assert [x.name for x in listeners.resources] == ["b"] and listeners.removed == ("a",)
    assert routes.resources == () and routes.removed == ("a",)
    stream.receive(Request(type_url=LDS, nonce=listeners.nonce))
    assert said(stream) == []
    stream.receive(Request(type_url=RDS, nonce=routes.nonce))
    assert ("Cluster", [], ["a"]) in short(stream)


def test_2_7_1_a_stale_nonce_changes_nothing() -> None:
    stream = connected(snapshot())
    stream.offer(snapshot(endpoints="2"))
    stream.receive(Request(type_url=EDS, nonce="1", error="too late"))
    assert not stream.settled() and stream.nacks == 0 and stream.problems() == ()
    acknowledge(stream)
    assert stream.settled()


def test_2_7_10_a_named_bad_resource_is_quarantined_alone() -> None:
    stream = connected(snapshot(names="ab"))
    stream.offer(snapshot(clusters="2", names="ab"))
    clusters, endpoints = said(stream)
    error = "Error adding/updating cluster(s) b: no such thing"
    stream.receive(Request(type_url=CDS, nonce=clusters.nonce, error=error))
    stream.receive(Request(type_url=EDS, nonce=endpoints.nonce))
    assert stream.nacks == 1 and not stream.settled()
    assert stream.problems() == ("E190 envoy refuses Cluster b: Error adding/updating cluster(s) b: no such thing",)
    stream.offer(snapshot(clusters="2", endpoints="9", names="ab"))
    assert short(stream) == [("ClusterLoadAssignment", ["a", "b"], [])]


def test_2_7_10_a_refusal_that_names_nobody_is_traced_to_the_one() -> None:
    stream = connected(snapshot(names="ab"))
    stream.offer(snapshot(endpoints="2", names="ab"))
    stream.receive(Request(type_url=EDS, nonce=said(stream)[0].nonce, error="malformed"))
    single = said(stream)
    assert [[x.name for x in r.resources] for r in single] == [["a"], ["b"]]
    stream.receive(Request(type_url=EDS, nonce=single[0].nonce))
    stream.receive(Request(type_url=EDS, nonce=single[1].nonce, error="malformed"))
    assert stream.problems() == ("E190 envoy refuses ClusterLoadAssignment b: malformed",)
    assert said(stream) == []


def test_2_7_10_a_new_version_of_a_refused_resource_is_tried() -> None:
    stream = connected(snapshot())
    stream.offer(snapshot(clusters="2"))
    clusters, endpoints = said(stream)
    stream.receive(Request(type_url=CDS, nonce=clusters.nonce, error="a: bad"))
    stream.receive(Request(type_url=EDS, nonce=endpoints.nonce))
    stream.offer(snapshot(clusters="3"))
    acknowledge(stream)
    assert stream.problems() == () and stream.settled()


def test_an_address_in_use_is_tried_again_and_bad_content_is_not() -> None:
    stream = connected(snapshot(names="ab"))
    stream.offer(snapshot(listeners="2", names="ab"))
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
    stream.offer(snapshot(listeners="2"))
    assert not stream.settled()


def test_2_7_12_an_emptied_service_is_sent_and_never_removed_while_its_cluster_stands() -> None:
    stream = connected(snapshot())
    stream.offer(snapshot(endpoints="empty"))
    assert short(stream) == [("ClusterLoadAssignment", ["a"], [])]


def test_2_7_1_a_refusal_is_told_by_its_error_even_when_it_is_empty() -> None:
    stream = connected(snapshot())
    stream.offer(snapshot(endpoints="2"))
    stream.receive(Request(type_url=EDS, nonce=said(stream)[0].nonce, error=""))
    assert stream.nacks == 1 and stream.problems() == ("E190 envoy refuses ClusterLoadAssignment a: ",)


def test_2_7_1_a_request_with_a_stale_nonce_may_still_subscribe() -> None:
    stream = connected(snapshot(names="ab"))
    stream.receive(Request(type_url=SDS, nonce="77", subscribe=("key",)))
    assert short(stream) == [("Secret", ["key"], [])]


def test_2_7_4_when_the_wildcard_goes_what_was_named_stays() -> None:
    stream = connected(snapshot(names="ab"))
    stream.receive(Request(type_url=CDS, subscribe=("a",)))
    acknowledge(stream)
    stream.receive(Request(type_url=CDS, unsubscribe=("*",)))
    stream.offer(snapshot(clusters="2", names="ab"))
    assert short(stream)[0] == ("Cluster", ["a"], [])


def test_2_7_4_the_wildcard_is_asked_for_by_its_name_later() -> None:
    stream = Stream(snapshot(names="ab"))
    stream.receive(Request(type_url=CDS, subscribe=("a",)))
    acknowledge(stream)
    stream.receive(Request(type_url=CDS, subscribe=("*",)))
    assert short(stream) == [("Cluster", ["b"], [])]


def test_2_7_4_an_empty_wildcard_is_answered() -> None:
    stream = Stream({CDS: {}, LDS: {}})
    stream.receive(Request(type_url=CDS))
    assert short(stream) == [("Cluster", [], [])]


def test_2_7_6_no_response_holds_a_name_twice() -> None:
    stream = Stream(snapshot(names="ab"))
    stream.receive(Request(type_url=EDS, subscribe=("a", "b", "a")))
    assert short(stream) == [("ClusterLoadAssignment", ["a", "b"], [])]


def test_2_7_7_routes_wait_for_clusters_and_their_endpoints() -> None:
    stream = connected(snapshot())
    stream.offer(snapshot(clusters="2", routes="2"))
    clusters, endpoints = said(stream)
    stream.receive(Request(type_url=CDS, nonce=clusters.nonce))
    assert said(stream) == []
    stream.receive(Request(type_url=EDS, nonce=endpoints.nonce))
    assert short(stream) == [("RouteConfiguration", ["a"], [])]


def test_2_7_7_a_route_that_is_asked_for_is_answered_while_clusters_are_in_flight() -> None:
    stream = connected(snapshot(names="ab"))
    stream.receive(Request(type_url=RDS, unsubscribe=("b",)))
    stream.offer(snapshot(clusters="2", names="ab"))
    said(stream)
    stream.receive(Request(type_url=RDS, subscribe=("b",)))
    assert short(stream) == [("RouteConfiguration", ["b"], [])]


def test_2_7_8_a_cluster_that_changed_while_the_client_was_away_takes_its_endpoints_along() -> None:
    stream = Stream(snapshot(clusters="2"))
    stream.receive(Request(type_url=CDS, initial={"a": "1"}))
    stream.receive(Request(type_url=EDS, subscribe=("a",), initial={"a": "1"}))
    assert short(stream) == [("Cluster", ["a"], []), ("ClusterLoadAssignment", ["a"], [])]


def test_2_7_10_the_refused_version_is_not_sent_again_and_the_older_one_is() -> None:
    stream = connected(snapshot())
    stream.offer(snapshot(endpoints="2"))
    stream.receive(Request(type_url=EDS, nonce=said(stream)[0].nonce, error="a: bad"))
    stream.receive(Request(type_url=EDS, subscribe=("a",)))
    assert said(stream) == []
    stream.offer(snapshot())
    assert short(stream) == [("ClusterLoadAssignment", ["a"], [])]


def test_2_7_12_endpoints_are_not_removed_before_their_cluster() -> None:
    stream = connected(snapshot(names="ab"))
    stream.offer(snapshot(names="a"))
    (listeners, routes) = said(stream)
    stream.receive(Request(type_url=LDS, nonce=listeners.nonce))
    stream.receive(Request(type_url=RDS, nonce=routes.nonce))
    assert short(stream)[0] == ("Cluster", [], ["b"])


def test_changes_wait_for_the_answer_and_go_as_one() -> None:
    stream = connected(snapshot())
    stream.offer(snapshot(endpoints="2"))
    (first,) = said(stream)
    stream.offer(snapshot(endpoints="3"))
    stream.offer(snapshot(endpoints="4"))
    assert said(stream) == []
    stream.receive(Request(type_url=EDS, nonce=first.nonce))
    (second,) = said(stream)
    assert [one.version for one in second.resources] == ["4"]


def test_what_a_client_let_go_of_and_refused_does_not_count_against_it() -> None:
    stream = connected(snapshot(names="ab"))
    stream.offer(snapshot(endpoints="2", names="ab"))
    (response,) = said(stream)
    stream.receive(Request(type_url=EDS, unsubscribe=("b",)))
    stream.receive(Request(type_url=EDS, nonce=response.nonce, error="b: bad"))
    assert stream.problems() == () and stream.settled()


class Watched(Shelf):
    """A shelf that knows what was looked at, and may not be looked through."""

    def get(self, type_url: str, name: str) -> Resource | None:
        self.looked = [*getattr(self, "looked", []), name]
        return super().get(type_url, name)

    def of(self, type_url: str) -> Mapping[str, Resource]:
        raise AssertionError(f"all of {type_url} was looked at")


def test_an_update_looks_at_nothing_but_what_changed() -> None:
    names = [f"s{number}" for number in range(2_000)]
    first = {CDS: {n: resource(n, "1", (n,)) for n in names}, EDS: {n: resource(n, "1") for n in names}, LDS: {}}
    stream = connected({**first, RDS: {}})
    changed = stream.shelf.offer({**first, EDS: {"s7": resource("s7", "2")}}, [(EDS, "s7")])
    assert [(change.type_url, change.name) for change in changed] == [(EDS, "s7")]
    stream._shelf = watched = Watched({})
    stream._shelf.__dict__.update(stream.shelf.__dict__)
    stream.update(changed)
    assert short(stream) == [("ClusterLoadAssignment", ["s7"], [])] and set(watched.looked) == {"s7"}
