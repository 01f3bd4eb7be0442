"""A small Kubernetes API double over real HTTP: paged lists, watches with versions, bookmarks, 410 and faults on demand."""

import asyncio
import json
from typing import Any

from aiohttp import web

from federation.adapters.kube.kinds import FOLLOWED

PATHS = {name: kind.path for name, kind in FOLLOWED.items()}

Object = dict[str, Any]


class ApiDouble:
    """Keeps objects by path; every change has the next resource version and reaches every open watch."""

    def __init__(self) -> None:
        self.version = 100
        self.oldest = 0
        self.objects: dict[str, dict[tuple[str, str], Object]] = {path: {} for path in PATHS.values()}
        self.events: dict[str, list[tuple[int, Object]]] = {path: [] for path in PATHS.values()}
        self.requests: list[str] = []
        self.fail_next: list[int] = []
        self.moved = asyncio.Condition()
        self.url = ""
        self.streams = False
        self.silent = False
        self.pages_expire = False
        self.unknown: set[str] = set()
        self.fail_always: dict[str, int] = {}
        self._cut = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "ApiDouble":
        app = web.Application()
        for path in PATHS.values():
            app.router.add_get(path, self._get)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = site.name
        return self

    async def __aexit__(self, *what: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def put(self, kind: str, value: Object) -> None:
        """Create or replace."""
        path, key = PATHS[kind], _key(value)
        await self._happen(path, "MODIFIED" if key in self.objects[path] else "ADDED", value)
        self.objects[path][key] = value

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete."""
        await self._happen(PATHS[kind], "DELETED", self.objects[PATHS[kind]].pop((namespace, name)))

    async def bookmark(self, kind: str) -> None:
        """Say the version to every watch of this kind."""
        await self._happen(PATHS[kind], "BOOKMARK", {"metadata": {}})

    async def compact(self) -> None:
        """Forget history and cut every watch: whoever resumes is told 410 Gone."""
        async with self.moved:
            self.oldest = self.version + 1
            self.version += 1
            self._cut += 1
            for events in self.events.values():
                events.clear()
            self.moved.notify_all()

    async def _happen(self, path: str, what: str, value: Object) -> None:
        async with self.moved:
            self.version += 1
            value["metadata"]["resourceVersion"] = str(self.version)
            self.events[path].append((self.version, {"type": what, "object": value}))
            self.moved.notify_all()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path_qs)
        async with self.moved:
            self.moved.notify_all()
        if self.fail_next:
            return web.Response(status=self.fail_next.pop(0), headers={"Retry-After": "0"})
        if request.path in self.unknown:
            return web.Response(status=404, text="404 page not found")
        if request.path in self.fail_always:
            return web.Response(status=self.fail_always[request.path])
        if self.pages_expire and "continue" in request.query:
            return web.Response(status=410)
        if "sendInitialEvents" in request.query and not self.streams:
            text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            return web.json_response({"kind": "Status", "code": 422, "reason": "Invalid", "message": text}, status=422)
        if request.query.get("watch") == "true":
            return await self._watch(request)
        return self._list(request)

    def _list(self, request: web.Request) -> web.Response:
        items = [value for _, value in sorted(self.objects[request.path].items())]
        start = int(request.query.get("continue") or 0)
        end = start + int(request.query.get("limit", "500"))
        meta = {"resourceVersion": str(self.version), "continue": str(end) if end < len(items) else ""}
        return web.json_response({"kind": "List", "metadata": meta, "items": items[start:end]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        cut = self._cut
        if "sendInitialEvents" in request.query:
            seen = await self._initial(request, response)
        else:
            seen = int(request.query["resourceVersion"])
        if seen < self.oldest:
            await response.write(
                _line({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})
            )
            return response
        while cut == self._cut:
            async with self.moved:
                due = [(version, event) for version, event in self.events[request.path] if version > seen]
                if not due or self.silent:
                    await self.moved.wait()
                    continue
            for version, event in due:
                await response.write(_line(event))
                seen = version
        return response

    async def _initial(self, request: web.Request, response: web.StreamResponse) -> int:
        """What a WatchList says first: every object, then the bookmark that ends them."""
        version = self.version
        for _, value in sorted(self.objects[request.path].items()):
            await response.write(_line({"type": "ADDED", "object": value}))
        mark = {"resourceVersion": str(version), "annotations": {"k8s.io/initial-events-end": "true"}}
        await response.write(_line({"type": "BOOKMARK", "object": {"metadata": mark}}))
        return version


def _line(event: Object) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _key(value: Object) -> tuple[str, str]:
    return (value["metadata"].get("namespace", ""), value["metadata"]["name"])
