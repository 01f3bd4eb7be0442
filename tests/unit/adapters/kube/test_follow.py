"""Kinds are followed: the whole list, then every change; what is wrong is refused alone."""

import pytest

from federation.adapters.kube.kinds import FOLLOWED
from federation.model.names import ServiceKey
from tests.worlds.kube_following import ALL, WEB, Following, endpoint_slice, follow, service


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
