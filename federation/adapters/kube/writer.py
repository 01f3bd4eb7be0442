"""What is wanted in our cluster, made so: server-side apply of what differs, deletion of what bears our mark in vain.

The writer sees our objects through the followers; an unchanged world costs no request. An owner's applies come before
its deletes. An object of somebody else is never touched, but for its status where that is what is wanted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from federation.adapters.kube.compare import Part, body_is, owned, stamped, status_is
from federation.adapters.kube.complaints import Complaints
from federation.adapters.kube.http import ApiError, Broken, Http, Stopped
from federation.adapters.kube.kinds import FOLLOWED, MANAGER, Kind, ObjectKey
from federation.adapters.kube.pace import Backoff, Pace
from federation.adapters.kube.queue import WriteQueue
from federation.adapters.kube.reading import HeadMeta
from federation.adapters.kube.seen import Seen, World
from federation.ports import Wanted

log = logging.getLogger("kube")
LEADER_PERIOD = 1.0
"""Seconds between two looks at `may_write` while something waits to be written."""
QUIET = 60.0
"""Seconds without a write after which a change by somebody else is answered at once."""
OUTAGE = (401, 429, 503)
"""Codes that say nothing of the object: our token does not count, or there are too many requests, or no API server."""
STATUS = "/status"


@dataclass(frozen=True)
class _Write:
    """What we wrote last: when (seconds of the loop), and the version that it made."""

    want: Wanted
    at: float
    version: str


def rfc3339() -> str:
    """The time of the conditions."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Writer:
    """Makes `want` true."""

    def __init__(self, http: Http, pace: Pace, may_write: Callable[[], bool], now: Callable[[], str] = rfc3339) -> None:
        self._http = http
        self._pace = pace
        self._may_write = may_write
        self._now = now
        self._wanted: dict[ObjectKey, Wanted] = {}
        self._owner: dict[ObjectKey, str] = {}
        self._of: dict[str, set[ObjectKey]] = {}
        self._last_owner: dict[ObjectKey, str] = {}
        self._complete = False
        self._world = World()
        self._queue = WriteQueue()
        self._moved = asyncio.Event()
        self._complaints = Complaints()
        self._tries: dict[ObjectKey, Backoff] = {}
        self._written: dict[tuple[ObjectKey, str], _Write] = {}
        self._undone: dict[ObjectKey, Backoff] = {}
        self._timers: dict[ObjectKey, asyncio.TimerHandle] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be written, one line each."""
        return self._complaints.lines()

    @property
    def idle(self) -> bool:
        """True when everything was looked at, and nothing is tried again later."""
        return not len(self._queue) and not self._timers

    def want(self, owner: str, objects: Iterable[Wanted]) -> None:
        """From now on this owner wants these and no others. ValueError for a kind or version that we do not write."""
        new = {_key(one): one for one in objects}
        for key in self._of.pop(owner, set()) - new.keys():
            if self._owner.get(key) == owner:
                del self._wanted[key], self._owner[key]
                self._last_owner[key] = owner
                self._forget(key)
                self._note(key)
        for key, one in new.items():
            self._owner[key] = owner
            self._last_owner.pop(key, None)
            if self._wanted.get(key) != one:
                self._wanted[key] = one
                self._forget(key)
                self._note(key)
        if new:
            self._of[owner] = set(new)

    def complete(self) -> None:
        """Every owner has said once what it wants: from now on what nobody wants is deleted."""
        if not self._complete:
            self._complete = True
            self._note_unwanted()

    def saw(self, kind: Kind, key: ObjectKey, meta: HeadMeta, raw: msgspec.Raw) -> None:
        """This object is there."""
        if self._world.saw(kind, key, meta, raw):
            self._note(key)
        if kind.name == "Namespace" and self._world.live(key[2]):
            for waiting in self._complaints.namespace_is_there(key[2]):
                self._note(waiting)

    def lost(self, key: ObjectKey) -> None:
        """This object is gone."""
        self._world.lost(key)
        self._complaints.gone(key)
        self._last_owner.pop(key, None)
        if key in self._wanted:
            self._note(key)

    def listed(self, kind: Kind) -> None:
        """Every object of this kind was seen once."""
        first = self._world.listed(kind)
        for key in self._wanted:
            if key[0] == kind.name and (first or self._world.get(key) is None):
                self._note(key)
        self._note_unwanted()

    def forget(self) -> None:
        """Nothing is wanted, and nothing unwanted, until it is said anew: another leads now."""
        self._complete = False
        for key in self._wanted:
            self._forget(key)
        for wanted in (self._wanted, self._owner, self._of, self._last_owner):
            wanted.clear()

    async def still(self) -> None:
        """Wait until no write is under way."""
        while self._queue.busy:
            self._moved.clear()
            await self._moved.wait()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._pace.in_flight):
                group.create_task(self._work())

    def _note_unwanted(self) -> None:
        if self._complete:
            for key in self._world.marked():
                if key not in self._wanted:
                    self._note(key)

    def _note(self, key: ObjectKey) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        owner = self._owner.get(key) or self._last_owner.get(key, "")
        self._queue.note(key, key in self._wanted, owner)
        self._moved.set()

    def _later(self, key: ObjectKey, pauses: dict[ObjectKey, Backoff], at_least: float = 0.0) -> None:
        """Look at this object again after a pause that grows."""
        tries = pauses.setdefault(key, Backoff(self._pace.write_first, self._pace.write_longest))
        old = self._timers.pop(key, None)
        if old is not None:
            old.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(tries.pause(at_least), self._note, key)

    def _forget(self, key: ObjectKey) -> None:
        for sub in ("", STATUS):
            self._written.pop((key, sub), None)
        self._tries.pop(key, None)
        self._undone.pop(key, None)
        self._complaints.gone(key)

    async def _work(self) -> None:
        """Settle one object after the other. While the API server does not answer, they all wait for it alike: none
        waits longer afterwards because it was tried more often.
        """
        outage = Backoff(self._pace.write_first, self._pace.longest)
        while True:
            key, pause = await self._next(), 0.0
            try:
                await self._settle(FOLLOWED[key[0]], key)
                outage.reset()
            except Stopped:
                self._note(key)
            except (ApiError, Broken) as error:
                if isinstance(error, ApiError) and error.code not in OUTAGE:
                    self._refused(FOLLOWED[key[0]], key, error)
                else:
                    self._complaints.unreachable(str(error))
                    self._note(key)
                    pause = outage.pause(error.retry_after if isinstance(error, ApiError) else 0.0)
            finally:
                self._queue.done(key)
                self._moved.set()
            await asyncio.sleep(pause)

    async def _next(self) -> ObjectKey:
        while True:
            if self._may_write():
                key = self._queue.take()
                if key is not None:
                    return key
                self._moved.clear()
                await self._moved.wait()
            else:
                await asyncio.sleep(LEADER_PERIOD)

    async def _settle(self, kind: Kind, key: ObjectKey) -> None:
        """Make one object as it is wanted. ApiError, Broken."""
        want, seen = self._wanted.get(key), self._world.get(key)
        if not self._world.is_listed(kind):
            return
        if seen is not None and seen.deleting:
            if finalizers := _finalizers(seen):
                self._complaints.stuck(key, finalizers)
            return
        if want is None:
            return await self._settle_unwanted(kind, key, seen)
        if self._world.missing(key[1]):
            self._complaints.waits(key)
            return
        if want.body is None and seen is None:
            return
        if want.body is not None and seen is not None and not (seen.marked or seen.applied):
            self._complaints.foreign(key)
            return
        if await self._apply(kind, key, want, seen):
            self._complaints.gone(key)

    async def _settle_unwanted(self, kind: Kind, key: ObjectKey, seen: Seen | None) -> None:
        if seen is None:
            self._last_owner.pop(key, None)
        elif self._complete and _ours(seen):
            await self._delete(kind, key, seen)

    async def _apply(self, kind: Kind, key: ObjectKey, want: Wanted, seen: Seen | None) -> bool:
        """True when nothing is left to do for now."""
        have = seen.read() if seen is not None else {}
        if want.body is not None:
            body = _marked(kind, want.body)
            if not body_is(body, have) and not self._as_written(key, "", want, seen):
                if self._is_undone(key, "", want):
                    return False
                have = await self._put(kind, key, want, body, seen)
        if want.status is not None:
            status = {"status": stamped(want.status, have, self._now())}
            seen = self._world.get(key)
            if not status_is(status, have) and not self._as_written(key, STATUS, want, seen):
                if self._is_undone(key, STATUS, want):
                    return False
                await self._patch(kind, key, want, status, seen, STATUS)
        self._tries.pop(key, None)
        return True

    def _as_written(self, key: ObjectKey, sub: str, want: Wanted, seen: Seen | None) -> bool:
        """True when this is what the API server made of our last write: it says the same in other words."""
        last = self._written.get((key, sub))
        return last is not None and seen is not None and last.want is want and last.version == seen.version

    def _is_undone(self, key: ObjectKey, sub: str, want: Wanted) -> bool:
        """True when somebody undid what we wrote just now: it is written again, but not faster and faster."""
        last = self._written.pop((key, sub), None)
        if last is None or last.want is not want:
            return False
        if asyncio.get_running_loop().time() - last.at > QUIET:
            self._undone.pop(key, None)
            return False
        self._later(key, self._undone)
        return True

    async def _put(self, kind: Kind, key: ObjectKey, want: Wanted, body: Part, seen: Seen | None) -> Part:
        """Apply the body; a new Service whose cluster IPs it cannot have any more gets others."""
        try:
            return await self._patch(kind, key, want, body, seen, "")
        except ApiError as error:
            if seen is not None or not _is_of_addresses(error):
                raise
        spec = {name: value for name, value in body["spec"].items() if name not in ("clusterIP", "clusterIPs")}
        return await self._patch(kind, key, want, body | {"spec": spec}, seen, "")

    async def _patch(self, kind: Kind, key: ObjectKey, want: Wanted, body: Part, seen: Seen | None, sub: str) -> Part:
        """Apply; the object as it is now."""
        metadata = body.get("metadata", {}) | {"name": key[2]} | ({"namespace": key[1]} if key[1] else {})
        whole = {"apiVersion": want.api_version, "kind": key[0], **body, "metadata": metadata}
        force = want.body is not None and seen is not None and seen.applied
        query = {"fieldManager": MANAGER, "force": "true" if force else "false"}
        raw = await self._http.call("apply", kind.name, kind.path_of(key) + sub, query, whole)
        self._complaints.answered()
        version = self._world.learn(kind, key, raw)
        self._written[(key, sub)] = _Write(want, asyncio.get_running_loop().time(), version)
        have: Part = msgspec.json.decode(raw)
        return have

    async def _delete(self, kind: Kind, key: ObjectKey, seen: Seen) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": seen.uid},
            "propagationPolicy": "Background",
        }
        await self._http.call("delete", kind.name, kind.path_of(key), None, options)
        self._complaints.answered()
        self._world.deleting(key)

    def _refused(self, kind: Kind, key: ObjectKey, error: ApiError) -> None:
        """The API server said no: say it, and try again later where that can help."""
        log.info("write refused", extra={"object": "/".join(key), "problem": str(error)})
        self._complaints.refused(kind, key, error)
        self._later(key, self._tries, error.retry_after)


def _key(one: Wanted) -> ObjectKey:
    kind = FOLLOWED.get(one.kind)
    if kind is None or kind.api_version != one.api_version or kind.namespaced != bool(one.namespace):
        raise ValueError(f"{one.kind} {one.api_version} {one.namespace}/{one.name} is not a kind that we write")
    return (one.kind, one.namespace, one.name)


def _marked(kind: Kind, body: dict[str, Any]) -> Part:
    label, value = kind.mark
    metadata = body.get("metadata", {})
    return body | {"metadata": metadata | {"labels": metadata.get("labels", {}) | {label: value}}}


def _is_of_addresses(error: ApiError) -> bool:
    """True when all that is wrong is that a Service asks for cluster IPs that it cannot have."""
    return bool(error.causes) and all(cause.field.startswith("spec.clusterIP") for cause in error.causes)


def _ours(seen: Seen) -> bool:
    """Bears our mark, and we applied it: a copy made by somebody has the label only."""
    return seen.marked and seen.applied and owned(seen.read()) is not None


def _finalizers(seen: Seen) -> list[str]:
    """What keeps this object of ours from going, once the API server says that it is being deleted."""
    metadata = seen.read().get("metadata", {}) if seen.marked and seen.applied else {}
    return metadata.get("finalizers", []) if "deletionTimestamp" in metadata else []
