"""The cluster as a Kubernetes API: list and watch of the kinds in PATHS, read only.

One list and one watch per kind. A watch that is told 410 Gone, or stays silent past the watchdog, lists again; what a
new list no longer holds is dropped then, and only then: a failed list changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from federation.adapters.kube_tokens import review
from federation.adapters.kubeconfig import KubeAccess, read_kubeconfig
from federation.adapters.objects import ObjectKey, Objects
from federation.model.local import Drained, LocalFacts
from federation.model.names import ServiceKey
from federation.model.tokens import ServiceAccount
from federation.ports import Certainty, Wake, Wanted
from federation.wire.k8s.check import fault
from federation.wire.k8s.types import KINDS, K8sObject

log = logging.getLogger("kube")

PATHS = {
    "Service": "/api/v1/services",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
    "ServiceExport": "/apis/multicluster.x-k8s.io/v1beta1/serviceexports",
    "TrafficPolicy": "/apis/isthmus.dev/v1alpha1/trafficpolicies",
    "GlobalName": "/apis/isthmus.dev/v1alpha1/globalnames",
}
OPTIONAL = ("TrafficPolicy", "GlobalName")
"""Kinds that a cluster may not know: without their CustomResourceDefinitions there are simply none."""
PAGE = 500
WATCHDOG = 70.0
WATCH_SECONDS = 300
BACKOFF_MAX = 30.0


class Gone(Exception):
    """The resource version is too old (HTTP 410): list again."""


class _ListMeta(Struct, rename="camel"):
    resource_version: str = ""
    # the API calls this field "continue"
    next_page: str = msgspec.field(default="", name="continue")


class _List(Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] = []


class _Event(Struct):
    type: str
    object: msgspec.Raw


class _Version(Struct, rename="camel"):
    resource_version: str = ""


class _Versioned(Struct):
    metadata: _Version


class _Status(Struct):
    code: int = 0
    message: str = ""


@dataclass
class _Kind:
    name: str
    path: str
    certainty: Certainty = "unknown"


class Kube:
    """A ClusterApi over one API server."""

    def __init__(self, access: KubeAccess, default_az: str) -> None:
        self._access = access
        self._objects = Objects(default_az)
        self._kinds = [_Kind(name, path) for name, path in PATHS.items()]
        self._problems: dict[str, str] = {}

    @property
    def certainty(self) -> Certainty:
        """The worst of the kinds."""
        found = {kind.certainty for kind in self._kinds}
        return "unknown" if "unknown" in found else "stale" if "stale" in found else "fresh"

    @property
    def native(self) -> bool:
        """True: it gives clusterset IPs and holds imports."""
        return True

    @property
    def drains(self) -> Mapping[str, Drained]:
        """As the objects say."""
        return self._objects.drains

    @property
    def regions(self) -> frozenset[str]:
        """As the labels of nodes say."""
        return self._objects.regions

    @property
    def problems(self) -> tuple[str, ...]:
        """One line per object that was rejected and per kind that cannot be read."""
        return tuple(text for _, text in sorted(self._problems.items()))

    def services(self) -> Iterable[ServiceKey]:
        """Every service that any object names."""
        return self._objects.services()

    def service(self, key: ServiceKey) -> LocalFacts:
        """What the objects say of this service."""
        return self._objects.service(key)

    def want(self, owner: str, objects: Iterable[Wanted]) -> None:
        """Nothing yet: the API is only read."""

    def complete(self) -> None:
        """Nothing yet."""

    async def review(self, token: str) -> ServiceAccount:
        """Whose this service account token is (TokenReview)."""
        return await review(self._access, token)

    async def run(self, wake: Wake) -> None:
        """Follow every kind until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=WATCHDOG)
        connector = aiohttp.TCPConnector(ssl=self._access.tls, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http, asyncio.TaskGroup() as group:
            for kind in self._kinds:
                group.create_task(self._follow(http, kind, wake))

    async def _follow(self, http: aiohttp.ClientSession, kind: _Kind, wake: Wake) -> None:
        backoff = 0.5
        while True:
            try:
                version = await self._list(http, kind, wake)
                backoff = 0.5
                while True:
                    version = await self._watch(http, kind, version, wake)
            except Gone:
                log.info("watch is too old, listing again", extra={"kind": kind.name})
            except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
                if self._never_there(kind, error):
                    kind.certainty = "fresh"
                    wake(None)
                else:
                    self._stale(kind, f"{type(error).__name__}: {error}", wake)
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            backoff = min(2 * backoff, BACKOFF_MAX)

    def _never_there(self, kind: _Kind, error: Exception) -> bool:
        """True when the API server does not know an optional kind and never did: what it once held stays in force."""
        unknown = isinstance(error, aiohttp.ClientResponseError) and error.status == 404
        return unknown and kind.name in OPTIONAL and not self._objects.keys(kind.name)

    async def _list(self, http: aiohttp.ClientSession, kind: _Kind, wake: Wake) -> str:
        seen = set()
        changed: set[ServiceKey] = set()
        page = _List(_ListMeta(next_page="first"))
        query: dict[str, str] = {"limit": str(PAGE)}
        while page.metadata.next_page:
            page = msgspec.json.decode(await self._get(http, kind.path, query), type=_List)
            query["continue"] = page.metadata.next_page
            for raw in page.items:
                value = self._parse(kind, raw)
                seen.add(_key_of(kind, raw))
                if value is not None:
                    changed |= self._objects.put(value)
        for key in self._objects.keys(kind.name) - seen:
            changed |= self._objects.drop(key)
        kind.certainty = "fresh"
        self._problems.pop(kind.name, None)
        wake(None)
        for service in changed:
            wake(service)
        return page.metadata.resource_version

    async def _watch(self, http: aiohttp.ClientSession, kind: _Kind, version: str, wake: Wake) -> str:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with http.get(self._access.server + kind.path, params=query, headers=self._access.headers()) as response:
            if response.status == 410:
                raise Gone
            response.raise_for_status()
            async for line in _lines(response.content):
                version = self._event(kind, msgspec.json.decode(line, type=_Event), wake) or version
        return version

    def _event(self, kind: _Kind, event: _Event, wake: Wake) -> str:
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=_Status)
            if status.code == 410:
                raise Gone
            raise aiohttp.ClientPayloadError(f"watch of {kind.name}: {status.code} {status.message}")
        version = msgspec.json.decode(event.object, type=_Versioned).metadata.resource_version
        if event.type == "BOOKMARK":
            return version
        if event.type == "DELETED":
            key = _key_of(kind, event.object)
            self._problems.pop(f"{kind.name}/{key[1]}/{key[2]}", None)
            changed = self._objects.drop(key)
        else:
            value = self._parse(kind, event.object)
            changed = self._objects.put(value) if value is not None else set()
        for service in changed:
            wake(service)
        return version

    async def _get(self, http: aiohttp.ClientSession, path: str, query: dict[str, str]) -> bytes:
        while True:
            headers = self._access.headers()
            async with http.get(self._access.server + path, params=query, headers=headers) as response:
                if response.status == 429:
                    seconds = response.headers.get("Retry-After", "1")
                    await asyncio.sleep(min(float(seconds), BACKOFF_MAX) if seconds.isdigit() else 1.0)
                    continue
                if response.status == 410:
                    raise Gone
                response.raise_for_status()
                return await response.read()

    def _parse(self, kind: _Kind, raw: msgspec.Raw) -> K8sObject | None:
        """The object; None when it alone is malformed: its last good state stays in force."""
        name = ""
        try:
            value = msgspec.json.decode(raw, type=KINDS[kind.name])
            name = f"{value.metadata.namespace}/{value.metadata.name}"
            wrong = fault(value)
        except msgspec.MsgspecError as error:
            wrong = str(error)
        name = name or _name_of(raw)
        if wrong is None:
            self._problems.pop(f"{kind.name}/{name}", None)
            return value
        text = f"{kind.name} {name}: {wrong}; the last good state stays in force"
        if self._problems.get(f"{kind.name}/{name}") != text:
            log.error("object rejected", extra={"code": "E125", "reason": text})
        self._problems[f"{kind.name}/{name}"] = text
        return None

    def _stale(self, kind: _Kind, why: str, wake: Wake) -> None:
        if kind.certainty == "fresh":
            kind.certainty = "stale"
        self._problems[kind.name] = f"{kind.name}: the API server cannot be read ({why}); the last good state stays"
        log.warning("API server cannot be read", extra={"kind": kind.name, "error": why})
        wake(None)


def _key_of(kind: _Kind, raw: msgspec.Raw) -> ObjectKey:
    namespace, _, name = _name_of(raw).partition("/")
    return (kind.name, namespace, name)


def _name_of(raw: msgspec.Raw) -> str:
    value: Any = msgspec.json.decode(raw)
    meta = value.get("metadata", {}) if isinstance(value, dict) else {}
    return f"{meta.get('namespace', '?')}/{meta.get('name', '?')}"


async def _lines(stream: aiohttp.StreamReader) -> Any:
    """Lines of any length: aiohttp's own readline gives up past its buffer."""
    kept = b""
    async for chunk in stream.iter_any():
        *lines, kept = (kept + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


def open_kube(kubeconfig: Path, default_az: str) -> Kube:
    """The adapter for the current context of this kubeconfig. InputError when it cannot be used."""
    return Kube(read_kubeconfig(kubeconfig), default_az)
