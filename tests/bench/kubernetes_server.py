"""An API server of many EndpointSlices, as a process of its own: lists by pages, WatchList when told to, quiet watches.

`python kubernetes_server.py SLICES ENDPOINTS streams|pages BOOKMARK_SECONDS` prints its port. Bookmarks come for
EndpointSlices and Services only, as with a real API server: for a kind that nothing ever happened to it sends none.
"""

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
MANAGED = {
    "manager": "kube-controller-manager",
    "operation": "Update",
    "apiVersion": "discovery.k8s.io/v1",
    "time": "2026-11-21T12:00:00Z",
    "fieldsType": "FieldsV1",
    "fieldsV1": {
        "f:addressType": {},
        "f:endpoints": {},
        "f:metadata": {
            "f:annotations": {".": {}, "f:endpoints.kubernetes.io/last-change-trigger-time": {}},
            "f:generateName": {},
            "f:labels": {
                ".": {},
                "f:endpointslice.kubernetes.io/managed-by": {},
                "f:kubernetes.io/service-name": {},
            },
            "f:ownerReferences": {".": {}, 'k:{"uid":"00000000-0000-4000-8000-000000000000"}': {}},
        },
        "f:ports": {},
    },
}


def endpoint_slice(number: int, endpoints: int) -> dict[str, Any]:
    """One, as kube-controller-manager writes it; two for each service."""
    service = f"service-{number // 2}"
    owner = {"apiVersion": "v1", "kind": "Service", "name": service, "uid": f"{number:032d}", "controller": True}
    return {
        "metadata": {
            "name": f"{service}-{number:05x}",
            "generateName": f"{service}-",
            "namespace": f"namespace-{number % 50}",
            "uid": f"{number:08d}-0000-4000-8000-000000000000",
            "resourceVersion": str(1_000 + number),
            "generation": 3,
            "creationTimestamp": "2026-11-21T12:00:00Z",
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": service,
            },
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-11-21T12:00:00Z"},
            "ownerReferences": [owner],
            "managedFields": [MANAGED],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(number, index) for index in range(endpoints)],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _endpoint(number: int, index: int) -> dict[str, Any]:
    return {
        "addresses": [f"10.{number // 250 % 250 + 1}.{number % 250}.{index + 1}"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{(number + index) % 200}",
        "zone": f"zone-{index % 3}",
        "targetRef": {
            "kind": "Pod",
            "name": f"pod-{number}-{index}",
            "namespace": f"namespace-{number % 50}",
            "uid": f"{number:08d}-{index:04d}-4000-8000-000000000000",
        },
    }


class Server:
    """Answers `list` and `watch`; all other kinds are empty."""

    def __init__(self, slices: int, endpoints: int, streams: bool, bookmarks: float) -> None:
        self._slices = [json.dumps(endpoint_slice(number, endpoints)).encode() for number in range(slices)]
        self._streams = streams
        self._bookmarks = bookmarks

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any GET."""
        items = self._slices if request.path == SLICES else []
        if "watch" not in request.query:
            return self._page(request, items)
        if "sendInitialEvents" in request.query and not self._streams:
            return web.json_response({"kind": "Status", "code": 422, "reason": "Invalid"}, status=422)
        response = web.StreamResponse()
        await response.prepare(request)
        if "sendInitialEvents" in request.query:
            for item in items:
                await response.write(b'{"type":"ADDED","object":' + item + b"}\n")
            mark = {"resourceVersion": "99999", "annotations": {"k8s.io/initial-events-end": "true"}}
            await response.write(_bookmark(mark))
        try:
            async with asyncio.timeout(float(request.query.get("timeoutSeconds", "1800"))):
                await self._rest(response, request.path in (SLICES, "/api/v1/services"))
        except TimeoutError:
            pass
        return response

    async def _rest(self, response: web.StreamResponse, bookmarks: bool) -> None:
        while True:
            await asyncio.sleep(self._bookmarks)
            if bookmarks:
                await response.write(_bookmark({"resourceVersion": "99999"}))

    def _page(self, request: web.Request, items: list[bytes]) -> web.Response:
        start, limit = int(request.query.get("continue") or 0), int(request.query.get("limit") or len(items) or 1)
        more = str(start + limit) if start + limit < len(items) else ""
        meta = json.dumps({"resourceVersion": "99999", "continue": more}).encode()
        body = b'{"metadata":' + meta + b',"items":[' + b",".join(items[start : start + limit]) + b"]}"
        response = web.Response(body=body, content_type="application/json")
        response.enable_compression()
        return response


def _bookmark(metadata: dict[str, Any]) -> bytes:
    return json.dumps({"type": "BOOKMARK", "object": {"metadata": metadata}}).encode() + b"\n"


async def main() -> None:
    """Serve until killed."""
    server = Server(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "streams", float(sys.argv[4]))
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site.name.rpartition(":")[2], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
