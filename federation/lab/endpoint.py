"""The program `isthmus lab endpoint`: pods that name themselves in every answer and can be told to be unwell."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

IDENTITY_HEADER = "x-forwarded-client-cert"
HEALTH_PATH, SWITCH_PATH = "/healthz", "/-/health"
Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(slots=True)
class Pod:
    """One pod; `healthy` is what it says of itself at HEALTH_PATH, other paths are served all the same."""

    service: str
    name: str
    address: str
    member: str
    healthy: bool = True


def from_header(header: str | None, key: str) -> str | None:
    """The first value of a key (URI: who called; By: whose proxy says so) in an x-forwarded-client-cert
    header.
    """
    for part in (header or "").replace(",", ";").split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == key.lower():
            return value.strip().strip('"')
    return None


def answer(pod: Pod, path: str, method: str, identity: str | None) -> dict[str, str]:
    """The body of every answer."""
    body = {"endpoint": pod.name, "member": pod.member, "service": pod.service, "method": method, "path": path}
    seen = {"spiffe": from_header(identity, "URI"), "by": from_header(identity, "By")}
    return body | {key: value for key, value in seen.items() if value is not None}


def switched(pod: Pod, wanted: str | None) -> tuple[int, str]:
    """Status and text of POST SWITCH_PATH?ok=true|false."""
    if wanted not in ("true", "false"):
        return 400, f'ok must be "true" or "false", not {wanted!r}\n'
    pod.healthy = wanted == "true"
    return 200, f"{pod.name} says that it is {'well' if pod.healthy else 'unwell'}\n"


def handler(pod: Pod) -> Handler:
    """Answer any path by GET or POST with who answers and who asked; HEALTH_PATH says how the pod is."""

    async def handle(request: web.Request) -> web.Response:
        if request.method not in ("GET", "HEAD", "POST"):
            return web.Response(status=405, headers={"allow": "GET, HEAD, POST"})
        await request.read()
        if request.path == SWITCH_PATH and request.method == "POST":
            status, text = switched(pod, request.query.get("ok"))
            return web.Response(status=status, text=text)
        status = 503 if request.path == HEALTH_PATH and not pod.healthy else 200
        body = json.dumps(answer(pod, request.path_qs, request.method, request.headers.get(IDENTITY_HEADER)))
        headers = {"x-endpoint": pod.name}
        return web.Response(status=status, text=body, content_type="application/json", headers=headers)

    return handle


async def serve(pods: list[Pod], port: int) -> None:
    """Serve each pod at its address until SIGTERM; OSError when an address cannot be bound."""
    runners = []
    for pod in pods:
        application = web.Application(client_max_size=1 << 20)
        application.router.add_route("*", "/{path:.*}", handler(pod))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, pod.address, port, backlog=512).start()
        runners.append(runner)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await asyncio.gather(*(runner.cleanup() for runner in runners))
