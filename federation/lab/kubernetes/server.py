"""The server: aiohttp in front of the store, one object for tests to hold and for the lab's command to run."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import msgspec
from aiohttp import web

from federation.lab.kubernetes import authz, builtin, discovery, reads, requests, status, tables
from federation.lab.kubernetes.faults import Acts, Disturbance, Faults
from federation.lab.kubernetes.kinds import Kind, served
from federation.lab.kubernetes.requests import Target
from federation.lab.kubernetes.services import Network
from federation.lab.kubernetes.store import Store
from federation.lab.kubernetes.users import Tokens, User
from federation.lab.kubernetes.watch import BOOKMARK_SECONDS, Watch
from federation.lab.kubernetes.writes import DEFINITIONS, Options, Writes, as_version

Object = dict[str, Any]
HOMES = ("default", "kube-node-lease", "kube-public", "kube-system")
SLOW_BYTES = 64
FAULTS = "/_faults"


class ApiServer:
    """One double. `requests` are the requests so far, method and path with query; `faults` are what a test asks for."""

    def __init__(
        self,
        ranges: tuple[Network, ...] = (ip_network("10.96.0.0/16"),),
        users: dict[str, User] | None = None,
        bookmark_seconds: float = BOOKMARK_SECONDS,
    ) -> None:
        self.store = Store()
        self.writes = Writes(self.store, ranges)
        self.tokens = Tokens(self.store, users or {})
        self.faults = Disturbance()
        self.requests: list[str] = []
        self.bookmark_seconds = bookmark_seconds
        self.url = ""
        self._kinds: tuple[int, dict[tuple[str, str, str], Kind]] | None = None
        self._runner: web.AppRunner | None = None
        self._found()

    def _found(self) -> None:
        ours = Options("kube-apiserver")
        kinds = self.kinds()
        home = kinds["", "v1", "namespaces"]
        for name in HOMES:
            self.writes.create(home, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, ours)
        for value in authz.DEFAULTS:
            kind = kinds[authz.RBAC, "v1", f"{value['kind'].lower()}s"]
            self.writes.create(kind, "", value, ours)

    def kinds(self) -> dict[tuple[str, str, str], Kind]:
        """All kinds that are served now, by (group, version, plural)."""
        definitions = self.store.of(DEFINITIONS)
        stamp = hash(tuple(one["metadata"]["resourceVersion"] for one in definitions.values()))
        if self._kinds is None or self._kinds[0] != stamp:
            self._kinds = stamp, served(definitions.values())
        return self._kinds[1]

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen; OSError when that cannot be. `url` is set."""
        app = web.Application(client_max_size=requests.BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=tls)
        await site.start()
        bound = self._runner.addresses[0]
        self.url = f"{'https' if tls else 'http'}://{host}:{bound[1]}"

    async def stop(self) -> None:
        """End all watches and stop listening."""
        self.faults.cut_watches()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> "ApiServer":
        await self.start()
        return self

    async def __aexit__(self, *what: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == FAULTS:
            return await self._disturb(request)
        self.requests.append(f"{request.method} {request.path_qs}")
        fault = self.faults.answer(request.method, request.path)
        try:
            if fault is not None:
                return _faulty(fault.code, fault.retry_after, fault.body)
            return await self._answer(request)
        except status.Refused as refused:
            if refused.message == "404 page not found":
                return web.Response(status=404, text="404 page not found\n")
            return self._json(refused.status(), refused.code, refused.headers)

    async def _disturb(self, request: web.Request) -> web.Response:
        raw = await request.read()
        try:
            if request.method == "PUT":
                self.faults.set(msgspec.json.decode(raw, type=Faults))
            elif request.method == "POST":
                self._act(msgspec.json.decode(raw, type=Acts))
        except msgspec.ValidationError as error:
            return web.Response(status=400, text=f"{error}\n")
        said = {"faults": msgspec.to_builtins(self.faults.now), "requests": len(self.requests)}
        return web.json_response({**said, "version": self.store.version})

    def _act(self, acts: Acts) -> None:
        if acts.compact:
            self.store.compact()
        if acts.bookmark:
            self.faults.bookmark()
        if acts.cut:
            self.faults.cut_watches()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        user = self.tokens.user(request.headers.get("Authorization", ""))
        target = requests.located(request.path, self.kinds())
        if target is None:
            authz.require(self.store, user, authz.Act(request.method.lower(), path=request.path))
            return self._said(request)
        verb = _verb(request, target)
        sub = f"/{target.subresource}" if target.subresource else ""
        resource = f"{target.kind.plural}{sub}"
        home = target.namespace or ""
        act = authz.Act(verb, target.kind.group, resource, home, target.name)
        authz.require(self.store, user, act)
        if verb == "watch" and target.namespace is None and target.kind.namespaced and target.name:
            raise status.method_not_allowed()
        if request.method == "GET":
            return await self._read(request, target, verb)
        return await self._write(request, target, verb, user)

    def _said(self, request: web.Request) -> web.Response:
        """Discovery, OpenAPI, version and health."""
        path, kinds = request.path.rstrip("/"), self.kinds()
        media = requests.media(request)
        if path in ("/readyz", "/livez", "/healthz"):
            return web.Response(text="ok")
        if path == "/version":
            return self._json(discovery.VERSION)
        if path in ("/api", "/apis") and media is not None and media.get("as") == "APIGroupDiscoveryList":
            sort = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            return self._json(discovery.aggregated(kinds, path == "/api"), 200, {"Content-Type": sort})
        if path == "/api":
            return self._json({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
        if path == "/apis":
            return self._json(discovery.groups(kinds))
        if path.startswith("/openapi/"):
            return self._described(request, path.removeprefix("/openapi/"), kinds)
        return self._group(path.strip("/").split("/"), kinds)

    def _described(self, request: web.Request, what: str, kinds: discovery.Kinds) -> web.Response:
        if requests.media(request) is None:
            raise status.Refused(406, "NotAcceptable", "only application/json is served here", {})
        if what == "v2":
            return self._json(discovery.openapi2(kinds))
        if what == "v3":
            return self._json(discovery.documents(kinds))
        found = [one for one in kinds.values() if f"v3/{discovery.document_path(one)}" == what]
        if not found:
            raise status.no_such_path()
        return self._json(discovery.openapi3(found))

    def _group(self, parts: list[str], kinds: discovery.Kinds) -> web.Response:
        groups = discovery.versions(kinds)
        if parts[0] == "apis" and len(parts) == 2 and parts[1] in groups:
            found = {"kind": "APIGroup", "apiVersion": "v1", **discovery.group(parts[1], groups[parts[1]])}
            return self._json(found)
        name, version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else ([*parts[1:3], "", ""])[:2]
        listed = [one for one in kinds.values() if (one.group, one.version) == (name, version)]
        if not listed or len(parts) > 3:
            raise status.no_such_path()
        return self._json(discovery.resources(listed))

    async def _read(self, request: web.Request, target: Target, verb: str) -> web.StreamResponse:
        kind = target.kind
        if verb == "get":
            value = self.store.get(kind.stored_as, (target.namespace or "", target.name))
            if value is None:
                raise status.not_found(kind.group, kind.plural, target.name)
            if target.subresource and not (target.subresource == "status" and kind.status):
                raise status.no_such_path()
            return self._object(request, kind, as_version(kind, value))
        want = reads.asked(kind, target.namespace, target.name, request.query)
        if verb == "watch":
            return await self._watch(request, want)
        faults = self.faults.now
        page = reads.page(self.store, want, faults.stale_at)
        if faults.empty:
            page = reads.Page([], page.version)
        media = requests.media(request) or {}
        listed = reads.listed(kind, page)
        if media.get("as") == "Table":
            values = [as_version(kind, one) for one in page.items]
            shown = tables.table(kind, values, listed["metadata"], request.query.get("includeObject", "Metadata"))
            return await self._sent(request, shown)
        return await self._sent(request, listed)

    async def _watch(self, request: web.Request, want: reads.Asked) -> web.StreamResponse:
        watch = Watch(self.store, self.faults, want, self.bookmark_seconds)
        if self.faults.now.gone_status:
            watch.checked()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            await self._follow(request, want, watch, response)
        return response

    async def _follow(
        self, request: web.Request, want: reads.Asked, watch: Watch, response: web.StreamResponse
    ) -> None:
        """Write a watch's events until it ends, its kind is served no longer, or the client is gone."""
        as_table = (requests.media(request) or {}).get("as") == "Table"
        include = request.query.get("includeObject", "Metadata")
        cuts = self.faults.cuts
        async for event in watch.events():
            while self.faults.now.stalled and cuts == self.faults.cuts:
                await self.faults.changed.wait()
            if as_table and event["type"] != "ERROR":
                meta = {"resourceVersion": event["object"]["metadata"].get("resourceVersion", "")}
                event = {**event, "object": tables.table(want.kind, [event["object"]], meta, include)}
            async for piece in self._slowed(_line(event)):
                await response.write(piece)
            if _unserved(self, want.kind):
                break

    async def _write(self, request: web.Request, target: Target, verb: str, user: User) -> web.StreamResponse:
        kind, namespace = target.kind, target.namespace or ""
        options = requests.options(request, target.subresource)
        if verb == "deletecollection":
            return await self._delete_all(request, target, options)
        if verb == "delete":
            value, gone = self.writes.delete(
                kind, namespace, target.name, await requests.delete_options(request), options
            )
            return self._json(_deleted(kind, value, gone), 200)
        body = await requests.body(request, kind)
        if verb == "create":
            return self._create(request, target, body, options, user)
        if target.subresource == "finalize":
            return self._finalize(kind, target.name, body)
        if target.subresource and not (target.subresource == "status" and kind.status):
            raise status.no_such_path()
        if verb == "update":
            was = self.store.get(kind.stored_as, (namespace, target.name))
            value = self.writes.update(kind, namespace, target.name, body, options)
            return self._object(request, kind, as_version(kind, value), 200 if was else 201, options)
        return self._patch(request, target, body, options)

    def _create(
        self, request: web.Request, target: Target, body: Any, options: Options, user: User
    ) -> web.StreamResponse:
        kind = target.kind
        if not isinstance(body, dict):
            raise status.bad_request("the body of the request is no object")
        if target.subresource == "token":
            return self._json(self.tokens.issue(target.namespace or "", target.name, body), 201)
        if kind.kind == "TokenReview":
            return self._json(self.tokens.review(body), 201)
        if kind.group == "authorization.k8s.io":
            return self._json(authz.review(self.store, user, body), 201)
        if target.name or (kind.namespaced and target.namespace is None):
            raise status.method_not_allowed()
        value = self.writes.create(kind, target.namespace or "", body, options)
        return self._object(request, kind, as_version(kind, value), 201, options)

    def _patch(self, request: web.Request, target: Target, body: Any, options: Options) -> web.StreamResponse:
        kind, namespace, sort = target.kind, target.namespace or "", request.content_type
        if sort not in requests.PATCHES or (kind.custom and "strategic" in sort):
            raise requests.unsupported_patch()
        if sort != "application/apply-patch+yaml":
            value = self.writes.patch(kind, namespace, target.name, sort, body, options)
            return self._object(request, kind, as_version(kind, value), 200, options)
        if "fieldManager" not in request.query:
            cause = status.required("fieldManager", "is required for apply patch")
            raise status.invalid("meta.k8s.io", "PatchOptions", "", [cause])
        value, new = self.writes.apply(kind, namespace, target.name, body, options)
        return self._object(request, kind, as_version(kind, value), 201 if new else 200, options)

    async def _delete_all(self, request: web.Request, target: Target, options: Options) -> web.Response:
        kind = target.kind
        asked = await requests.delete_options(request)
        want = reads.asked(kind, target.namespace, "", request.query)
        page = reads.page(self.store, want)
        for value in page.items:
            meta = value["metadata"]
            self.writes.delete(kind, meta.get("namespace", ""), meta["name"], asked, options)
        return self._json(reads.listed(kind, page))

    def _finalize(self, kind: Kind, name: str, body: Object) -> web.Response:
        """The namespace controller's last word: without finalizers a terminating namespace is gone."""
        live = self.store.get(kind.stored_as, ("", name))
        if live is None:
            raise status.not_found(kind.group, kind.plural, name)
        finalizers = (body.get("spec") or {}).get("finalizers")
        value = self.store.put(
            kind.stored_as, ("", name), {**live, "spec": {"finalizers": finalizers} if finalizers else {}}
        )
        if live["metadata"].get("deletionTimestamp") and not finalizers:
            value = self.store.delete(kind.stored_as, ("", name))
        return self._json(as_version(kind, value))

    def _object(
        self, request: web.Request, kind: Kind, value: Object, code: int = 200, options: Options | None = None
    ) -> web.Response:
        headers = [("Warning", f"299 - {json.dumps(text)}") for text in (options.warnings if options else [])]
        media = requests.media(request) or {}
        if media.get("as") == "Table":
            meta = {"resourceVersion": value["metadata"].get("resourceVersion", "")}
            value = tables.table(kind, [value], meta, request.query.get("includeObject", "Metadata"))
        response = self._json(value, code)
        for name, text in headers:
            response.headers.add(name, text)
        return response

    def _json(self, value: Object, code: int = 200, headers: dict[str, str] | None = None) -> web.Response:
        said = {"Content-Type": "application/json", **(headers or {})}
        return web.Response(status=code, body=json.dumps(value, separators=(",", ":")).encode(), headers=said)

    async def _sent(self, request: web.Request, value: Object) -> web.StreamResponse:
        raw = json.dumps(value, separators=(",", ":")).encode()
        truncated = self.faults.truncated()
        if not truncated and not self.faults.now.slow:
            return web.Response(body=raw, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async for piece in self._slowed(raw[: len(raw) // 2] if truncated else raw):
            await response.write(piece)
        return response

    async def _slowed(self, raw: bytes) -> AsyncIterator[bytes]:
        if not self.faults.now.slow:
            yield raw
            return
        for start in range(0, len(raw), SLOW_BYTES):
            await asyncio.sleep(self.faults.now.slow)
            yield raw[start : start + SLOW_BYTES]


def _verb(request: web.Request, target: Target) -> str:
    if request.method == "GET":
        if reads.truth(request.query.get("watch")) and not target.subresource:
            return "watch"
        return "get" if target.name else "list"
    if request.method == "DELETE" and not target.name:
        found = "deletecollection"
    else:
        found = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(request.method, "")
    needs_name = found in ("update", "patch", "delete")
    if not found or (needs_name != bool(target.name) and found != "create"):
        raise status.method_not_allowed()
    if found == "create" and target.name and target.subresource != "token":
        raise status.method_not_allowed()
    if found not in target.kind.verbs:
        raise status.method_not_allowed()
    return found


def _deleted(kind: Kind, value: Object, gone: bool) -> Object:
    if not gone or kind.plural in builtin.DELETED_RETURNED:
        return as_version(kind, value)
    meta = value["metadata"]
    details = {**status.named(meta["name"], kind.group, kind.plural), "uid": meta["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _faulty(code: int, retry_after: int | None, body: str | None) -> web.Response:
    reasons = {
        429: "TooManyRequests",
        500: "InternalError",
        503: "ServiceUnavailable",
        403: "Forbidden",
        410: "Expired",
    }
    said = status.Refused(code, reasons.get(code, ""), "as asked at /_faults").status()
    headers = {"Content-Type": "application/json", **({} if retry_after is None else {"Retry-After": str(retry_after)})}
    return web.Response(status=code, body=(body if body is not None else json.dumps(said)).encode(), headers=headers)


def _line(event: Object) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def _unserved(server: ApiServer, kind: Kind) -> bool:
    return (kind.group, kind.version, kind.plural) not in server.kinds()
