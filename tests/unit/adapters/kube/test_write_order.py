"""What the writer sends while an apply hangs."""

import asyncio
import json

import msgspec
from aiohttp import web

from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.http import Http
from federation.adapters.kube.kinds import FOLLOWED, MANAGER
from federation.adapters.kube.reading import read_head
from federation.adapters.kube.writer import Writer
from federation.ports import Wanted
from tests.worlds.kube_following import BRISK

SLICES = FOLLOWED["EndpointSlice"]


def wanted(name: str) -> Wanted:
    body = {"metadata": {"labels": {}}, "addressType": "IPv4", "endpoints": []}
    return Wanted(api_version=SLICES.api_version, kind=SLICES.name, namespace="shop", name=name, body=body)


def ours(name: str) -> msgspec.Raw:
    """The slice as the API server has it after we applied it."""
    label, value = SLICES.mark
    fields = [{"manager": MANAGER, "operation": "Apply", "fieldsV1": {}}]
    meta = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "7", "labels": {label: value}}
    return msgspec.Raw(json.dumps({"metadata": meta | {"managedFields": fields}}, separators=(",", ":")).encode())


class Server:
    """Answers no apply before `answering`; notes what is asked for."""

    def __init__(self) -> None:
        self.answering = asyncio.Event()
        self.asked: asyncio.Queue[str] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked.put_nowait(f"{request.method} {name}")
        if request.method == "PATCH":
            await self.answering.wait()
        return web.Response(body=bytes(ours(name)), content_type="application/json")


def prepared(http: Http) -> Writer:
    """shop/web: one slice replaced by a new one; shop/api: one slice gone."""
    writer = Writer(http, BRISK, lambda: True)
    for name in ("web-old", "api"):
        raw = ours(name)
        key, meta = read_head(SLICES, raw)
        writer.saw(SLICES, key, meta, raw)
    writer.listed(SLICES)
    writer.want("shop/web", [wanted("web-old")])
    writer.want("shop/web", [wanted("web-new")])
    writer.want("shop/api", [wanted("api")])
    writer.want("shop/api", [])
    writer.complete()
    return writer


def test_an_apply_that_hangs_holds_back_deletes_of_its_own_service_only() -> None:
    async def story() -> None:
        server, app = Server(), web.Application()
        app.router.add_route("*", SLICES.path_of(("", "shop", "{name}")), server.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        http = Http(KubeAccess(site.name, False), BRISK)
        async with http.opened():
            task = asyncio.create_task(prepared(http).run())
            async with asyncio.timeout(10):
                assert {await server.asked.get(), await server.asked.get()} == {"PATCH web-new", "DELETE api"}
                server.answering.set()
                assert await server.asked.get() == "DELETE web-old"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()

    asyncio.run(story())
