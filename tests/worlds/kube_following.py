"""A Kube that runs against the HTTP double, and the objects that such tests put there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.claim import Claim
from federation.adapters.kube.cluster import Kube
from federation.adapters.kube.pace import Pace
from federation.model.names import ServiceKey
from tests.worlds.api_double import ApiDouble

BRISK = Pace(first=0.01, longest=0.05, held=0.05, absent=0.02, quiet=5.0, write_first=0.01, write_longest=0.05)
"""No pause is long enough to wait for."""
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

    def __init__(self, double: ApiDouble, pace: Pace = BRISK, claim: Claim | None = None) -> None:
        self.double = double
        self.kube = Kube(KubeAccess(double.url, False), "az", pace, claim=claim)
        self._woken = asyncio.Event()

    def addresses(self) -> list[str]:
        return [e.address for part in self.kube.service(WEB).slices for e in part.endpoints]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._woken.clear()
                await self._woken.wait()

    async def start(self) -> None:
        await self.kube.run(lambda key: self._woken.set())

    async def run(self, story: Callable[["Following"], Awaitable[None]]) -> None:
        task = asyncio.create_task(self.start())
        try:
            await self.until(lambda: self.kube.certainty == "fresh")
            await story(self)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def follow(
    story: Callable[[Following], Awaitable[None]],
    *prepared: tuple[str, dict[str, Any]],
    pace: Pace = BRISK,
    arrange: Callable[[ApiDouble], None] = lambda double: None,
) -> None:
    """Tell this story of a Kube and a double in which these objects (kind, object) are; `arrange` the double before."""

    async def main() -> None:
        async with ApiDouble() as double:
            arrange(double)
            for kind, value in prepared:
                await double.put(kind, value)
            await Following(double, pace).run(story)

    asyncio.run(main())


ALL = (("Service", service()), ("EndpointSlice", endpoint_slice("10.2.1.11")), ("ServiceExport", export()))
