"""The older variant, one rule a test (research/xds-trust.md 2.7): `test_2_7_N_...` is rule N."""

from gateways.xds.messages import CDS, EDS, LDS, RDS, SDS
from tests.unit.gateways.xds.played import WorldClient, resource, snapshot, told, world_connected


def test_2_7_1_a_refusal_is_told_by_its_error_and_not_by_its_version() -> None:
    client = world_connected(snapshot())
    client.stream.offer(snapshot(endpoints="2"))
    (response,) = client.take()
    client.version[EDS] = response.version
    client.refuse(response, "")
    assert client.stream.nacks == 1
    assert client.stream.problems() == ("E190 envoy refuses ClusterLoadAssignment a: ",)


def test_2_7_1_a_request_of_the_past_is_not_answered() -> None:
    client = world_connected(snapshot(names="ab"))
    old = client.nonce[EDS]
    client.stream.offer(snapshot(endpoints="2", names="ab"))
    (response,) = client.take()
    client.nonce[EDS] = old
    client.ask(EDS, "a", error="too late")
    assert client.take() == [] and client.stream.nacks == 0 and client.stream.problems() == ()
    client.nonce[EDS] = response.nonce
    client.ask(EDS, "a", "b")
    assert client.stream.settled()


def test_2_7_1_one_response_of_a_type_is_in_flight() -> None:
    client = world_connected(snapshot())
    client.stream.offer(snapshot(endpoints="2"))
    (first,) = client.take()
    client.stream.offer(snapshot(endpoints="3"))
    client.stream.offer(snapshot(endpoints="4"))
    assert client.take() == []
    client.accept(first)
    (second,) = client.take()
    assert [one.version for one in second.resources] == ["4"]


def test_2_7_3_clusters_and_listeners_are_full_sets_and_the_others_are_not() -> None:
    client = world_connected(snapshot(names="ab"))
    changed = snapshot(names="ab")
    client.stream.offer(
        {
            **changed,
            CDS: {**changed[CDS], "a": resource("a", "2")},
            EDS: {**changed[EDS], "a": resource("a", "2")},
            LDS: {**changed[LDS], "a": resource("a", "2")},
            RDS: {**changed[RDS], "a": resource("a", "2")},
        }
    )
    assert told(client.accept_all()) == [
        ("Cluster", ["a", "b"]),
        ("ClusterLoadAssignment", ["a"]),
        ("Listener", ["a", "b"]),
        ("RouteConfiguration", ["a"]),
    ]


def test_2_7_3_a_listener_that_is_missing_is_deleted() -> None:
    client = world_connected(snapshot(names="ab"))
    client.stream.offer(snapshot(names="a"))
    assert ("Listener", ["a"]) in told(client.accept_all())


def test_2_7_4_no_names_is_the_wildcard_for_clusters_and_listeners_only() -> None:
    client = WorldClient(snapshot(names="ab"))
    for type_url in (CDS, EDS, LDS, RDS, SDS):
        client.ask(type_url)
        client.accept_all()
    assert {type_url for type_url in client.version} == {CDS, LDS}


def test_2_7_4_no_names_after_names_is_wanting_none() -> None:
    client = WorldClient(snapshot(names="ab"))
    client.ask(CDS, "a")
    assert told(client.accept_all()) == [("Cluster", ["a"])]
    client.ask(CDS)
    client.stream.offer(snapshot(clusters="2", names="ab"))
    assert client.take() == []


def test_2_7_4_an_empty_wildcard_is_answered() -> None:
    client = WorldClient({CDS: {}, LDS: {}})
    client.ask(CDS)
    assert told(client.accept_all()) == [("Cluster", [])]


def test_2_7_5_subscribing_again_is_answered_even_when_nothing_changed() -> None:
    client = world_connected(snapshot())
    client.ask(EDS)
    assert client.take() == []
    client.ask(EDS, "a")
    assert told(client.accept_all()) == [("ClusterLoadAssignment", ["a"])]


def test_2_7_5_an_unknown_cluster_is_missing_from_the_answer_and_sent_when_it_appears() -> None:
    client = WorldClient(snapshot())
    client.ask(CDS, "a", "later")
    assert told(client.accept_all()) == [("Cluster", ["a"])]
    client.stream.offer({**snapshot(), CDS: {**snapshot()[CDS], "later": resource("later", "1")}})
    assert told(client.accept_all()) == [("Cluster", ["a", "later"])]


def test_2_7_5_a_new_unknown_cluster_is_answered_at_once() -> None:
    client = WorldClient(snapshot())
    client.ask(CDS, "a")
    client.accept_all()
    client.ask(CDS, "a", "none")
    assert told(client.accept_all()) == [("Cluster", ["a"])]


def test_2_7_5_unknown_endpoints_are_sent_when_they_appear() -> None:
    client = WorldClient(snapshot())
    client.ask(EDS, "later")
    assert client.take() == []
    client.stream.offer({**snapshot(), EDS: {"later": resource("later", "1")}})
    assert told(client.accept_all()) == [("ClusterLoadAssignment", ["later"])]


def test_2_7_6_no_response_holds_a_name_twice() -> None:
    client = WorldClient(snapshot(names="ab"))
    client.ask(EDS, "a", "b", "a")
    assert told(client.accept_all()) == [("ClusterLoadAssignment", ["a", "b"])]


def test_2_7_7_make_before_break_clusters_leave_last() -> None:
    client = world_connected(snapshot(names="a"))
    client.stream.offer(snapshot(names="b"))
    (both,) = client.take()
    assert told([both]) == [("Cluster", ["a", "b"])]
    client.accept(both)
    client.names[EDS] = client.names[RDS] = ("b",)
    listeners = client.take()
    assert told(listeners) == [("Listener", ["b"])]
    client.accept(listeners[0])
    assert told(client.accept_all())[-1] == ("Cluster", ["b"])


def test_2_7_7_a_cluster_asked_for_by_its_name_stays_until_the_client_lets_go_of_it() -> None:
    """gRPC acknowledges the route before it asks for the cluster that is new in it."""
    client = WorldClient(snapshot())
    for type_url in (LDS, RDS, CDS, EDS):
        client.ask(type_url, "a")
        client.accept_all()
    client.stream.offer({**snapshot(routes="2"), CDS: {"b": resource("b", "1")}, EDS: {"b": resource("b", "1")}})
    assert told(client.accept_all()) == [("RouteConfiguration", ["a"])]
    client.ask(CDS, "a", "b")
    assert told(client.accept_all()) == [("Cluster", ["a", "b"])]
    client.ask(CDS, "b")
    assert client.take() == []
    client.ask(EDS, "b")
    assert told(client.accept_all()) == [("ClusterLoadAssignment", ["b"])]


def test_2_7_7_listeners_and_routes_wait_for_clusters_and_their_endpoints() -> None:
    client = world_connected(snapshot())
    client.stream.offer(snapshot("2", "2", "2", routes="2"))
    clusters, endpoints = client.take()
    client.accept(clusters)
    assert client.take() == []
    client.accept(endpoints)
    assert told(client.take()) == [("Listener", ["a"]), ("RouteConfiguration", ["a"])]


def test_2_7_8_a_changed_cluster_takes_its_endpoints_along() -> None:
    client = world_connected(snapshot(names="ab"))
    changed = snapshot(names="ab")
    client.stream.offer({**changed, CDS: {**changed[CDS], "a": resource("a", "2", ("a",))}})
    assert told(client.accept_all()) == [("Cluster", ["a", "b"]), ("ClusterLoadAssignment", ["a"])]


def test_2_7_8_a_cluster_that_changed_while_the_client_was_away_takes_its_endpoints_along() -> None:
    client = world_connected(snapshot())
    client.stream.offer(snapshot(clusters="2"))
    after = client.again()
    after.ask(CDS)
    after.accept_all()
    after.ask(EDS, "a")
    assert told(after.accept_all()) == [("ClusterLoadAssignment", ["a"])]


def test_2_7_10_a_refused_resource_is_represented_by_its_last_good_form() -> None:
    client = world_connected(snapshot(names="ab"))
    client.stream.offer(snapshot(clusters="2", names="ab"))
    clusters, endpoints = client.take()
    client.accept(endpoints)
    client.refuse(clusters, "Error adding/updating cluster(s) b: no such thing")
    (again,) = client.take()
    assert {one.name: one.version for one in again.resources} == {"a": "2", "b": "1"}
    client.accept(again)
    assert client.stream.problems() == (
        "E190 envoy refuses Cluster b: Error adding/updating cluster(s) b: no such thing",
    )
    client.stream.offer(snapshot(clusters="3", names="ab"))
    client.accept_all()
    assert client.stream.problems() == () and client.stream.settled()


def test_2_7_10_a_new_resource_that_is_refused_is_left_out() -> None:
    client = world_connected(snapshot(names="a"))
    client.stream.offer(snapshot(names="ab"))
    (clusters,) = client.take()
    client.refuse(clusters, "b: bad")
    assert told(client.take()) == [("Cluster", ["a"])]


def test_2_7_10_one_of_several_endpoints_is_refused_and_the_others_go_again() -> None:
    client = world_connected(snapshot(names="abc"))
    client.stream.offer(snapshot(endpoints="2", names="abc"))
    (response,) = client.take()
    client.refuse(response, "b: bad")
    assert told(client.accept_all()) == [("ClusterLoadAssignment", ["a", "c"])]
    assert client.stream.problems() == ("E190 envoy refuses ClusterLoadAssignment b: b: bad",)


def test_2_7_10_a_refusal_that_names_nobody_is_traced_to_the_one() -> None:
    client = world_connected(snapshot(names="abc"))
    client.stream.offer(snapshot(endpoints="2", names="abc"))
    client.refuse(client.take()[0], "malformed")
    alone = []
    while responses := client.take():
        (response,) = responses
        alone += [one.name for one in response.resources]
        if alone[-1] == "b":
            client.refuse(response, "malformed")
        else:
            client.accept(response)
    assert alone == ["a", "b", "c"]
    assert client.stream.problems() == ("E190 envoy refuses ClusterLoadAssignment b: malformed",)


def test_2_7_10_a_full_set_that_is_refused_without_a_name_is_not_taken_apart() -> None:
    client = world_connected(snapshot(names="ab"))
    client.stream.offer(snapshot(listeners="2", names="ab"))
    client.refuse(client.take()[0], "malformed")
    assert client.take() == [] and len(client.stream.problems()) == 2
    client.stream.offer(snapshot(listeners="3", names="ab"))
    assert told(client.accept_all()) == [("Listener", ["a", "b"])] and client.stream.settled()


def test_2_7_10_several_may_be_named() -> None:
    client = world_connected(snapshot(names="abc"))
    client.stream.offer(snapshot(listeners="2", names="abc"))
    client.refuse(client.take()[0], "Error adding/updating listener(s) a: is bad\nc: is bad")
    (again,) = client.take()
    assert {one.name: one.version for one in again.resources} == {"a": "1", "b": "2", "c": "1"}


def test_2_7_10_what_a_resumed_client_may_hold_is_not_deleted_for_a_refusal() -> None:
    client = world_connected(snapshot(names="ab"))
    client.stream.offer(snapshot(clusters="2", names="ab"))
    after = client.again()
    after.ask(CDS)
    (clusters,) = after.take()
    after.refuse(clusters, "b: bad")
    assert after.take() == []
    after.stream.offer(snapshot(clusters="3", names="ab"))
    assert told(after.accept_all()) == [("Cluster", ["a", "b"])]


def test_2_7_10_the_refused_version_is_not_sent_again() -> None:
    client = world_connected(snapshot())
    client.stream.offer(snapshot(endpoints="2"))
    client.refuse(client.take()[0], "a: bad")
    client.ask(EDS)
    client.ask(EDS, "a")
    client.stream.offer(snapshot(endpoints="2", listeners="2"))
    assert told(client.accept_all()) == [("ClusterLoadAssignment", ["a"]), ("Listener", ["a"])]


def test_2_7_10_an_address_in_use_is_tried_again_and_bad_content_is_not() -> None:
    client = world_connected(snapshot(names="ab"))
    client.stream.offer(snapshot(listeners="2", names="ab"))
    error = "Error adding/updating listener(s) a: cannot bind '10.0.0.1:1': Address already in use\n"
    client.refuse(client.take()[0], error)
    client.accept_all()
    client.stream.retry()
    (response,) = client.take()
    assert {one.name: one.version for one in response.resources} == {"a": "2", "b": "2"}


def test_2_7_11_a_client_that_comes_back_with_equal_versions_is_sent_nothing() -> None:
    client = world_connected(snapshot(names="ab"))
    client.stream.offer(snapshot(clusters="2", endpoints="3", listeners="4", names="ab", routes="5"))
    client.accept_all()
    after = client.again()
    for type_url in (CDS, EDS, LDS, RDS):
        after.ask(type_url, *client.names[type_url])
    assert after.take() == [] and after.stream.settled()


def test_2_7_11_versions_do_not_depend_on_the_way_there() -> None:
    straight = world_connected(snapshot(names="ba"))
    bent = world_connected(snapshot(names="c", clusters="7"))
    bent.stream.offer(snapshot(names="ab", clusters="9"))
    bent.accept_all()
    bent.stream.offer(snapshot(names="ab"))
    bent.ask(EDS, "a", "b")
    bent.ask(RDS, "b", "a")
    bent.accept_all()
    assert straight.version == bent.version


def test_2_7_12_an_emptied_service_is_sent_and_one_that_vanished_says_nothing() -> None:
    client = world_connected(snapshot())
    client.stream.offer(snapshot(endpoints="empty"))
    assert told(client.accept_all()) == [("ClusterLoadAssignment", ["a"])]
    client.stream.offer({**snapshot(), EDS: {}})
    assert client.take() == []


def test_settled_needs_clusters_and_listeners_asked_for_and_acknowledged() -> None:
    client = WorldClient(snapshot())
    client.ask(CDS)
    client.accept_all()
    assert not client.stream.settled()
    client.ask(LDS)
    (listeners,) = client.take()
    assert not client.stream.settled() and client.stream.holds(CDS) and not client.stream.holds(LDS)
    client.accept(listeners)
    assert client.stream.settled()


def test_many_streams_share_the_content_of_a_full_set() -> None:
    client = world_connected(snapshot(names="ab"))
    first, second = client.again(), client.again()
    first.version = second.version = {}
    first.ask(CDS)
    second.ask(CDS)
    assert first.take()[0].resources is second.take()[0].resources
