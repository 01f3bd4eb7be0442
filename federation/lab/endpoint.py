"""The program `isthmus lab endpoint`: pods of shop/web that name themselves in every answer."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable

from aiohttp import web

IDENTITY_HEADER = "x-forwarded-client-cert"
Handler = Callable[[web.Request], Awaitable[web.Response]]


def from_header(header: str | None, key: str) -> str | None:
    """The first value of a key (URI: who called; By: whose proxy says so) in an x-forwarded-client-cert
    header.
    """
    for part in (header or "").replace(",", ";").split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == key.lower():
            return value.strip().strip('"')
    return None


def answer(name: str, member: str, path: str, method: str, identity: str | None) -> dict[str, str]:
    """The body of every answer."""
    body = {"endpoint": name, "member": member, "method": method, "path": path}
    seen = {"spiffe": from_header(identity, "URI"), "by": from_header(identity, "By")}
    return body | {key: value for key, value in seen.items() if value is not None}


def handler(name: str, member: str) -> Handler:
    """Answer any path by GET or POST with who answers and who asked."""

    async def handle(request: web.Request) -> web.Response:
        if request.method not in ("GET", "HEAD", "POST"):
            return web.Response(status=405, headers={"allow": "GET, HEAD, POST"})
        await request.read()
        body = answer(name, member, request.path_qs, request.method, request.headers.get(IDENTITY_HEADER))
        return web.Response(text=json.dumps(body), content_type="application/json", headers={"x-endpoint": name})

    return handle


async def serve(pods: list[tuple[str, str]], port: int, member: str) -> None:
    """Serve each (name, address) until SIGTERM; OSError when an address cannot be bound."""
    runners = []
    for name, address in pods:
        application = web.Application(client_max_size=1 << 20)
        application.router.add_route("*", "/{path:.*}", handler(name, member))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, address, port, backlog=512).start()
        runners.append(runner)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await asyncio.gather(*(runner.cleanup() for runner in runners))
