"""A store in Secrets: the whole small state in memory, written through by compare-and-swap of each shard.

Whoever becomes the leader first claims every shard: the resourceVersions that its predecessor knows are then of the
past, and not one write of the predecessor is taken any more, however late it comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from msgspec import structs

from federation.adapters.kube.elect import PATIENCE, Leadership
from federation.adapters.kube.http import ApiError, Broken, Http, Verb
from federation.adapters.kube.lease import NAME
from federation.adapters.kube.shards import (
    ENTRY,
    LIMIT,
    SHARDS,
    Shard,
    name_of,
    pack,
    read_secret,
    shard_of,
    write_secret,
)
from federation.adapters.leadership import Deposed, Leader
from federation.adapters.mirror import Mark, Mirror
from federation.adapters.staged import Staged
from federation.model.errors import IsthmusError, Unavailable
from federation.process import until_one_ends

log = logging.getLogger("kube")
LOOK, CLAIM_PAUSE = 1.0, 5.0
"""Seconds between two looks for an operator's word; between two tries to claim the shards."""
TRIES = 5
ACCEPTED = "kubernetes/accepted"
"""The key of how many writes were lost when an operator accepted that."""
Changes = dict[str, bytes | None]


class KubeStore(Staged):
    """A Store for as long as this controller leads."""

    def __init__(
        self,
        http: Http,
        namespace: str,
        member: str,
        leadership: Leadership,
        mirror: Mirror,
        still: Callable[[], Awaitable[None]],
    ) -> None:
        """`member` is whose state this is; `still` waits until no write to the cluster is under way."""
        super().__init__()
        self._http = http
        self._namespace = namespace
        self._member = member
        self._leadership = leadership
        self._mirror = mirror
        self._still = still
        self._shards = [Shard()] * SHARDS
        self._tried = [0] * SHARDS
        self._sizes = [0] * SHARDS
        self._floor: tuple[int, ...] = (0,) * SHARDS
        self._path = f"/api/v1/namespaces/{namespace}/secrets"
        self._lock = asyncio.Lock()
        self._fallen = asyncio.Event()
        self._trouble = ""
        self.leads = False

    @property
    def leader(self) -> Leader | None:
        """The holder of the Lease, while that is another one."""
        return self._leadership.leader

    @property
    def problems(self) -> tuple[str, ...]:
        """That the store went backwards; that it, or the Lease, cannot be written."""
        return tuple(text for text in (self._mirror.frozen, self._trouble, self._leadership.problem) if text)

    def put(self, key: str, value: bytes) -> None:
        """Set the value; `flush` makes it durable. Unavailable when the shard has no room for it: the old one stays."""
        old, number = self._content.get(key), shard_of(key)
        grown = len(value) - len(old) if old is not None else len(key.encode()) + len(value) + ENTRY
        if grown > 0 and self._sizes[number] + grown > LIMIT:
            self._check_room(number, key, value)
        self._sizes[number] += grown
        super().put(key, value)

    def drop(self, key: str) -> None:
        """Forget the key; `flush` makes it durable."""
        old = self._content.get(key)
        if old is not None:
            self._sizes[shard_of(key)] -= len(key.encode()) + len(old) + ENTRY
        super().drop(key)

    async def flush(self) -> None:
        """Write every shard that changed. Unavailable when one cannot be confirmed: what is in it stays staged."""
        async with self._lock:
            await self._flush(bool(self._mirror.frozen))

    async def follow(self) -> None:
        """Wait for the Lease, then claim the store. InputError when it is another member's."""
        while not self.leads:
            await self._leadership.follow()
            try:
                async with asyncio.timeout(PATIENCE + LOOK):
                    await self._claim()
                self._say("")
            except (Unavailable, TimeoutError) as error:
                self._say(str(error) or f"E190 Secrets of {self._namespace}: the API server does not answer in time")
                await self._leadership.release()
                await asyncio.sleep(CLAIM_PAUSE)
            except BaseException:
                await self._leadership.release()
                raise
        log.info("this controller leads", extra={"term": self._leadership.election.term, "keys": len(self._content)})

    async def keep(self) -> None:
        """Hold the leadership until cancelled, through outages of the API server. Deposed when another one led."""
        await until_one_ends([self._leadership.keep(self._counts), self._until_fallen(), self._accepting()])

    async def resign(self) -> None:
        """Write no more, and give the leadership back at once if the API server can be told."""
        self.leads = False
        self._leadership.step_down()
        await self._still()
        await self._leadership.release()

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("store", extra={"reason": trouble})
        self._trouble = trouble

    def _counts(self) -> tuple[int, ...]:
        return tuple(shard.writes for shard in self._shards)

    def _mark(self) -> Mark:
        return Mark(0, 0, sum(self._counts()))

    def _stored(self) -> dict[str, bytes]:
        return {key: value for shard in self._shards for key, value in shard.content.items()}

    async def _until_fallen(self) -> None:
        """Deposed once a write of ours met another one's."""
        await self._fallen.wait()
        raise Deposed("kubernetes: another controller wrote the store meanwhile; following it")

    async def _accepting(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if self._mirror.accepted:
                try:
                    async with self._lock:
                        await self._accept()
                    self._say("")
                except IsthmusError as error:
                    self._say(str(error))

    async def _claim(self) -> None:
        """Make every shard ours; then say what the store has."""
        await asyncio.gather(*map(self._claim_one, range(SHARDS)))
        self._judge(self._counts(), self._stored())
        self._content = self._mirror.content()
        self._sizes = [0] * SHARDS
        for key, value in self._content.items():
            self._sizes[shard_of(key)] += len(key.encode()) + len(value) + ENTRY
        self.leads = True

    async def _claim_one(self, number: int) -> None:
        """From now on only we can write this shard. Unavailable, InputError."""
        for _ in range(TRIES):
            found = await self._read(number)
            try:
                return await self._write(number, found)
            except ApiError as error:
                if error.code in (404, 409):
                    continue
                raise self._unavailable(number, error) from None
        raise Unavailable(f"Secret {self._where(number)}: somebody else keeps writing it; nothing is written")

    def _judge(self, counts: tuple[int, ...], content: Mapping[str, bytes]) -> None:
        """Whether this is a later state of what was known. If not, the newest that is known stays, and deletes wait."""
        mark, accepted = self._mirror.mark, int(content.get(ACCEPTED, b"-1"))
        why = self._mirror.frozen or self._backwards(counts)
        if not why or (mark is not None and accepted >= mark.writes):
            self._mirror.replace(content, self._mark())
            return
        if mark is None or not (self._mirror.frozen or sum(counts) < mark.writes):
            self._mirror.replace(content, self._mark())
        self._mirror.freeze(why, content)

    def _backwards(self, counts: tuple[int, ...]) -> str:
        """Why this is no later state of the store than was seen, by us or by who held the Lease; empty when it is."""
        mark, said = self._mirror.mark, self._leadership.election.writes
        if mark is not None and sum(counts) < mark.writes:
            return self._mirror.why(f"went backwards: write {sum(counts)} after {mark.writes}")
        for number, (now, before) in enumerate(zip(counts, said, strict=False)):
            if now < before:
                return self._mirror.why(f"went backwards: Secret {self._where(number)} has write {now} after {before}")
        return ""

    async def _accept(self) -> None:
        """Make the store what is in force here, deletes and all, its counts above all that was lost."""
        mark, said, counts = self._mirror.mark, self._leadership.election.writes, self._counts()
        lost = max(mark.writes if mark else 0, sum(counts), sum(said))
        self._floor = tuple(max(now, before) + lost - sum(counts) for now, before in zip(counts, said, strict=False))
        self._floor += counts[len(self._floor) :]
        self._content[ACCEPTED] = str(lost).encode()
        stored = self._stored()
        differ = {key for key in stored.keys() | self._content.keys() if stored.get(key) != self._content.get(key)}
        self._staged = {key: self._content.get(key) for key in differ}
        await self._write_out({number: {} for number in range(SHARDS)}, frozen=False)
        self._mirror.replace(self._stored(), self._mark())
        log.warning("accepted", extra={"written": len(differ)})

    async def _flush(self, frozen: bool) -> None:
        if frozen:
            self._mirror.hold({key for key, value in self._staged.items() if value is None})
        await self._write_out({}, frozen)

    async def _write_out(self, due: dict[int, Changes], frozen: bool) -> None:
        """Write these shards, and every one of which something is staged; deletes wait while they are frozen.

        Deletes come first: a number that was given up is durably free before it is durably another's.
        """
        gone: dict[int, Changes] = {}
        for key, value in self._staged.items():
            if value is not None:
                due.setdefault(shard_of(key), {})[key] = value
            elif not frozen:
                gone.setdefault(shard_of(key), {})[key] = None
        await self._write_shards(gone)
        await self._write_shards(due)

    async def _write_shards(self, due: Mapping[int, Changes]) -> None:
        """Write them beside one another. The first error, once all have ended."""
        ended = await asyncio.gather(*(self._change(*one) for one in due.items()), return_exceptions=True)
        written: Changes = {}
        for changes, outcome in zip(due.values(), ended, strict=True):
            written |= changes if outcome is None else {}
        for key, value in written.items():
            if key in self._staged and self._staged[key] == value:
                del self._staged[key]
        if written:
            self._mirror.note(written, self._mark())
        for outcome in ended:
            if outcome is not None:
                raise outcome

    async def _change(self, number: int, changes: Changes) -> None:
        """Write these changes of one shard. Unavailable, Deposed."""
        for _ in range(TRIES):
            if not (self.leads and self._leadership.may_write()):
                raise Unavailable("kubernetes: this controller does not lead now; nothing is written")
            old = self._shards[number]
            changed = {key: value for key, value in changes.items() if value is not None}
            content = {key: value for key, value in old.content.items() if key not in changes} | changed
            wanted = structs.replace(
                old, content=content, writes=max(old.writes, self._tried[number], self._floor[number]) + 1
            )
            try:
                return await self._write(number, wanted)
            except ApiError as error:
                if error.code not in (404, 409):
                    raise self._unavailable(number, error) from None
                await self._reread(number)
        raise Unavailable(f"Secret {self._where(number)}: somebody else keeps writing it; nothing is written")

    async def _reread(self, number: int) -> None:
        """Our write was refused: was an earlier one taken whose answer was lost? Deposed when another one wrote."""
        found, known = await self._read(number), self._shards[number]
        ours = (found.holder, found.term) == (known.holder, known.term)
        if not ours or not known.writes <= found.writes <= self._tried[number]:
            self.leads = False
            self._fallen.set()
            raise Deposed(f"Secret {self._where(number)}: is not as we wrote it; nothing is written")
        self._shards[number] = found

    async def _read(self, number: int) -> Shard:
        """The shard as it is. Unavailable, InputError."""
        path = f"{self._path}/{name_of(number)}"
        try:
            raw = await self._call("get", path, None)
        except ApiError as error:
            if error.code == 404:
                return Shard()
            raise self._unavailable(number, error) from None
        return read_secret(f"Secret {self._where(number)}", self._member, raw)

    async def _write(self, number: int, shard: Shard) -> None:
        """Replace the shard of this version by this one, as ours. ApiError, Unavailable."""
        election = self._leadership.election
        blob = pack(shard.content)
        if len(blob) > LIMIT:
            raise self._too_large(number, max(shard.content, key=lambda key: len(shard.content[key])), len(blob))
        ours = structs.replace(shard, holder=election.identity, term=election.term)
        self._tried[number] = max(self._tried[number], ours.writes)
        body = write_secret(self._namespace, number, self._member, ours, blob)
        if shard.version:
            raw = await self._call("replace", f"{self._path}/{name_of(number)}", body)
        else:
            raw = await self._call("create", self._path, body)
        version = read_secret(f"Secret {self._where(number)}", self._member, raw).version
        self._shards[number] = structs.replace(ours, version=version)

    async def _call(self, verb: Verb, path: str, body: object) -> bytes:
        """ApiError; Unavailable when no answer comes."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._http.call(verb, "Secret", path, None, body)
        except TimeoutError:
            raise Unavailable("kubernetes: the API server does not answer in time") from None
        except Broken as error:
            raise Unavailable(f"kubernetes: the API server does not answer ({error})") from None

    def _where(self, number: int) -> str:
        return f"{self._namespace}/{name_of(number)}"

    def _unavailable(self, number: int, error: ApiError) -> Unavailable:
        if error.code == 403:
            text = f"Secret {self._where(number)}: the API server does not let us: grant it (deploy/, Role {NAME})"
            return Unavailable(text)
        return Unavailable(f"Secret {self._where(number)}: {error}")

    def _check_room(self, number: int, key: str, value: bytes) -> None:
        """Unavailable when the shard, packed, would be larger than a Secret may be."""
        content = {name: kept for name, kept in self._content.items() if shard_of(name) == number}
        size = len(pack(content | {key: value}))
        if size > LIMIT:
            raise self._too_large(number, key, size)

    def _too_large(self, number: int, key: str, size: int) -> Unavailable:
        return Unavailable(
            f'Secret {self._where(number)}: with key "{key}" it would hold {size} bytes, limit {LIMIT}; '
            "keep the state in etcd (--store etcd)"
        )
