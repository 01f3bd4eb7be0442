"""The Kubernetes adapter against the HTTP double."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from federation.adapters.kube import PATHS, Kube
from federation.adapters.kubeconfig import KubeAccess, read_kubeconfig
from federation.model.errors import InputError
from federation.model.names import ServiceKey
from tests.worlds.api_double import ApiDouble

WEB = ServiceKey("shop", "web")


def service(name: str = "web", port: Any = 80) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": name, "managedFields": [{"manager": "x"}]},
        "spec": {"ports": [{"name": "http", "port": port, "someday": "a field of a later version"}]},
    }


def endpoint_slice(*addresses: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": "shop", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def export(name: str = "web") -> dict[str, Any]:
    return {
        "apiVersion": "multicluster.x-k8s.io/v1beta1",
        "kind": "ServiceExport",
        "metadata": {"namespace": "shop", "name": name},
    }


class Following:
    """A Kube that runs against the double; `until` waits for a condition over its wakeups."""

    def __init__(self, double: ApiDouble) -> None:
        self.double = double
        self.kube = Kube(KubeAccess(double.url, False), "az")
        self._woken = asyncio.Event()

    def addresses(self) -> list[str]:
        return [e.address for part in self.kube.service(WEB).slices for e in part.endpoints]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._woken.clear()
                await self._woken.wait()

    async def run(self, story: Callable[["Following"], Awaitable[None]]) -> None:
        task = asyncio.create_task(self.kube.run(lambda key: self._woken.set()))
        try:
            await self.until(lambda: self.kube.certainty == "fresh")
            await story(self)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def follow(story: Callable[[Following], Awaitable[None]], *prepared: tuple[str, dict[str, Any]]) -> None:
    async def main() -> None:
        async with ApiDouble() as double:
            for kind, value in prepared:
                await double.put(kind, value)
            await Following(double).run(story)

    asyncio.run(main())


ALL = (("Service", service()), ("EndpointSlice", endpoint_slice("10.2.1.11")), ("ServiceExport", export()))


def test_it_lists_then_follows_changes() -> None:
    async def story(f: Following) -> None:
        assert f.kube.service(WEB).exported
        assert f.addresses() == ["10.2.1.11"]
        await f.double.put("EndpointSlice", endpoint_slice("10.2.1.11", "10.2.1.12"))
        await f.until(lambda: f.addresses() == ["10.2.1.11", "10.2.1.12"])
        await f.double.delete("ServiceExport", "shop", "web")
        await f.until(lambda: not f.kube.service(WEB).exported)
        assert sum("watch=true" not in request for request in f.double.requests) == len(PATHS)

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
            "Service shop/web: Expected `int` >= 1 - at `$.spec.ports[0].port`; the last good state stays in force",
        )
        assert f.kube.service(WEB).ports[0].port == 80
        await f.double.put("Service", service(port=81))
        await f.until(lambda: f.kube.problems == () and f.kube.service(WEB).ports[0].port == 81)

    follow(story, *ALL)


KUBECONFIG = """\
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "http://127.0.0.1:8001/"}}]
users: [{name: u, user: {token: secret}}]
"""


def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    access = read_kubeconfig(path)
    assert access.server == "http://127.0.0.1:8001"
    assert access.headers()["Authorization"] == "Bearer secret"


BAD_CONFIGS = {
    "no such context": (KUBECONFIG.replace("current-context: c", "current-context: x"), 'contexts: no "x"'),
    "not yaml": ("{", "is not a kubeconfig"),
    "exec": (KUBECONFIG.replace("token: secret", "exec: {}"), 'user needs "exec", which this adapter does not run'),
    "skip verify": (
        KUBECONFIG.replace("http:", "https:").replace("8001/", '8001/", "insecure-skip-tls-verify": "x'),
        "insecure-skip-tls-verify is not supported",
    ),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_kubeconfig_that_cannot_be_used_is_refused(tmp_path: Path, case: str) -> None:
    text, message = BAD_CONFIGS[case]
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_kubeconfig(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
