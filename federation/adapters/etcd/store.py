"""A store in etcd: the whole small state in memory, written through under a leadership that fences every write."""

from __future__ import annotations

import asyncio
import logging

from federation.adapters.etcd.client import EtcdClient, Found, PutOp
from federation.adapters.leadership import Deposed, Leader
from federation.adapters.mirror import Mark, Mirror
from federation.adapters.staged import Staged
from federation.model.errors import IsthmusError, Unavailable

log = logging.getLogger("etcd")

LEASE_SECONDS = 10
OPS_MAX = 100
BYTES_MAX = 512 * 1024


class EtcdStore(Staged):
    """A Store for as long as this controller leads.

    `follow` waits for the leadership, `keep` holds it and raises Deposed when another one led. A transaction writes
    only while our leader key is the one that we made and the count of writes is the one that we know: a controller
    that slept, and a store that was restored, are found out by the write itself.
    """

    def __init__(self, client: EtcdClient, prefix: str, mirror: Mirror, holder: str, ttl: int = LEASE_SECONDS) -> None:
        """`prefix` ends with a slash and is this member's alone; `holder` is this process and no other."""
        super().__init__()
        self._client = client
        self._head = f"{prefix}head/".encode()
        self._kept = f"{prefix}kept/".encode()
        self._whole = prefix.encode()
        self._leader, self._count = self._head + b"leader", self._head + b"writes"
        self._accepted = self._head + b"accepted"
        self._mirror = mirror
        self._holder = holder
        self._ttl = ttl
        self._lease = self._fence = 0
        self._written = b""
        self._lost = 0
        self._batch: dict[str, bytes | None] = {}
        self._frozen = mirror.frozen
        self._lock = asyncio.Lock()
        self._trouble = ""
        self._other = ""

    @property
    def leads(self) -> bool:
        """True while this controller holds the leadership, as far as it knows."""
        return self._fence != 0

    @property
    def leader(self) -> Leader | None:
        """The holder of the leader key, while that is another one."""
        return None if self.leads or not self._other else Leader(identity=self._other)

    @property
    def problems(self) -> tuple[str, ...]:
        """That the store went backwards; that it does not answer."""
        return tuple(text for text in (self._frozen, self._trouble) if text)

    async def flush(self) -> None:
        """Write what is staged. Unavailable when it cannot be confirmed: it stays staged."""
        async with self._lock:
            await self._flush(bool(self._frozen))

    async def follow(self) -> None:
        """Wait for the leadership, keeping the mirror near what the leader writes."""
        while not self.leads:
            try:
                async with self._lock:
                    head = await self._client.prefix(self._head)
                    if self._leader not in head.created:
                        await self._campaign()
                    elif head.values.get(self._count, b"") != self._written or self._backwards(head):
                        await self._load()
                self._other = "" if self.leads else head.values.get(self._leader, b"").decode()
                self._say("" if self.leads else f"another controller leads: {self._other}")
            except Unavailable as error:
                self._say(str(error))
            if not self.leads:
                await asyncio.sleep(self._ttl / 10)
        self._content = self._mirror.content()
        log.info("this controller leads", extra={"store": self._client.place, "keys": len(self._content)})

    async def keep(self) -> None:
        """Hold the leadership until cancelled, through outages of the store. Deposed when another one led."""
        while True:
            try:
                async with self._lock:
                    await self._hold()
                    if self._mirror.accepted:
                        await self._accept()
                self._say("")
            except Deposed:
                raise
            except IsthmusError as error:
                self._say(str(error))
            await asyncio.sleep(self._ttl / 10)

    async def resign(self) -> None:
        """Give the leadership back at once, if the store can be told; else it ends with the lease."""
        if self._lease:
            try:
                await self._client.revoke(self._lease)
            except Unavailable as error:
                log.info("the lease is left to end by itself", extra={"reason": str(error)})
        self._lease = self._fence = 0
        self._client.close()

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("store", extra={"reason": trouble})
        self._trouble = trouble

    async def _campaign(self) -> None:
        """Become the leader, unless another is faster; then read what the store has."""
        lease = await self._client.grant(self._ttl)
        put = [(self._leader, self._holder.encode())]
        outcome = await self._client.commit({self._leader: 0}, {}, put, [self._leader], lease)
        if not outcome.taken and outcome.found.values.get(self._leader) != self._holder.encode():
            await self._client.revoke(lease)
            return
        found = await self._load()
        self._lease, self._fence = lease, found.created.get(self._leader, 0)

    async def _hold(self) -> None:
        if self.leads and not await self._client.keep(self._lease):
            self._fence = 0
        head = await self._client.prefix(self._head)
        if self.leads and head.created.get(self._leader) == self._fence:
            if self._backwards(head):
                await self._load()
            return
        self._fence = 0
        known = (self._written, self._next())
        if self._leader not in head.created:
            await self._campaign()
            if self.leads and self._written in known:
                return
        raise Deposed("etcd: another controller led meanwhile; following it")

    async def _load(self) -> Found:
        """Read everything, and compare it with the mark."""
        found = await self._client.prefix(self._whole)
        content = self._kept_in(found)
        why, mark = self._mirror.frozen or self._backwards(found), self._mirror.mark
        accepted = int(found.values.get(self._accepted, b"-1"))
        if why and mark is not None and accepted < mark.writes:
            self._mirror.freeze(why, content)
        else:
            self._mirror.replace(content, self._mark(found))
        self._frozen = self._mirror.frozen
        if not self._batch or found.values.get(self._count) != self._next():
            self._written = found.values.get(self._count, b"")
        return found

    def _backwards(self, found: Found) -> str:
        """Why this is no later state of the store that was seen last; empty when it is, or when that is known."""
        mark, now = self._mirror.mark, self._mark(found)
        if mark is None or self._mirror.frozen:
            return ""
        if mark.cluster != now.cluster:
            return self._mirror.why(f"is another etcd cluster ({now.cluster:x}, before {mark.cluster:x})")
        if now.revision < mark.revision or now.writes < mark.writes:
            return self._mirror.why(
                f"went backwards: revision {now.revision} after {mark.revision}, write {now.writes} after {mark.writes}"
            )
        return ""

    def _mark(self, found: Found) -> Mark:
        return Mark(found.cluster, found.revision, _number(found.values.get(self._count, b"")))

    def _next(self) -> bytes:
        return f"{max(_number(self._written), self._lost) + 1} {self._holder}".encode()

    async def _flush(self, frozen: bool) -> None:
        if frozen:
            self._mirror.hold({key for key, value in self._staged.items() if value is None})
        while self._batch or self._take(frozen):
            await self._write()

    def _take(self, frozen: bool) -> bool:
        """Move what fits one transaction from what is staged; deletes wait while they are frozen."""
        size = 0
        for key, value in list(self._staged.items()):
            if frozen and value is None:
                continue
            size += len(key) + len(value or b"")
            if self._batch and (size > BYTES_MAX or len(self._batch) == OPS_MAX):
                break
            self._batch[key] = self._staged.pop(key)
        return bool(self._batch)

    async def _write(self, *more: PutOp) -> None:
        if not self.leads:
            raise Unavailable("etcd: this controller does not lead now; nothing is written")
        wanted = self._next()
        conditions = {self._leader: self._fence} | ({} if self._written else {self._count: 0})
        known = {self._count: self._written} if self._written else {}
        values = [(self._kept + key.encode(), value) for key, value in self._batch.items()]
        changes = [(self._count, wanted), *values, *more]
        outcome = await self._client.commit(conditions, known, changes, [self._leader, self._count])
        found = outcome.found
        if not outcome.taken and found.created.get(self._leader) != self._fence:
            self._fence = 0
            raise Unavailable("etcd: the leadership ended; nothing is written")
        if not outcome.taken and found.values.get(self._count) != wanted:
            await self._load()
            raise Unavailable("etcd: the store has not what was written last; nothing is written")
        self._mirror.note(self._batch, Mark(found.cluster, found.revision, _number(wanted)))
        self._written, self._batch = wanted, {}

    async def _accept(self) -> None:
        """Make the store what is in force here, deletes and all, and go on from there.

        Last comes the number of writes that were lost: a follower that knew no more than that accepts as well.
        """
        if self._batch:
            await self._flush(frozen=True)
        now = self._kept_in(await self._client.prefix(self._whole))
        differ = {key for key in now.keys() | self._content.keys() if now.get(key) != self._content.get(key)}
        self._staged = {key: self._content.get(key) for key in differ}
        await self._flush(frozen=False)
        mark = self._mirror.mark
        self._lost = max(mark.writes if mark else 0, _number(self._written))
        await self._write((self._accepted, str(self._lost).encode()))
        found = await self._load()
        log.warning("accepted", extra={"written": len(differ), "revision": found.revision})

    def _kept_in(self, found: Found) -> dict[str, bytes]:
        size = len(self._kept)
        return {key[size:].decode(): value for key, value in found.values.items() if key.startswith(self._kept)}


def _number(written: bytes) -> int:
    return int(written.partition(b" ")[0] or b"0")
