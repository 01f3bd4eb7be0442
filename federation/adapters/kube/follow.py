"""One kind followed: its whole list, then every change, for as long as the process lives.

Where the API server can, list and watch are one request (WatchList); else pages and then a watch. An ordinary end of a
watch resumes at the last version. What a new list no longer holds is dropped then, and only then.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import msgspec
from msgspec import Struct
from prometheus_client import Counter

from federation.adapters.kube.hold import Hold, suspect
from federation.adapters.kube.http import ApiError, Broken, Http, Quiet, Status
from federation.adapters.kube.kinds import Kind, ObjectKey
from federation.adapters.kube.pace import Backoff, Outage, Pace
from federation.adapters.kube.reading import Bookmark, read_head

log = logging.getLogger("kube")
lists_total = Counter("isthmus_kube_lists_total", "Whole lists read from the API server", ["kind", "how"])
restarts_total = Counter("isthmus_kube_watch_restarts_total", "Watches that ended and were begun anew", ["kind", "why"])


class Sink(Protocol):
    """Who is told. All of it is called on the event loop."""

    def take(self, kind: Kind, raw: msgspec.Raw) -> tuple[ObjectKey, str]:
        """This object is there; its key and version. MsgspecError when it is no object at all."""

    def drop(self, key: ObjectKey) -> None:
        """This object is gone."""

    def listed(self, kind: Kind) -> None:
        """Everything that there is of this kind has been told; from now on what is told is current."""

    def trouble(self, kind: Kind, text: str, stale: bool) -> None:
        """What is wrong with reading this kind, "" for nothing; `stale`: changes may be missing."""


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


_lists, _events = msgspec.json.Decoder(_List), msgspec.json.Decoder(_Event)
_bookmarks, _statuses = msgspec.json.Decoder(Bookmark), msgspec.json.Decoder(Status)


class Follower:
    """Keeps a Sink told of one kind. `outage` is shared by the followers of one API server."""

    def __init__(self, kind: Kind, http: Http, sink: Sink, pace: Pace, outage: Outage | None = None) -> None:
        self._kind = kind
        self._http = http
        self._sink = sink
        self._pace = pace
        self._known: set[ObjectKey] = set()
        self._version = ""
        self._highest = 0
        self._streams = True
        self._quiet = pace.quiet
        self._hold = Hold(pace.held)
        self._held_text = ""
        self._backoff = Backoff(pace.first, pace.longest)
        self._outage = outage or Outage(pace.longest)
        self._unanswered = False

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            began = self._now()
            pause: float | None = None
            try:
                await self._once()
                why = "end"
            except Quiet:
                why = "quiet"
                self._quiet = min(2 * self._quiet, self._pace.quiet_max)
            except (ApiError, Broken, msgspec.MsgspecError) as error:
                why = "gone" if isinstance(error, ApiError) and error.code == 410 else "error"
                pause = self._failed(error)
            restarts_total.labels(self._kind.name, why).inc()
            if self._now() - began >= self._pace.steady:
                self._backoff.reset()
            elif pause is None and why == "end":
                pause = self._backoff.pause()
            await (self._outage.wait(pause) if pause and self._unanswered else asyncio.sleep(pause or 0))

    async def _once(self) -> None:
        """A list when one is due, and the watch that follows it."""
        due = self._hold.until()
        if self._version and not (due is not None and self._now() >= due):
            return await self._watch(None)
        if self._streams:
            try:
                return await self._watch(set())
            except ApiError as error:
                if self._version or error.code not in (400, 422, 500, 501):
                    raise
                log.info("no WatchList here, reading pages", extra={"kind": self._kind.name, "reason": error.message})
                self._streams = False
        await self._pages(self._pace.page)
        await self._watch(None)

    async def _pages(self, size: int) -> None:
        """The whole list by pages; at once when the pages expire in between (410)."""
        seen: set[ObjectKey] = set()
        page, query = _List(), {"limit": str(size)} if size else {}
        while True:
            try:
                page = _lists.decode(await self._http.call("list", self._kind.name, self._kind.path, query))
            except ApiError as error:
                if error.code == 410 and "continue" in query:
                    return await self._pages(0)
                raise
            for raw in page.items:
                key, _ = self._sink.take(self._kind, raw)
                seen.add(key)
            if not page.metadata.next_page:
                break
            query["continue"] = page.metadata.next_page
        lists_total.labels(self._kind.name, "pages").inc()
        self._whole(seen, page.metadata.resource_version)

    async def _watch(self, seen: set[ObjectKey] | None) -> None:
        """Changes since our version; with `seen`, the whole list first. Returns at its ordinary end, or when a list
        that is held is due for a second look.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(self._pace.watch_seconds()) or 1),
        }
        if seen is None:
            query["resourceVersion"] = self._version
        else:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            self._version = ""
        try:
            async with asyncio.timeout(None) as until:
                until.reschedule(self._hold.until() if seen is None else None)
                async with self._http.stream(self._kind.name, self._kind.path, query, self._quiet) as lines:
                    self._answered()
                    if seen is None:
                        self._sink.trouble(self._kind, self._held_text, stale=False)
                    async for line in lines:
                        if self._event(_events.decode(line), seen):
                            seen = None
                            until.reschedule(self._hold.until())
        except TimeoutError:
            log.info("second look at a list that is held", extra={"kind": self._kind.name})

    def _event(self, event: _Event, seen: set[ObjectKey] | None) -> bool:
        """Take this event; True when it ended the initial events."""
        if event.type == "ERROR":
            raise ApiError(_statuses.decode(event.object))
        if event.type == "BOOKMARK":
            mark = _bookmarks.decode(event.object)
            if seen is not None and mark.ends_initial:
                lists_total.labels(self._kind.name, "stream").inc()
                self._whole(seen, mark.metadata.resource_version)
                return True
            self._quiet = self._pace.quiet
            self._moved_to(mark.metadata.resource_version, seen)
            return False
        if event.type == "DELETED":
            key, meta = read_head(self._kind, event.object)
            version = meta.resource_version
            self._known.discard(key)
            self._sink.drop(key)
        else:
            key, version = self._sink.take(self._kind, event.object)
            self._known.add(key)
        if seen is not None:
            (seen.discard if event.type == "DELETED" else seen.add)(key)
        self._moved_to(version, seen)
        return False

    def _moved_to(self, version: str, seen: set[ObjectKey] | None) -> None:
        """A watch resumes here; before the end of the initial events there is nothing to resume."""
        if seen is None and version:
            self._version = version
            self._highest = max(self._highest, _number(version))

    def _whole(self, seen: set[ObjectKey], version: str) -> None:
        """A whole list was read: what it no longer holds is gone, unless the list is suspect."""
        back = _number(version) < self._highest and bool(self._known)
        if self._hold.obey(back or suspect(len(self._known), len(seen)), self._now()):
            for key in self._known - seen:
                self._sink.drop(key)
            self._known, self._highest, self._held_text = seen, _number(version), ""
        else:
            how = "is older than what was seen" if back else f"has {len(seen)} of {len(self._known)} objects"
            self._held_text = (
                f"{self._kind.name}: a new list {how}; what it lacks stays in force until a list "
                f"{self._pace.held:g} s later says the same"
            )
            log.error("list is held", extra={"kind": self._kind.name, "problem": self._held_text})
            self._known |= seen
        self._version = version
        self._sink.listed(self._kind)
        self._sink.trouble(self._kind, self._held_text, stale=False)

    def _failed(self, error: ApiError | Broken | msgspec.MsgspecError) -> float:
        """Say what is wrong; the pause before the next try."""
        self._unanswered = False
        if isinstance(error, ApiError) and error.code == 410:
            self._version = ""
            log.info("watch is too old, listing again", extra={"kind": self._kind.name})
            return self._backoff.pause()
        if isinstance(error, ApiError) and error.code == 404:
            return self._absent()
        if isinstance(error, ApiError) and error.code == 403:
            self._sink.trouble(self._kind, forbidden("list and watch", self._kind), stale=True)
            return self._pace.longest
        self._unanswered = True
        text = f"{self._kind.name}: the API server cannot be read ({error}); the last good state stays"
        self._sink.trouble(self._kind, text, stale=True)
        return self._backoff.pause(error.retry_after if isinstance(error, ApiError) else 0.0)

    def _answered(self) -> None:
        if self._unanswered:
            self._unanswered = False
            self._outage.over()

    def _absent(self) -> float:
        """The API server does not know this kind: there are none, once a second look says the same."""
        self._version = ""
        if not self._hold.obey(bool(self._known), self._now()):
            text = f"{self._kind.name}: the API server no longer knows this kind; what was there stays for now"
            self._sink.trouble(self._kind, text, stale=True)
            return self._pace.held
        for key in self._known:
            self._sink.drop(key)
        self._known = set()
        self._sink.listed(self._kind)
        self._sink.trouble(self._kind, absent(self._kind), stale=False)
        return self._pace.absent

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def forbidden(verbs: str, kind: Kind) -> str:
    """The problem line for a right that we do not have."""
    return f"{kind.name}: the API server does not let us {verbs} {kind.resource}: grant it (deploy/, ClusterRole)"


def absent(kind: Kind) -> str:
    """The problem line for a kind that the API server does not know; none for one that we can do without."""
    if not kind.required:
        return ""
    return f"{kind.name}: the API server does not know {kind.resource}: install the CustomResourceDefinitions"


def _number(version: str) -> int:
    """Resource versions can be compared as numbers (KEP-5504); 0 for one that is none."""
    return int(version) if version.isdigit() else 0
