"""A real Envoy that our xDS server feeds with what the renderer makes of a node state. Its backends are listeners of its
own that answer at once, each on a port of its own; how many requests each one got is read from Envoy's numbers.
"""

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from msgspec import Struct, structs

from federation.model.names import ServiceKey
from federation.model.resilience import NO_RESILIENCE, Resilience
from gateways.binary import find_envoy
from gateways.render.envoy.bootstrap import bootstrap
from gateways.render.envoy.resources import Certificate, grouped
from gateways.render.envoy.routes import BY_GATEWAY
from gateways.services import route_of
from gateways.state import Cluster, Host, Locality, NodeListener, NodeState, ServiceState, Situation, Telemetry
from gateways.xds.encode import Encoder
from gateways.xds.serve import XdsServer
from tests.worlds.ports import free_port

Json = dict[str, Any]
SECONDS = 30.0
SILENT = Telemetry()
WEB = ServiceKey("shop", "web")
_TYPE = "type.googleapis.com/envoy.extensions"


class Backend(Struct, frozen=True):
    """A listener that answers every request with this status; `marked`: as another member's gateway passes it on."""

    name: str
    port: int
    status: int = 200
    marked: bool = False
    address: str = "127.0.0.1"

    def host(self, state: str = "ready") -> Host:
        return Host(self.address, self.port, state)  # type: ignore[arg-type]


def backends(*names: str, status: int = 200) -> tuple[Backend, ...]:
    return tuple(Backend(name, free_port(), status) for name in names)


def locality(member: str, weight: int, *hosts: Host, standby: int = 0) -> Locality:
    return Locality(member, member, weight, hosts, standby)


def service(port: int, *localities: Locality, resilience: Resilience = NO_RESILIENCE, **more: Any) -> NodeState:
    """The state of a node with one HTTP service, called by nobody that it knows."""
    cluster = Cluster(
        name="out/shop/web/http/local", local="us", localities=localities, http=True, resilience=resilience, **more
    )
    return with_cluster(port, cluster)


def with_cluster(port: int, cluster: Cluster, telemetry: Telemetry = SILENT) -> NodeState:
    listener = NodeListener(
        name="out/shop/web/http",
        address="127.0.0.1",
        port=port,
        http=cluster.http,
        chains=(),
        default=cluster.name,
        service="shop/web",
    )
    here = Situation(node="n1", role="node", member="us", domain="acme.mesh", address="127.0.0.1", telemetry=telemetry)
    routes = (route_of(cluster),) if cluster.http else ()
    services = {WEB: ServiceState(clusters=(cluster,), routes=routes, listeners=(listener,))}
    return NodeState(situation=here, domain="acme.mesh", services=services)


class Rig:
    """The running Envoy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = XdsServer(folder / "xds.sock")
        self._encoder = Encoder()

    async def put(self, state: NodeState, certificates: Mapping[str, Certificate] | None = None) -> None:
        """Have Envoy hold this state, and come back when it does."""
        self.offer(state, certificates)
        await self.until(self.server.settled)

    def offer(self, state: NodeState, certificates: Mapping[str, Certificate] | None = None) -> None:
        encoded = self._encoder.encode(grouped(state, certificates or {}))
        assert encoded.problems == ()
        self.server.offer(encoded.snapshot, encoded.changed)

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(SECONDS):
            while not true():
                self.server.changed.clear()
                if true():
                    return
                await self.server.changed.wait()

    async def admin(self, path: str, method: str = "GET") -> str:
        connector = aiohttp.UnixConnector(str(self.folder / "admin.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://envoy{path}") as answer,
        ):
            return await answer.text()

    async def stats(self, pattern: str) -> dict[str, int]:
        text = await self.admin(f"/stats?format=json&filter={pattern}")
        return {one["name"]: one["value"] for one in json.loads(text)["stats"] if "name" in one}

    async def counted(self) -> dict[str, int]:
        """How many requests each backend got so far."""
        found = await self.stats(r"^http\.backend-.*\.downstream_rq_total$")
        return {name.split(".")[1].removeprefix("backend-"): value for name, value in found.items()}

    async def shares(self, port: int, count: int, **how: Any) -> dict[str, float]:
        """Send so many requests; the part of them that each backend got, in per cent."""
        before = await self.counted()
        statuses = await burst(port, count, **how)
        after = await self.counted()
        assert sum(statuses.values()) == count
        return {name: 100 * (value - before.get(name, 0)) / count for name, value in after.items()}


@asynccontextmanager
async def envoy(served: Iterable[Backend] = (), more: Iterable[Json] = ()) -> AsyncIterator[Rig]:
    """Start Envoy with these backends and other static listeners, and our xDS server."""
    with tempfile.TemporaryDirectory(prefix="ist-") as name:
        folder = Path(name)
        rig = Rig(folder)
        config: Json = bootstrap("n1", "us", "us", str(folder / "xds.sock"), str(folder / "admin.sock"))
        config["static_resources"]["listeners"] = [*map(_answering, served), *more]
        (folder / "envoy.json").write_text(json.dumps(config))
        await rig.server.start()
        arguments = ["-c", str(folder / "envoy.json"), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
        with (folder / "log").open("w") as log:
            process = await asyncio.create_subprocess_exec(find_envoy(), *arguments, stdout=log, stderr=log)
        try:
            yield rig
        except BaseException as error:
            error.add_note((folder / "log").read_text()[-4_000:])
            raise
        finally:
            process.kill()
            await process.wait()
            await rig.server.stop()


def _answering(backend: Backend) -> Json:
    answer: Json = {
        "match": {"prefix": "/"},
        "direct_response": {"status": backend.status, "body": {"inline_string": backend.name}},
    }
    if backend.marked:
        answer["response_headers_to_add"] = [{"header": {"key": BY_GATEWAY, "value": backend.name}}]
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": f"backend-{backend.name}",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router"},
            }
        ],
    }
    address = {"socket_address": {"address": backend.address, "port_value": backend.port}}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {"name": f"backend-{backend.name}", "address": address, "filter_chains": [{"filters": filters}]}


WIDTH = 100


async def burst(port: int, count: int, headers: Iterable[str] = (), source: str = "127.0.0.1") -> dict[int, int]:
    """So many requests on one connection, WIDTH of them on their way at a time; how often each status came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    lines = "".join(f"{line}\r\n" for line in headers)
    request = f"GET /a?secret=1 HTTP/1.1\r\nHost: web\r\n{lines}\r\n".encode()
    found: Counter[int] = Counter()
    try:
        for start in range(0, count, WIDTH):
            here = min(WIDTH, count - start)
            writer.write(request * here)
            found += await _statuses(reader, here)
    finally:
        writer.close()
        await writer.wait_closed()
    return dict(found)


async def _statuses(reader: asyncio.StreamReader, count: int) -> Counter[int]:
    """Of the next so many answers; the last one has no body behind its end."""
    seen = b""
    async with asyncio.timeout(SECONDS):
        while seen.count(b"HTTP/1.1 ") < count or not _whole(seen[seen.rindex(b"HTTP/1.1 ") :]):
            chunk = await reader.read(65_536)
            if not chunk:
                raise ConnectionError("closed in the middle of the answers")
            seen += chunk
    return Counter(int(line.split(None, 1)[0]) for line in seen.split(b"HTTP/1.1 ")[1:])


def _whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
    return bool(end) and len(body) >= int(length or b"0")


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """The next answer on a connection: status, headers in lower case, body."""
    async with asyncio.timeout(SECONDS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split()[1]), headers, body


async def ask(port: int, *headers: str, path: str = "/", source: str = "127.0.0.1") -> tuple[int, dict[str, str], str]:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        lines = "".join(f"{line}\r\n" for line in headers)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: web\r\n{lines}\r\n".encode())
        status, found, body = await answer_of(reader)
        return status, found, body.decode()
    finally:
        writer.close()
        await writer.wait_closed()


def replaced(state: NodeState, **fields: Any) -> NodeState:
    """The state with other fields in its one cluster, and the route that goes with it."""
    cluster = structs.replace(state.clusters[0], **fields)
    return altered(state, clusters=(cluster,), routes=(route_of(cluster),))


def altered(state: NodeState, **fields: Any) -> NodeState:
    """The state with other parts of its one service."""
    return structs.replace(state, services={WEB: structs.replace(state.services[WEB], **fields)})
