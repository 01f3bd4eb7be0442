"""The reader's side of the handout feed: the same for node agents and DNS servers.

Serves the handout from disk before any controller answers, keeps a session to one controller, keeps what it accepted
on disk, and keeps every certificate that the program uses fresh.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from functools import partial
from pathlib import Path

import msgspec
from grpclib.client import StreamStreamMethod, UnaryUnaryMethod
from grpclib.exceptions import GRPCError, StreamTerminatedError
from msgspec import Struct

from federation.link.dial import EXCHANGE, ISSUE, TOKEN, PinnedChannel, bound
from federation.link.enrolled import Enrolled, load_enrolled
from federation.link.leaf import Leaf, leaf_of, load_leaf, new_key, save_leaf, signing_request
from federation.link.line import Line
from federation.link.tls import client_context
from federation.lkg import ring
from federation.lkg.disk import Disk
from federation.model.errors import InputError, Refused, Unavailable
from federation.model.spiffe import SpiffeId, agent_id, controller_id
from federation.model.tokens import TokenRequest
from federation.session.session import Event, Joined, Offered, Session
from federation.session.tree import Tree, tree_of
from federation.wire.handout import HANDOUT, HANDOUT_TOPIC, REPORT_TOPIC, HandoutHead
from federation.wire.keyed import encode

log = logging.getLogger("feed")

BACKOFF_FIRST = 0.2
BACKOFF_MAX = 10.0
_head_decoder = msgspec.msgpack.Decoder(HandoutHead)


class Feed:
    """The handout in force and the link to the controllers."""

    def __init__(self, directory: Path, enrolled: Enrolled, own: Leaf, kept: ring.Kept | None) -> None:
        self.directory = directory
        self.enrolled = enrolled
        self.tree = kept.tree if kept else Tree()
        self.head = _decode_head(kept.head) if kept else None
        self.values: dict[str, Struct] = HANDOUT.decode_tree(self.tree)
        self.changed = asyncio.Event()
        self.svid_changed = asyncio.Event()
        self.connected = False
        self.disk = Disk()
        self._own = own
        self._svids: dict[SpiffeId, Leaf] = {}
        self._report = Tree()
        self._line: Line | None = None
        self._channel: PinnedChannel | None = None
        self._dirty = asyncio.Event()

    @classmethod
    def open(cls, directory: Path) -> Feed:
        """Read the folder that `isthmus enroll` made. InputError when it is not whole."""
        enrolled = load_enrolled(directory)
        own = load_leaf(directory / "leaf.json")
        if own is None:
            raise InputError(f"{directory / 'leaf.json'} cannot be read: make the folder anew with `isthmus enroll`")
        kept = ring.newest(directory / "lkg", HANDOUT_TOPIC)
        try:
            return cls(directory, enrolled, own, kept)
        except Refused as error:
            log.error("the handout on disk cannot be read; starting without", extra={"reason": error.text})
            return cls(directory, enrolled, own, None)

    def report(self, values: dict[str, Struct]) -> None:
        """What we say of ourselves to the controller from now on."""
        self._report = tree_of({key: encode(value) for key, value in values.items()})
        if self._line is not None:
            self._line.publish(REPORT_TOPIC, self._report, b"")

    async def svid(self, identity: SpiffeId) -> Leaf:
        """The leaf for this identity: the one on disk while it is valid, else a new one. Unavailable when neither."""
        path = self._svid_path(identity)
        leaf = self._svids.get(identity) or load_leaf(path)
        if leaf is None or leaf.not_after <= time.time():
            leaf = await self._issue(identity)
            self.disk.keep(f"the certificate of {identity}", partial(save_leaf, path, leaf))
        self._svids[identity] = leaf
        return leaf

    async def run(self) -> None:
        """Keep a session with one of the controllers, certificates fresh and the disk current, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_session())
            group.create_task(self._keep_fresh())
            group.create_task(self._keep_on_disk())

    async def _keep_session(self) -> None:
        backoff = BACKOFF_FIRST
        while True:
            for address in self.enrolled.controllers:
                try:
                    await self._session(address)
                    backoff = BACKOFF_FIRST
                except Exception as error:  # whatever comes over the wire must not end the loop that dials
                    reason = f"{type(error).__name__}: {error}"
                    log.info("controller does not answer", extra={"address": address, "error": reason})
                finally:
                    self.connected, self._line = False, None
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            backoff = min(2 * backoff, BACKOFF_MAX)

    async def _session(self, address: str) -> None:
        if self._own.not_after <= time.time():
            self._own = load_leaf(self.directory / "leaf.json") or self._own
        if self._own.not_after <= time.time():
            raise Unavailable(f"our certificate ran out: run `isthmus renew --out {self.directory}` on the controller")
        domain = self.enrolled.trust_domain
        context = client_context(self._own, self.enrolled.anchor)
        channel = PinnedChannel(address, context, controller_id(domain))
        try:
            async with StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
                await stream.send_request()
                bound(stream._stream)
                have = {HANDOUT_TOPIC: self.tree} if len(self.tree) else {}
                session = Session(self.enrolled.node, asyncio.get_running_loop().time(), have)
                self._channel, self._line = channel, Line(session, self._handle)
                self._line.publish(REPORT_TOPIC, self._report, b"")
                await self._line.run(aiter(stream), stream.send_message)
        finally:
            self._channel = None
            channel.close()

    def _handle(self, line: Line, event: Event) -> None:
        match event:
            case Joined():
                self.connected = True
                self.changed.set()
                log.info("session with the controller is up", extra={"controller": event.node})
            case Offered(topic="handout"):
                self._take(line, event)
            case Offered():
                line.session.refuse(event.topic, Refused(f'topic "{event.topic}" is not for an agent', "E105"))

    def _take(self, line: Line, event: Offered) -> None:
        try:
            for key in event.change.removed:
                self.values.pop(key, None)
            decoded = {key: HANDOUT.decode(key, data) for key, data in event.change.changed.items()}
            head = _decode_head(event.head)
        except Refused as error:
            self.values = HANDOUT.decode_tree(self.tree)
            line.session.refuse(event.topic, error)
            return
        self.values.update({key: value for key, value in decoded.items() if value is not None})
        self.tree, self.head = event.tree, head
        line.session.accept(event.topic)
        self.changed.set()
        self._dirty.set()

    async def token(self, identity: SpiffeId, audiences: tuple[str, ...]) -> str:
        """A new JWT-SVID of this identity. Unavailable when no controller issues it now."""
        request = encode(TokenRequest(str(identity), audiences))
        return (await self._ask(TOKEN, request, identity)).decode()

    async def _issue(self, identity: SpiffeId) -> Leaf:
        key = new_key()
        chain = await self._ask(ISSUE, signing_request(key, identity), identity)
        return leaf_of(identity, key, chain.decode())

    async def _ask(self, call: str, request: bytes, identity: SpiffeId) -> bytes:
        channel = self._channel
        if channel is None:
            raise Unavailable(f"no controller to issue {identity}")
        method = UnaryUnaryMethod(channel, call, bytes, bytes)
        try:
            return await method(request, timeout=5)
        except (OSError, GRPCError, StreamTerminatedError, TimeoutError) as error:
            raise Unavailable(f"{identity} was not issued: {error}") from None

    async def _keep_fresh(self) -> None:
        jitter = random.uniform(-1, 1)  # noqa: S311 - jitter, not a secret
        while True:
            await asyncio.sleep(30)
            await self._renew(jitter)

    async def _renew(self, jitter: float) -> None:
        """Renew what is past half of its life; one identity that is not issued keeps no other waiting."""
        if self._own.renew_at(jitter) <= time.time():
            own = agent_id(self.enrolled.trust_domain, self.enrolled.node)
            self._own = await self._renewed(own, self._own, self.directory / "leaf.json")
        for identity, leaf in list(self._svids.items()):
            if leaf.renew_at(jitter) <= time.time():
                self._svids[identity] = await self._renewed(identity, leaf, self._svid_path(identity))
                self.svid_changed.set()

    async def _renewed(self, identity: SpiffeId, leaf: Leaf, path: Path) -> Leaf:
        """A new leaf, kept on disk where the disk takes it; the old one when none is issued now."""
        try:
            fresh = await self._issue(identity)
        except Unavailable as error:
            log.warning("certificate was not renewed", extra={"id": str(identity), "reason": error.text})
            return leaf
        self.disk.keep(f"the certificate of {identity}", partial(save_leaf, path, fresh))
        return fresh

    def _svid_path(self, identity: SpiffeId) -> Path:
        return self.directory / "svid" / f"{'.'.join(identity.segments)}.json"

    async def _keep_on_disk(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            head = b"" if self.head is None else msgspec.msgpack.encode(self.head)
            write = partial(ring.keep, self.directory / "lkg", HANDOUT_TOPIC, head, self.tree, int(time.time()))
            before = self.disk.problems
            if not await asyncio.to_thread(self.disk.keep, "the handout", write):
                self._dirty.set()
            if self.disk.problems != before:
                self.changed.set()
            await asyncio.sleep(1)


def _decode_head(data: bytes) -> HandoutHead | None:
    with contextlib.suppress(msgspec.MsgspecError):
        return _head_decoder.decode(data)
    return None
