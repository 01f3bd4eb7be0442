"""The shell around the election: one watch on the Lease, its renewal, its return."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

import msgspec

from federation.adapters.kube.follow import Follower
from federation.adapters.kube.http import ApiError, Broken, Http
from federation.adapters.kube.kinds import Kind, ObjectKey
from federation.adapters.kube.lease import (
    API_VERSION,
    DURATION,
    NAME,
    RENEWAL,
    Election,
    Lease,
    micro_time,
    read_lease,
)
from federation.adapters.kube.pace import Pace
from federation.adapters.kube.reading import read_head
from federation.adapters.leadership import Deposed, Leader

log = logging.getLogger("kube")
PATIENCE, AGAIN = 3.0, 1.0
"""Seconds: how long an answer is waited for; the pause before the next try."""
WATCH = Pace(longest=2.0, held=0.0)


def awake() -> float:
    """Seconds since the machine started, those in which it was suspended counted: a leader that slept must know."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _OneLease(Kind, frozen=True, kw_only=True):
    """Our Lease and no other: what we may list and watch of them."""

    namespace: str

    @property
    def path(self) -> str:
        """With the selector that RBAC holds against the name."""
        return f"{_leases(self.namespace)}?fieldSelector=metadata.name%3D{NAME}"


class Leadership:
    """One candidate for the Lease of a namespace. `watch` runs as long as the process."""

    def __init__(
        self, http: Http, namespace: str, identity: str, listen: str, clock: Callable[[], float] = awake
    ) -> None:
        """`listen` is where the other replicas reach this one."""
        self._http = http
        self._namespace = namespace
        self._listen = listen
        self._clock = clock
        self._moved = asyncio.Event()
        self.election = Election(identity)
        self.problem = ""

    @property
    def leader(self) -> Leader | None:
        """Who leads, when that is another one."""
        lease = self.election.lease
        if lease is None or lease.holder in ("", self.election.identity):
            return None
        age = self.election.age(self._clock())
        return Leader(identity=lease.holder, address=lease.listen, since=lease.since, age=age)

    def may_write(self) -> bool:
        """True while no other replica can have taken the Lease."""
        return self.election.may_write(self._clock())

    async def watch(self) -> None:
        """Follow the Lease until cancelled."""
        kind = _OneLease(name="Lease", api_version=API_VERSION, plural="leases", namespace=self._namespace)
        await Follower(kind, self._http, self, WATCH).run()

    def take(self, kind: Kind, raw: msgspec.Raw) -> tuple[ObjectKey, str]:
        """The watch has this Lease. Of one that we hold our own writes tell more."""
        key, meta = read_head(kind, raw)
        lease = read_lease(raw)
        if not self.may_write():
            self._saw(lease)
        elif not self.election.is_ours(lease):
            self._moved.set()
        return key, meta.resource_version

    def drop(self, key: ObjectKey) -> None:
        """The watch saw it go."""
        if self.may_write():
            self._moved.set()
        else:
            self._saw(None)

    def listed(self, kind: Kind) -> None:
        """The watch has what there is."""
        self._sighted()

    def trouble(self, kind: Kind, text: str, stale: bool) -> None:
        """The watch cannot be read, or can again."""
        if stale:
            self.election.blind()
        elif not text:
            self._sighted()

    async def follow(self) -> None:
        """Wait until we hold the Lease."""
        while not self.may_write():
            self._moved.clear()
            free = self.election.free_at()
            wait = DURATION if free is None else free - self._clock()
            if wait <= 0:
                if not await self._tried(self._acquire):
                    await asyncio.sleep(AGAIN)
                continue
            try:
                await asyncio.wait_for(self._moved.wait(), wait)
            except TimeoutError:
                if free is None:
                    await self._tried(self._look)

    async def keep(self, writes: Callable[[], tuple[int, ...]]) -> None:
        """Renew until cancelled, through outages. Deposed when the Lease is another's. `writes` is put down in it."""
        pause = RENEWAL
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), pause)
            self._moved.clear()
            pause = RENEWAL if await self._tried(lambda: self._renew(writes())) else AGAIN

    def step_down(self) -> None:
        """Write no more from now on."""
        self.election.ended()

    async def release(self) -> None:
        """Let another one take the Lease at once, if the API server can be told; else it ends by itself."""
        self.step_down()
        if self.election.is_ours(self.election.lease):
            await self._tried(lambda: self._write(holder="", listen=""))

    def _saw(self, lease: Lease | None) -> None:
        if self.election.saw(lease, self._clock()):
            self._moved.set()

    def _sighted(self) -> None:
        if not self.election.sighted:
            self.election.saw(self.election.lease, self._clock())
            self._moved.set()

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether this went well; what did not is said once."""
        try:
            await work()
        except (ApiError, Broken, TimeoutError, msgspec.MsgspecError) as error:
            if not isinstance(error, ApiError):
                self.election.blind()
            self._say(_told(error, f"Lease {self._namespace}/{NAME}"))
            return False
        self._say("")
        return True

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("lease", extra={"reason": problem})
        self.problem = problem

    async def _look(self) -> None:
        """Read the Lease as it is."""
        async with asyncio.timeout(PATIENCE):
            try:
                raw = await self._http.call("get", "Lease", f"{_leases(self._namespace)}/{NAME}")
            except ApiError as error:
                if error.code != 404:
                    raise
                self._saw(None)
                return
        self._saw(read_lease(raw))

    async def _acquire(self) -> None:
        """Take the Lease, if it still is as it was seen."""
        term, since = self.election.highest + 1, micro_time(time.time())
        try:
            await self._write(holder=self.election.identity, term=term, since=since, listen=self._listen)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            await self._look()

    async def _renew(self, writes: tuple[int, ...]) -> None:
        for _ in range(2):
            if not self.election.is_ours(self.election.lease):
                self.step_down()
                raise Deposed("kubernetes: another controller led meanwhile; following it")
            try:
                return await self._write(writes=writes)
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
                await self._look()

    async def _write(self, **said: object) -> None:
        """Write the Lease with these fields."""
        sent, lease = self._clock(), self.election.lease
        body = self.election.body(self._namespace, time.time(), **said)
        path = _leases(self._namespace)
        async with asyncio.timeout(PATIENCE):
            if lease is None:
                raw = await self._http.call("create", "Lease", path, None, body)
            else:
                raw = await self._http.call("replace", "Lease", f"{path}/{NAME}", None, body)
        written = read_lease(raw)
        if written.holder:
            self.election.held(written, sent, self._clock())
        else:
            self._saw(written)


def _leases(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/leases"


def _told(error: Exception, what: str) -> str:
    if isinstance(error, ApiError) and error.code == 403:
        return f"{what}: the API server does not let us: grant it (deploy/, Role isthmus-controller)"
    return f"{what}: the API server does not answer in time" if isinstance(error, TimeoutError) else f"{what}: {error}"
