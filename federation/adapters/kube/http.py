"""The one place that speaks to the API server: typed errors, its wishes for patience, a limit of requests in flight."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Literal

import aiohttp
import msgspec
from msgspec import Struct
from prometheus_client import Counter

from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.pace import Pace
from federation.model.errors import Unavailable

Verb = Literal["list", "watch", "apply", "delete", "get", "create", "replace"]
APPLY, JSON = "application/apply-patch+yaml", "application/json"
METHODS: Mapping[Verb, str] = {
    "list": "GET",
    "get": "GET",
    "apply": "PATCH",
    "delete": "DELETE",
    "create": "POST",
    "replace": "PUT",
}
FENCED = ("apply", "delete")
"""What has no compare-and-swap of its own: it is sent by a leader only, on a connection that is there within 2 s."""
PROMPT = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=60)
PATIENCE_MAX = 60.0
"""Longest Retry-After that is obeyed, in seconds."""

requests_total = Counter("isthmus_kube_requests_total", "Requests to the API server", ["verb", "kind", "code"])


class Cause(Struct, frozen=True):
    """One of a Status's details.causes."""

    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(Struct, frozen=True, rename="camel"):
    kind: str = ""
    name: str = ""
    causes: tuple[Cause, ...] | None = ()
    retry_after_seconds: int = 0


class Status(Struct, frozen=True):
    """meta/v1 Status: why something was not done."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


class ApiError(Exception):
    """The API server said no."""

    def __init__(self, status: Status, retry_after: float = 0.0) -> None:
        super().__init__(f"{status.code} {status.reason or 'Unknown'}: {status.message}")
        self.code = status.code
        self.reason = status.reason
        self.message = status.message
        self.details = status.details or _Details()
        self.retry_after = retry_after

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What exactly, where the API server says it."""
        return self.details.causes or ()


class Broken(Exception):
    """The API server was not reached, or what it said was cut short or is no JSON."""


class Stopped(Exception):
    """Another replica may lead now: the change was not sent."""


class Quiet(Exception):
    """A watch is open and says nothing."""


class Http:
    """Requests to one API server, inside `opened`. No apply or delete is sent while `may_write()` is False."""

    def __init__(self, access: KubeAccess, pace: Pace, may_write: Callable[[], bool] = lambda: True) -> None:
        self._access = access
        self._may_write = may_write
        self._pace = pace
        self._session: aiohttp.ClientSession | None = None
        self._gate = asyncio.Semaphore(pace.in_flight)
        self._not_before = 0.0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """One session for as long as this lasts."""
        connector = aiohttp.TCPConnector(ssl=self._access.tls, limit=0)
        agent = {"User-Agent": f"isthmus/{version('isthmus')}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
        async with aiohttp.ClientSession(connector=connector, headers=agent, timeout=timeout) as self._session:
            yield

    async def call(
        self, verb: Verb, kind: str, path: str, query: Mapping[str, str] | None = None, body: object = None
    ) -> bytes:
        """The answer's body. ApiError, Broken, Stopped."""
        content = APPLY if verb == "apply" else JSON
        data = None if body is None else io.BytesIO(msgspec.json.encode(body))
        async with self._gate:
            await self._patience()
            if verb in FENCED and not self._may_write():
                raise Stopped
            limits = PROMPT if verb in FENCED else None
            async with self._ask(
                verb, kind, METHODS[verb], path, query, data=data, content=content, limits=limits
            ) as response:
                return await response.read()

    @asynccontextmanager
    async def stream(
        self, kind: str, path: str, query: Mapping[str, str], quiet: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of a watch. Quiet when nothing came for `quiet` seconds. ApiError, Broken."""
        await self._patience()
        limits = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=quiet)
        async with self._ask("watch", kind, "GET", path, query, limits=limits) as response:
            yield _lines(response.content)

    async def _patience(self) -> None:
        """Wait until the API server wants to be asked again."""
        await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))

    @asynccontextmanager
    async def _ask(
        self,
        verb: Verb,
        kind: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        *,
        data: io.BytesIO | None = None,
        content: str = "",
        limits: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None
        code = "broken"
        try:
            headers = await self._headers() | ({"Content-Type": content} if data is not None else {})
            extra: dict[str, Any] = {"timeout": limits} if limits else {}
            url = self._access.server + path
            async with self._session.request(
                method, url, params=query, headers=headers, data=data, **extra
            ) as response:
                code = str(response.status)
                requests_total.labels(verb, kind, code).inc()
                if response.status >= 400:
                    raise self._no(response, await response.read())
                yield response
        except aiohttp.SocketTimeoutError as error:
            if verb == "watch" and code == "200":
                raise Quiet from None
            raise Broken(f"{type(error).__name__}: {error}") from None
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError, Unavailable) as error:
            if code == "broken":
                requests_total.labels(verb, kind, code).inc()
            raise Broken(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    async def _headers(self) -> dict[str, str]:
        if self._access.plugin is None:
            return self._access.headers()
        return await asyncio.to_thread(self._access.headers)

    def _no(self, response: aiohttp.ClientResponse, body: bytes) -> ApiError:
        try:
            status = msgspec.json.decode(body, type=Status)
        except msgspec.MsgspecError:
            status = Status(message=body[:200].decode(errors="replace").strip() or response.reason or "")
        said = response.headers.get("Retry-After", "")
        seconds = min(float(said), PATIENCE_MAX) if said.isdigit() else 0.0
        if response.status in (429, 503):
            self._not_before = max(self._not_before, time.monotonic() + seconds)
        return ApiError(msgspec.structs.replace(status, code=response.status), seconds)


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own readline gives up past its buffer."""
    kept = b""
    async for chunk in stream.iter_any():
        *lines, kept = (kept + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
