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
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

import msgspec
from grpclib.client import StreamStreamMethod, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from msgspec import Struct, structs

from federation.link.dial import ATTEST, EXCHANGE, ISSUE, TOKEN, PinnedChannel, bound
from federation.link.enrolled import Enrolled, load_enrolled, save_enrolled
from federation.link.leaf import Leaf, issuer_of, leaf_of, load_leaf, new_key, save_leaf, signing_request
from federation.link.line import Line
from federation.link.tls import client_context
from federation.lkg import ring
from federation.lkg.disk import Disk
from federation.model.errors import InputError, IsthmusError, Refused, Unavailable
from federation.model.handout import Site
from federation.model.spiffe import SpiffeId, agent_id, controller_id
from federation.model.tokens import ServiceAccount, TokenRequest
from federation.session.session import Event, Joined, Offered, Session
from federation.session.tree import Tree, tree_of
from federation.wire.handout import HANDOUT, HANDOUT_TOPIC, PERIOD, REPORT_TOPIC, HandoutHead
from federation.wire.keyed import encode
from federation.wire.shared import Shared

log = logging.getLogger("feed")

RENEW_SECONDS = 30.0
TAINTED_SECONDS = 2.0
"""Seconds until leaves are looked at again; while one is signed by an anchor that goes, sooner."""

SPREAD = 1.0
"""Seconds over which the programs of a member renew when its anchor changes."""

ATTESTING_MAX = 4
"""Tokens under review at a time: a process that asks in a loop must not make the API server work."""
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
        self._shared = Shared()
        self.values: dict[str, Struct] = self._read(self.tree.items())
        self.changed = asyncio.Event()
        self.svid_changed = asyncio.Event()
        self.connected = False
        self.kept = self._ledger()
        self.disk = Disk()
        self._attesting = asyncio.Semaphore(ATTESTING_MAX)
        self._saved = enrolled
        self._ring = ring.Ring(directory / "lkg", HANDOUT_TOPIC)
        self._own = own
        self._svids: dict[SpiffeId, Leaf] = {}
        self.again: Callable[[], Awaitable[None]] | None = None
        """Enrols this program anew, where it can do that by itself."""
        self._report = Tree()
        self._line: Line | None = None
        self._channel: PinnedChannel | None = None
        self._dirty = asyncio.Event()
        self._hurry = asyncio.Event()

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

    @property
    def issuer(self) -> str:
        """The key id of the anchor that signed our own leaf."""
        return issuer_of(self._own.chain)

    def _site(self) -> Site | None:
        site = self.values.get("site")
        return site if isinstance(site, Site) else None

    def _ledger(self) -> int:
        site = self._site()
        return 0 if site is None else site.ledger

    def _tainted(self, leaf: Leaf) -> bool:
        """True when another anchor than the leaf's signs now."""
        site = self._site()
        return site is not None and bool(site.issuer) and issuer_of(leaf.chain) != site.issuer

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
                except GRPCError as error:
                    await self._refused(address, error)
                except Exception as error:  # whatever comes over the wire must not end the loop that dials
                    reason = f"{type(error).__name__}: {error}"
                    log.info("controller does not answer", extra={"address": address, "error": reason})
                finally:
                    self.connected, self._line = False, None
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            backoff = min(2 * backoff, BACKOFF_MAX)

    async def _refused(self, address: str, error: GRPCError) -> None:
        """A controller that does not know us may have forgotten us while we were away."""
        log.info("controller does not answer", extra={"address": address, "error": f"GRPCError: {error.message}"})
        if error.status is Status.PERMISSION_DENIED and self.again is not None:
            try:
                await self._enrol_again(str(error.message))
            except (IsthmusError, OSError) as failed:
                log.warning("not enrolled yet", extra={"reason": str(failed)})

    async def _session(self, address: str) -> None:
        self._take_renewed()
        if self._own.not_after <= time.time() and self.again is not None:
            await self._enrol_again("the certificate ran out")
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
                session = Session(self.enrolled.node, asyncio.get_running_loop().time(), have, period=PERIOD)
                self._channel, self._line = channel, Line(session, self._handle)
                self._line.publish(REPORT_TOPIC, self._report, b"")
                await self._line.run(aiter(stream), stream.send_message)
        finally:
            self._channel = None
            channel.close()

    async def _enrol_again(self, why: str) -> None:
        assert self.again is not None
        log.warning("enrolling anew", extra={"reason": why})
        await self.again()
        self._take_renewed()

    def forget(self, identity: SpiffeId) -> None:
        """This identity is not wanted any more."""
        self._svids.pop(identity, None)
        with contextlib.suppress(OSError):
            self._svid_path(identity).unlink(missing_ok=True)

    def _take_renewed(self) -> None:
        """Take up what `isthmus renew` left in the folder: a newer leaf, and the anchors to trust."""
        leaf = load_leaf(self.directory / "leaf.json")
        if leaf is not None and (leaf.not_before > self._own.not_before or self._own.not_after <= time.time()):
            self._own, self.enrolled = leaf, load_enrolled(self.directory)
            self._saved = self.enrolled

    def _handle(self, line: Line, event: Event) -> None:
        match event:
            case Joined():
                self.connected = True
                self.changed.set()
                self._hurry.set()
                log.info("session with the controller is up", extra={"controller": event.node})
            case Offered(topic="handout"):
                self._take(line, event)
            case Offered():
                line.session.refuse(event.topic, Refused(f'topic "{event.topic}" is not for an agent', "E105"))

    def _take(self, line: Line, event: Offered) -> None:
        try:
            for key in event.change.removed:
                self.values.pop(key, None)
            decoded = self._read(event.change.changed.items())
            head = _decode_head(event.head)
        except Refused as error:
            self.values = self._read(self.tree.items())
            line.session.refuse(event.topic, error)
            return
        line.session.accept(event.topic)
        if not event.change and head == self.head:
            return
        self.values.update(decoded)
        self.tree, self.head = event.tree, head
        if "site" in decoded:
            self._trust()
        self.changed.set()
        self._dirty.set()

    def _read(self, items: Iterable[tuple[str, bytes]]) -> dict[str, Struct]:
        """The values of known kinds. Refused when one cannot be read."""
        return {key: self._shared.of(value) for key, value in HANDOUT.known(items)}

    async def token(self, identity: SpiffeId, audiences: tuple[str, ...]) -> str:
        """A new JWT-SVID of this identity. Unavailable when no controller issues it now."""
        request = encode(TokenRequest(str(identity), audiences))
        return (await self._ask(TOKEN, request, identity)).decode()

    async def attest(self, token: str) -> ServiceAccount:
        """Whose this service account token is, by the API server of our controller. Refused (E105) when it is none's;
        Unavailable when nobody can be asked now.
        """
        async with self._attesting:
            answer = await self._ask(ATTEST, token.encode(), "a service account token")
        return msgspec.msgpack.decode(answer, type=ServiceAccount)

    def _trust(self) -> None:
        """Know the controllers by the handout's anchors from now on; leaves of one that signs no more are renewed."""
        site = self._site()
        if site is not None:
            self.enrolled = structs.replace(self.enrolled, anchor=site.anchor)
        self._hurry.set()

    async def _issue(self, identity: SpiffeId) -> Leaf:
        key = new_key()
        chain = await self._ask(ISSUE, signing_request(key, identity), identity)
        return leaf_of(identity, key, chain.decode())

    async def _ask(self, call: str, request: bytes, what: object) -> bytes:
        channel = self._channel
        if channel is None:
            raise Unavailable(f"no controller to ask for {what}")
        method = UnaryUnaryMethod(channel, call, bytes, bytes)
        try:
            return await method(request, timeout=5)
        except GRPCError as error:
            if call == ATTEST and error.status is Status.PERMISSION_DENIED:
                code, _, text = str(error.message).partition(" ")
                raise Refused(text, code) from None
            raise Unavailable(f"the controller did not give {what}: {error.message}") from None
        except (OSError, StreamTerminatedError, TimeoutError) as error:
            raise Unavailable(f"the controller did not give {what}: {error}") from None

    async def _keep_fresh(self) -> None:
        jitter = random.uniform(-1, 1)  # noqa: S311 - jitter, not a secret
        pause = RENEW_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
                    await asyncio.sleep(random.uniform(0, SPREAD))  # noqa: S311 - jitter, not a secret
            self._hurry.clear()
            await self._renew(jitter)
            left = any(map(self._tainted, (self._own, *self._svids.values())))
            pause = TAINTED_SECONDS if left else RENEW_SECONDS

    async def _renew(self, jitter: float) -> None:
        """Renew what is past half of its life; one identity that is not issued keeps no other waiting."""
        if self._due(self._own, jitter):
            own = agent_id(self.enrolled.trust_domain, self.enrolled.node)
            self._own = await self._renewed(own, self._own, self.directory / "leaf.json")
            self.changed.set()
        for identity, leaf in list(self._svids.items()):
            if self._due(leaf, jitter):
                self._svids[identity] = await self._renewed(identity, leaf, self._svid_path(identity))
                self.svid_changed.set()

    def _due(self, leaf: Leaf, jitter: float) -> bool:
        return leaf.renew_at(jitter) <= time.time() or self._tainted(leaf)

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
            before, ledger = (self.disk.problems, self.kept), self._ledger()
            if await asyncio.to_thread(self.disk.keep, "the handout", self._write()):
                self.kept = ledger
            else:
                self._dirty.set()
            if (self.disk.problems, self.kept) != before:
                self.changed.set()
            await asyncio.sleep(1)

    def _write(self) -> Callable[[], None]:
        """The write of what is in force now: the handout, and by whose anchors to know the controllers."""
        head = b"" if self.head is None else msgspec.msgpack.encode(self.head)
        directory, tree, enrolled, now = self.directory, self.tree, self.enrolled, int(time.time())

        def write() -> None:
            if self._saved != enrolled:
                save_enrolled(directory, enrolled)
                self._saved = enrolled
            self._ring.keep(head, tree, now)

        return write


def _decode_head(data: bytes) -> HandoutHead | None:
    with contextlib.suppress(msgspec.MsgspecError):
        return _head_decoder.decode(data)
    return None
