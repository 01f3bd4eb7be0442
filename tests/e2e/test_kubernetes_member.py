"""A controller over a Kubernetes API: the public command, a real socket, the HTTP double."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.netns.spaces import await_true
from tests.worlds.api_double import ApiDouble
from tests.worlds.kube_following import endpoint_slice, export, service
from tests.worlds.public_cli import Site

KUBECONFIG = """\
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "http://127.0.0.1:8001/"}}]
users: [{name: u, user: {token: secret}}]
"""


class Served:
    """The double in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.double = ApiDouble()
        self.do(self.double.__aenter__())

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def close(self) -> None:
        self.do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        """Watches that are open end with the server; nothing of them outlives the loop."""
        await self.double.__aexit__()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@contextmanager
def member(path: Path) -> Iterator[tuple[Site, Served]]:
    served, site = Served(), Site(path)
    try:
        for kind, value in (
            ("Service", service()),
            ("EndpointSlice", endpoint_slice("10.1.1.11", "10.1.1.12")),
            ("ServiceExport", export()),
        ):
            served.do(served.double.put(kind, value))
        kubeconfig = path / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.replace("http://127.0.0.1:8001/", served.double.url))
        site.found()
        site.run("us-east", kubeconfig)
        yield site, served
    finally:
        site.stop()
        served.close()


def test_exports_of_a_cluster_are_followed(tmp_path: Path) -> None:
    with member(tmp_path) as (site, served):
        told = site.explain("us-east", "shop/web")
        (own,) = told["inputs"]
        assert (own["member"], own["cost_from"], own["ready"], own["total"]) == ("us-east", "own member", 2, 2)
        served.do(served.double.put("EndpointSlice", endpoint_slice("10.1.1.11", "10.1.1.12", "10.1.1.13")))
        await_true("the third endpoint", lambda: site.explain("us-east", "shop/web")["inputs"][0]["ready"] == 3)
        served.do(served.double.delete("ServiceExport", "shop", "web"))
        await_true("the export is gone", lambda: site.status("us-east")["services"] == [])
