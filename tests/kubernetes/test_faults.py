"""The double's faults on demand, each as a client meets it. A real API server has no such buttons."""

import itertools
from collections.abc import Iterator

import pytest

from tests.kubernetes.objects import config, path
from tests.worlds.clusters import Bed, Cluster

pytestmark = pytest.mark.parametrize("bed", ["double"], indirect=True)


@pytest.fixture
def api(bed: Bed) -> Iterator[Cluster]:
    yield bed.one
    bed.one.faults()


def since(api: Cluster, at: str) -> str:
    return str(api.ok("GET", at)["metadata"]["resourceVersion"])


def test_answers_in_place_of_its_own(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    api.faults(answers=[{"code": 429, "count": 2, "retry_after": 7, "path": "/configmaps", "method": "GET"}])
    for _ in range(2):
        answer = api.call("GET", at)
        assert (answer.code, answer.headers["Retry-After"], answer.value["reason"]) == (429, "7", "TooManyRequests")
    assert api.call("GET", at).code == 200


def test_only_what_is_named_fails(api: Cluster) -> None:
    home = api.namespace()
    api.faults(answers=[{"code": 503, "count": 1, "path": "/services"}])
    assert api.call("GET", path("ConfigMap", home)).code == 200
    assert api.call("GET", path("Service", home)).code == 503


def test_watches_are_cut(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    with api.watching(f"{at}?watch=1&resourceVersion={since(api, at)}") as events:
        api.ok("POST", at, config("one"))
        assert next(events)["type"] == "ADDED"
        api.act(cut=True)
        assert list(events) == []


def test_forgotten_versions_are_gone(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    old = since(api, at)
    api.ok("POST", at, config("one"))
    api.act(compact=True)
    with api.watching(f"{at}?watch=1&resourceVersion={old}") as events:
        (event,) = events
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"].startswith(f"too old resource version: {old} (")
    api.faults(gone_status=True)
    assert api.call("GET", f"{at}?watch=1&resourceVersion={old}").code == 410
    exact = api.call("GET", f"{at}?resourceVersion={old}&resourceVersionMatch=Exact")
    assert (exact.code, exact.value["reason"]) == (410, "Expired")


def test_a_page_of_a_forgotten_version(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    for name in "abc":
        api.ok("POST", at, config(name))
    token = api.ok("GET", f"{at}?limit=2")["metadata"]["continue"]
    api.ok("POST", at, config("d"))
    api.act(compact=True)
    answer = api.call("GET", f"{at}?limit=2&continue={token}")
    assert (answer.code, answer.value["reason"]) == (410, "Expired")
    assert answer.value["message"].startswith("The provided continue parameter is too old to display a consistent list")


def test_bookmarks_on_demand(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    with api.watching(f"{at}?watch=1&resourceVersion={since(api, at)}&allowWatchBookmarks=true") as events:
        api.ok("POST", at, config("one"))
        assert next(events)["type"] == "ADDED"
        api.act(bookmark=True)
        mark = next(events)
    assert mark["type"] == "BOOKMARK"
    assert int(mark["object"]["metadata"]["resourceVersion"]) >= int(since(api, at)) - 1


def test_a_stalled_watch_is_silent(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    version = since(api, at)
    api.faults(stalled=True)
    with api.watching(f"{at}?watch=1&resourceVersion={version}", seconds=0.3) as events:
        api.ok("POST", at, config("one"))
        with pytest.raises(TimeoutError):
            next(events)


def test_a_truncated_answer(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    api.faults(truncate=1)
    assert "text" in api.call("GET", at).value
    assert api.call("GET", at).value["items"] == []


def test_slow_bytes_come_whole(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    api.faults(slow=0.001)
    assert api.ok("GET", at)["items"] == []


def test_a_stale_list(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    old = since(api, at)
    api.ok("POST", at, config("one"))
    api.faults(stale_at=int(old))
    assert (api.ok("GET", at)["items"], since(api, at)) == ([], old)


def test_an_empty_list(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    api.ok("POST", at, config("one"))
    api.faults(empty=True)
    assert api.ok("GET", at)["items"] == []


def test_duplicate_events(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    version = since(api, at)
    api.faults(duplicates=True)
    with api.watching(f"{at}?watch=1&resourceVersion={version}") as events:
        api.ok("POST", at, config("one"))
        first, second = itertools.islice(events, 2)
    assert first == second


def test_a_server_without_watch_list(api: Cluster) -> None:
    at = path("ConfigMap", api.namespace())
    api.faults(no_watch_list=True)
    query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    with api.watching(f"{at}?{query}") as events:
        (event,) = events
    assert event["type"] == "ERROR" and "RequestWatchProgress is disabled" in event["object"]["message"]


def test_a_fault_that_is_none(api: Cluster) -> None:
    answer = api.call("PUT", "/_faults", {"colour": "red"})
    assert (answer.code, answer.value["text"]) == (400, "Object contains unknown field `colour`\n")
