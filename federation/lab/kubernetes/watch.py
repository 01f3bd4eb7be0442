"""Watches: initial state, events since a version, selections, bookmarks, and the ways in which they end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from federation.lab.kubernetes import status
from federation.lab.kubernetes.faults import Disturbance
from federation.lab.kubernetes.reads import Asked
from federation.lab.kubernetes.store import Event, Store
from federation.lab.kubernetes.writes import as_version

Object = dict[str, Any]
BOOKMARK_SECONDS = 60.0
LONGEST_SECONDS = 1800.0
INITIAL_END = "k8s.io/initial-events-end"
NO_PROGRESS = (
    "a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled"
)


class Watch:
    """One watch: an iterator of watch events until its time is over, it is cut, or its history is forgotten."""

    def __init__(self, store: Store, faults: Disturbance, want: Asked, bookmark_seconds: float) -> None:
        self.store, self.faults, self.want = store, faults, want
        self.bookmark_seconds = bookmark_seconds
        self.sent = 0

    def checked(self) -> None:
        """Raise 410 now when the version is forgotten: for a server that says it by HTTP status."""
        if self.want.version:
            self.store.since(self.want.version, self.want.kind.stored_as)

    async def events(self) -> AsyncIterator[Object]:
        """The watch events, an ERROR as the last when it cannot go on."""
        try:
            for event in self._start():
                yield event
            async for event in self._follow():
                yield event
        except status.Refused as refused:
            yield {"type": "ERROR", "object": refused.status()}

    def _start(self) -> list[Object]:
        want = self.want
        if want.initial and self.faults.now.no_watch_list:
            raise status.Refused(500, "InternalError", NO_PROGRESS)
        if want.version and want.version > self.store.version:
            raise status.too_large_version(want.version, self.store.version)
        if want.version and not want.initial:
            self.sent = want.version
            return []
        self.sent = self.store.version
        found = sorted(self.store.of(want.kind.stored_as).items())
        events = [self._event("ADDED", value) for key, value in found if want.wants(key, value)]
        if want.initial and want.bookmarks:
            events.append(self._bookmark({INITIAL_END: "true"}))
        return events

    async def _follow(self) -> AsyncIterator[Object]:
        loop = asyncio.get_running_loop()
        end = loop.time() + (self.want.timeout or LONGEST_SECONDS)
        cuts, marks = self.faults.cuts, self.faults.bookmarks
        due = loop.time() + self.bookmark_seconds
        while True:
            moved, changed = self.store.moved, self.faults.changed
            for event in self._news():
                yield event
            if marks != self.faults.bookmarks or loop.time() >= due:
                marks, due = self.faults.bookmarks, loop.time() + self.bookmark_seconds
                if self.want.bookmarks:
                    yield self._bookmark({})
            await _either(moved, changed, min(due, end) - loop.time())
            if cuts != self.faults.cuts:
                return
            if loop.time() >= end:
                if self.want.bookmarks:
                    yield self._bookmark({})
                return

    def _news(self) -> list[Object]:
        events: list[Object] = []
        for change in self.store.since(self.sent, self.want.kind.stored_as):
            seen = self._seen(change)
            events += [seen] * (2 if self.faults.now.duplicates else 1) if seen else []
        self.sent = max(self.sent, self.store.version)
        return events

    def _seen(self, change: Event) -> Object | None:
        was = change.before is not None and self.want.wants(change.key, change.before)
        is_now = not change.deleted and self.want.wants(change.key, change.after)
        if is_now:
            return self._event("MODIFIED" if was else "ADDED", change.after)
        if not was:
            return None
        last = change.after
        if not change.deleted and change.before is not None:
            meta = {**change.before["metadata"], "resourceVersion": str(change.version)}
            last = {**change.before, "metadata": meta}
        return self._event("DELETED", last)

    def _event(self, what: str, value: Object) -> Object:
        return {"type": what, "object": as_version(self.want.kind, value)}

    def _bookmark(self, annotations: dict[str, str]) -> Object:
        meta: Object = {"resourceVersion": str(self.sent), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        kind = self.want.kind
        return {"type": "BOOKMARK", "object": {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}}


async def _either(one: asyncio.Event, other: asyncio.Event, seconds: float) -> None:
    """Return when either event happens, or after a time."""
    waits = [asyncio.ensure_future(one.wait()), asyncio.ensure_future(other.wait())]
    try:
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
