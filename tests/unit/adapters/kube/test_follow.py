"""Kinds are followed: the whole list, then every change; what is wrong is refused alone."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from federation.adapters.kube.kinds import FOLLOWED
from federation.model.names import ServiceKey
from tests.worlds.api_double import ApiDouble
from tests.worlds.kube_following import ALL, BRISK, WEB, Following, endpoint_slice, export, follow, service


def test_it_lists_then_follows_changes() -> None:
    async def story(f: Following) -> None:
        assert f.kube.service(WEB).exported
        assert f.addresses() == ["10.2.1.11"]
        await f.double.put("EndpointSlice", endpoint_slice("10.2.1.11", "10.2.1.12"))
        await f.until(lambda: f.addresses() == ["10.2.1.11", "10.2.1.12"])
        await f.double.delete("ServiceExport", "shop", "web")
        await f.until(lambda: not f.kube.service(WEB).exported)
        lists = [request for request in f.double.requests if "watch=true" not in request]
        assert len(lists) == len(FOLLOWED)

    follow(story, *ALL)


def test_a_list_is_read_page_by_page() -> None:
    async def story(f: Following) -> None:
        assert len(set(f.kube.services())) == 1203

    follow(story, *(("Service", service(f"s{n}")) for n in range(1203)))


def test_after_410_it_lists_again_and_drops_what_is_gone() -> None:
    async def story(f: Following) -> None:
        path = "/api/v1/services"
        f.double.objects[path].clear()
        await f.double.compact()
        await f.until(lambda: f.kube.service(WEB).kind is None)
        assert f.addresses() == ["10.2.1.11"]

    follow(story, *ALL)


def test_after_a_bookmark_a_cut_watch_resumes_there() -> None:
    async def story(f: Following) -> None:
        await f.double.bookmark("EndpointSlice")
        await f.double.put("EndpointSlice", endpoint_slice("10.2.1.12"))
        await f.until(lambda: f.addresses() == ["10.2.1.12"])

    follow(story, *ALL)


@pytest.mark.parametrize("status", [429, 500, 410])
def test_a_failing_api_server_changes_nothing_and_is_asked_again(status: int) -> None:
    async def story(f: Following) -> None:
        f.double.fail_next = [status] * 3
        await f.double.compact()
        assert f.addresses() == ["10.2.1.11"]
        await f.double.put("EndpointSlice", endpoint_slice("10.2.1.19"))
        await f.until(lambda: f.addresses() == ["10.2.1.19"])
        await f.until(lambda: f.kube.certainty == "fresh" and f.kube.problems == ())

    follow(story, *ALL)


def test_a_malformed_object_keeps_its_last_good_state_over_a_new_list() -> None:
    async def story(f: Following) -> None:
        f.double.objects["/api/v1/services"][("shop", "web")] = service(port=0)
        await f.double.compact()
        await f.until(lambda: len(f.kube.problems) == 1)
        assert f.kube.service(WEB).ports[0].port == 80

    follow(story, *ALL)


def test_a_malformed_object_is_rejected_alone() -> None:
    async def story(f: Following) -> None:
        await f.double.put("Service", service(port=0))
        await f.double.put("Service", service("next"))
        await f.until(lambda: ServiceKey("shop", "next") in f.kube.services())
        assert f.kube.problems == (
            'Service shop/web: field "spec.ports[0].port": expected int >= 1; the last good state stays in force',
        )
        assert f.kube.service(WEB).ports[0].port == 80
        await f.double.put("Service", service(port=81))
        await f.until(lambda: f.kube.problems == () and f.kube.service(WEB).ports[0].port == 81)

    follow(story, *ALL)


def malformed(generation: int) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": "web", "generation": generation}
    return export() | {"metadata": meta, "spec": {"exportedLabels": {"a/b/c": "x"}}}


def test_a_rejected_object_has_the_generation_that_was_rejected() -> None:
    async def story(f: Following) -> None:
        for generation in (2, 3):
            await f.double.put("ServiceExport", malformed(generation))
            await f.until(lambda: f.kube.service(WEB).generations == {("ServiceExport", "web"): generation})  # noqa: B023
            assert f.kube.service(WEB).exported
        await f.double.put("ServiceExport", export())
        await f.until(lambda: f.kube.service(WEB).generations == {("ServiceExport", "web"): 0})
        assert not f.kube.service(WEB).faults

    follow(story, *ALL)


def global_name(service: str, host: str) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": "front"}
    spec = {"host": host, "service": service}
    return {"apiVersion": "isthmus.dev/v1alpha1", "kind": "GlobalName", "metadata": meta, "spec": spec}


def test_a_name_that_is_malformed_now_is_said_by_the_service_of_its_last_good_state() -> None:
    """Two services must not say different things of one object."""

    async def story(f: Following) -> None:
        await f.double.put("GlobalName", global_name("web", "shop.example.com"))
        await f.until(lambda: "front" in f.kube.service(WEB).names)
        await f.double.put("GlobalName", global_name("other", "NO HOST"))
        await f.until(lambda: ("GlobalName", "front") in f.kube.service(WEB).faults)
        assert "front" in f.kube.service(WEB).names
        assert not f.kube.service(ServiceKey("shop", "other")).faults

    follow(story, *ALL)


MANY = tuple(("Service", service(f"s{n}")) for n in range(20))


def services_of(f: Following) -> int:
    return len(set(f.kube.services()))


def streaming(double: ApiDouble) -> None:
    double.streams = True


def test_where_the_api_server_can_list_and_watch_are_one_request() -> None:
    async def story(f: Following) -> None:
        assert f.addresses() == ["10.2.1.11"]
        await f.double.put("EndpointSlice", endpoint_slice("10.2.1.12"))
        await f.until(lambda: f.addresses() == ["10.2.1.12"])
        f.double.objects["/api/v1/services"].clear()
        await f.double.compact()
        await f.until(lambda: f.kube.service(WEB).kind is None)
        assert all("watch=true" in request for request in f.double.requests)

    follow(story, *ALL, arrange=streaming)


def test_where_it_cannot_it_is_asked_for_once() -> None:
    async def story(f: Following) -> None:
        await f.double.compact()
        await f.double.put("EndpointSlice", endpoint_slice("10.2.1.12"))
        await f.until(lambda: f.addresses() == ["10.2.1.12"])
        asked = [r for r in f.double.requests if "sendInitialEvents" in r and "endpointslices" in r]
        assert len(asked) == 1

    follow(story, *ALL)


@pytest.mark.parametrize("arrange", [streaming, lambda double: None], ids=["stream", "pages"])
def test_a_list_that_lost_nearly_everything_is_held_until_a_second_one_says_the_same(
    arrange: Callable[[ApiDouble], None],
) -> None:
    async def story(f: Following) -> None:
        f.double.objects["/api/v1/services"].clear()
        await f.double.compact()
        await f.until(lambda: bool(f.kube.problems))
        assert f.kube.problems == (
            "Service: a new list has 0 of 20 objects; what it lacks stays in force until a list 0.05 s later says the same",
        )
        assert services_of(f) == 20
        await f.until(lambda: services_of(f) == 0 and f.kube.problems == ())

    follow(story, *MANY, arrange=arrange)


def test_what_comes_back_while_a_list_is_held_was_never_gone() -> None:
    async def story(f: Following) -> None:
        path = "/api/v1/services"
        kept = dict(f.double.objects[path])
        f.double.objects[path].clear()
        await f.double.compact()
        await f.until(lambda: bool(f.kube.problems))
        f.double.objects[path].update(kept)
        await f.double.compact()
        await f.until(lambda: f.kube.problems == ())
        assert services_of(f) == 20

    follow(story, *MANY, pace=structs.replace(BRISK, held=600.0))


def test_deletions_that_are_told_are_obeyed_at_once() -> None:
    async def story(f: Following) -> None:
        for _, value in MANY:
            await f.double.delete("Service", "shop", value["metadata"]["name"])
        await f.until(lambda: services_of(f) == 0)
        assert f.kube.problems == ()

    follow(story, *MANY, pace=structs.replace(BRISK, held=600.0))


def test_a_list_from_the_past_drops_nothing_at_once() -> None:
    async def story(f: Following) -> None:
        f.double.objects["/apis/multicluster.x-k8s.io/v1beta1/serviceexports"].clear()
        await f.double.compact()
        f.double.version = 1
        await f.until(lambda: any("is older than what was seen" in text for text in f.kube.problems))
        assert f.kube.service(WEB).exported

    follow(story, *ALL, pace=structs.replace(BRISK, held=600.0))


def test_a_watch_that_says_nothing_is_resumed_without_a_list() -> None:
    def asked(f: Following) -> list[str]:
        return [request for request in f.double.requests if "/endpointslices?" in request]

    async def story(f: Following) -> None:
        f.double.silent = True
        await f.double.put("EndpointSlice", endpoint_slice("10.2.1.12"))
        before = len(asked(f))
        async with asyncio.timeout(10), f.double.moved:
            await f.double.moved.wait_for(lambda: len(asked(f)) >= before + 3)
        assert f.addresses() == ["10.2.1.11"]
        f.double.silent = False
        await f.until(lambda: f.addresses() == ["10.2.1.12"])
        assert sum("watch=true" not in request for request in asked(f)) == 1
        assert f.kube.problems == ()

    follow(story, *ALL, pace=structs.replace(BRISK, quiet=0.05, quiet_max=0.1))


def test_a_kind_that_the_api_server_does_not_know_is_absent_and_noticed_when_it_comes() -> None:
    path = "/apis/isthmus.dev/v1alpha1/trafficpolicies"
    policy = {
        "apiVersion": "isthmus.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"order": ["eu"]},
    }

    async def story(f: Following) -> None:
        assert f.kube.service(WEB).policy is None
        assert f.kube.problems == ()
        f.double.unknown.discard(path)
        await f.until(lambda: f.kube.service(WEB).policy is not None)
        f.double.unknown.add(path)
        await f.double.compact()
        await f.until(lambda: any("no longer knows this kind" in text for text in f.kube.problems))
        assert f.kube.service(WEB).policy is not None
        await f.until(lambda: f.kube.service(WEB).policy is None and f.kube.problems == ())

    follow(story, ("TrafficPolicy", policy), *ALL, arrange=lambda double: double.unknown.add(path))


def test_a_kind_that_is_needed_and_absent_is_a_problem_line() -> None:
    async def story(f: Following) -> None:
        assert f.kube.problems == (
            "ServiceExport: the API server does not know serviceexports.multicluster.x-k8s.io: "
            "install the CustomResourceDefinitions",
        )

    unknown = "/apis/multicluster.x-k8s.io/v1beta1/serviceexports"
    follow(story, arrange=lambda double: double.unknown.add(unknown))


def test_a_missing_right_is_named() -> None:
    async def story(f: Following) -> None:
        f.double.fail_always["/apis/discovery.k8s.io/v1/endpointslices"] = 403
        await f.double.compact()
        await f.until(lambda: bool(f.kube.problems))
        assert f.kube.problems == (
            "EndpointSlice: the API server does not let us list and watch endpointslices.discovery.k8s.io: "
            "grant it (deploy/, ClusterRole)",
        )
        assert (f.kube.certainty, f.addresses()) == ("stale", ["10.2.1.11"])

    follow(story, *ALL)


def test_pages_that_expire_are_read_at_once() -> None:
    async def story(f: Following) -> None:
        assert services_of(f) == 20

    def expiring(double: ApiDouble) -> None:
        double.pages_expire = True

    follow(story, *MANY, pace=structs.replace(BRISK, page=7), arrange=expiring)


REJECTED: dict[str, tuple[str, dict[str, Any], str]] = {
    "port 0": ("Service", service(port=0), 'field "spec.ports[0].port": expected int >= 1'),
    "an unknown enum": (
        "EndpointSlice",
        endpoint_slice("10.2.1.11") | {"addressType": "IPX"},
        "field \"addressType\": invalid enum value 'IPX'",
    ),
    "an invalid hostname": (
        "EndpointSlice",
        endpoint_slice() | {"endpoints": [{"addresses": ["10.2.1.11"], "hostname": "a_b"}]},
        'field "endpoints[0].hostname": "a_b" is not a DNS label',
    ),
    "annotations of 1 MiB": (
        "ServiceExport",
        export() | {"metadata": {"namespace": "shop", "name": "web", "annotations": {"a": "x" * 1_048_576}}},
        'field "metadata.annotations": 1048577 bytes, more than 262144: shorten them',
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_an_object_is_rejected_with_field_and_reason(case: str) -> None:
    kind, value, why = REJECTED[case]
    value["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}

    async def story(f: Following) -> None:
        before = f.kube.service(WEB)
        await f.double.put(kind, value)
        await f.until(lambda: bool(f.kube.problems))
        name = value["metadata"]["name"]
        assert f.kube.problems == (f"{kind} shop/{name}: {why}; the last good state stays in force",)
        assert f.kube.rejected() == {(kind, "shop", name): why}
        after = f.kube.service(WEB)
        assert (after.ports, after.slices, after.exported) == (before.ports, before.slices, before.exported)
        assert after.faults == {(kind, name): why}
        await f.double.delete(kind, "shop", name)
        await f.until(lambda: f.kube.problems == () and not f.kube.service(WEB).faults)

    follow(story, *ALL)
