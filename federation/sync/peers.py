"""One session with each other member, dialled by either side; their records held, verified, and kept on disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from grpclib.client import StreamStreamMethod
from msgspec import structs
from prometheus_client import Counter, Gauge

from federation.link.dial import EXCHANGE, PinnedChannel, bound
from federation.link.leaf import Leaf
from federation.link.line import Line
from federation.link.tls import client_context
from federation.lkg import ring
from federation.model.errors import Refused
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.model.spiffe import controller_id
from federation.ports import PeerState
from federation.session.pace import Pace
from federation.session.session import Acked, Event, Joined, Offered, Session
from federation.session.tree import Change, Tree
from federation.sync.held import HeldRecord
from federation.sync.ledger import TOPIC as LEDGER_TOPIC
from federation.sync.ledger import HeldLedger, ledger_bytes
from federation.wire.record import record_topic

log = logging.getLogger("sync")
refusals_total = Counter("isthmus_sync_refusals_total", "Statements of peers that were refused", ["member", "code"])
session_up = Gauge("isthmus_sync_session_up", "1 while a session with the member's controller is up", ["member"])
BACKOFF_MAX = 10.0
WAIT_FOR_DIAL = 5.0

Changed = Callable[[MemberName, Change | None], None]


class Peer:
    """One other member: what we hold of it and whether we talk to it.

    `last_refusal` is that of a whole statement and stands until a record is taken; `held` has those of resources.
    """

    def __init__(self, held: HeldRecord) -> None:
        self.held = held
        self.line: Line | None = None
        self.dialled = False
        self.heard = 0.0
        self.last_refusal: Refused | None = None
        self.dirty = False


def _but_anchors(member: Member) -> Member:
    return structs.replace(member, anchor="", next_anchor="")


class PeerSync:
    """Keeps the sessions. `changed` is called with the member and what changed in its record (None: look at all)."""

    def __init__(
        self, own: MemberName, ledger: HeldLedger, leaf: Callable[[], Leaf], lkg: Path, changed: Changed
    ) -> None:
        self._own = own
        self._ledger = ledger
        self._leaf = leaf
        self._lkg = lkg
        self._changed = changed
        self.peers: dict[MemberName, Peer] = {}
        self._record: tuple[Tree, bytes] | None = None
        self._dialling: dict[MemberName, asyncio.Task[None]] = {}

    def states(self) -> dict[MemberName, PeerState]:
        """Every other active member."""
        now = asyncio.get_running_loop().time()
        return {
            name: PeerState(
                view=peer.held.view,
                head=peer.held.head,
                connected=peer.line is not None,
                age=now - peer.heard if peer.heard else None,
                refusals=(*([peer.last_refusal] if peer.last_refusal else ()), *peer.held.refusals.values()),
            )
            for name, peer in self.peers.items()
        }

    def publish(self, tree: Tree, head: bytes) -> None:
        """Offer our record to every peer from now on."""
        self._record = (tree, head)
        for peer in self.peers.values():
            if peer.line is not None:
                peer.line.publish(record_topic(self._own), tree, head)

    def follow_ledger(self) -> None:
        """Start and stop peers as the ledger says, and offer the ledger to all of them."""
        reader = self._ledger.ledger.members[self._own]
        active = self._ledger.ledger.active() if reader.state == "active" else ()
        members = {m.name: m for m in active if m.name != self._own}
        for name, peer in list(self.peers.items()):
            member = members.get(name)
            if member is not None and _but_anchors(member) == _but_anchors(peer.held.member):
                self._trust(peer, member)
            else:
                self._keep(name, peer.held)
                self._drop(name)
        for name, member in members.items():
            if name not in self.peers:
                self.peers[name] = self._load(member, reader)
                self._dialling[name] = asyncio.create_task(self._keep_dialling(member, reader.number))
        for peer in self.peers.values():
            if peer.line is not None:
                peer.line.publish(LEDGER_TOPIC, self._ledger.tree, b"")
        self._changed(self._own, None)

    @staticmethod
    def _trust(peer: Peer, member: Member) -> None:
        """Dial by these anchors from now on; a session that was proven by one that is gone is proven anew."""
        gone = peer.held.member.anchor not in (member.anchor, member.next_anchor)
        peer.held.member = member
        if gone and peer.line is not None:
            peer.line.close()

    async def serve(
        self, name: MemberName, incoming: AsyncIterator[bytes], send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Serve a session that this member dialled."""
        peer = self.peers.get(name)
        if peer is None:
            raise Refused(f'member "{name}" is not active in the ledger', "E102")
        if peer.line is not None and peer.dialled and self._is_elder(peer):
            raise Refused(f'a session with member "{name}" is up already', "E102")
        await self._exchange(peer, incoming, send, dialled=False)

    async def keep_on_disk(self) -> None:
        """Write each record that changed to the ring, at most once a second."""
        while True:
            await asyncio.sleep(1)
            for name, peer in self.peers.items():
                if peer.dirty:
                    peer.dirty = False
                    self._keep(name, peer.held)

    def _keep(self, name: MemberName, held: HeldRecord) -> None:
        now = int(time.time())
        try:
            ring.keep(self._lkg, f"record-{name}", held.signed, held.tree, now)
            ring.keep(self._lkg, f"good-{name}", b"", held.last_good(), now)
        except OSError as error:
            log.warning("record could not be kept on disk", extra={"member": name, "error": str(error)})

    async def stop(self) -> None:
        """End every session that we dialled."""
        for task in self._dialling.values():
            task.cancel()
        await asyncio.gather(*self._dialling.values(), return_exceptions=True)

    def _load(self, member: Member, reader: Member) -> Peer:
        held = HeldRecord(member, reader)
        kept = ring.newest(self._lkg, f"record-{member.name}")
        if kept is not None:
            with contextlib.suppress(Refused):
                held.take(kept.head, kept.tree)
        good = ring.newest(self._lkg, f"good-{member.name}")
        if good is not None:
            held.recall(good.tree)
        return Peer(held)

    def _drop(self, name: MemberName) -> None:
        line = self.peers.pop(name).line
        if line is not None:
            line.close()
        task = self._dialling.pop(name, None)
        if task is not None:
            task.cancel()

    async def _keep_dialling(self, member: Member, own_number: int) -> None:
        peer = self.peers[member.name]
        backoff = 0.2
        if own_number > member.number:
            await asyncio.sleep(WAIT_FOR_DIAL)
        while True:
            if peer.line is None:
                for address in member.sync:
                    try:
                        await self._dial(peer.held.member, peer, address)
                        backoff = 0.2
                    except Exception as error:  # whatever a peer sends must not end the loop that dials it
                        reason = f"{type(error).__name__}: {error}"
                        log.info("peer does not answer", extra={"member": member.name, "error": reason})
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            backoff = min(2 * backoff, BACKOFF_MAX)

    async def _dial(self, member: Member, peer: Peer, address: str) -> None:
        expect = controller_id(self._ledger.ledger.trust_domain(member.name))
        channel = PinnedChannel(address, client_context(self._leaf(), member.trusted), expect)
        try:
            async with StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
                await stream.send_request()
                bound(stream._stream)
                if peer.line is None or self._is_elder(peer):
                    await self._exchange(peer, aiter(stream), stream.send_message, dialled=True)
        finally:
            channel.close()

    def _is_elder(self, peer: Peer) -> bool:
        """Of two sessions that were dialled at once, the one that the member admitted first dialled stays."""
        return self._ledger.ledger.members[self._own].number < peer.held.member.number

    async def _exchange(
        self,
        peer: Peer,
        incoming: AsyncIterator[bytes],
        send: Callable[[bytes], Awaitable[None]],
        dialled: bool,
    ) -> None:
        name = peer.held.member.name
        have = {record_topic(name): peer.held.tree} if peer.held.head is not None else {}
        now = asyncio.get_running_loop().time()
        session = Session(self._own, now, {**have, LEDGER_TOPIC: self._ledger.tree})
        pace = Pace(peer.held.member.quota.changes_per_second, now)
        line = Line(session, lambda line, event: self._handle(peer, line, event), pace)
        line.publish(LEDGER_TOPIC, self._ledger.tree, b"")
        if self._record is not None:
            line.publish(record_topic(self._own), *self._record)
        if peer.line is not None:
            peer.line.close()
        peer.line, peer.dialled = line, dialled
        session_up.labels(name).set(1)
        try:
            await line.run(incoming, send)
        finally:
            if peer.line is line:
                peer.line = None
                session_up.labels(name).set(0)
                log.info("session with the peer ended", extra={"member": name})

    def _handle(self, peer: Peer, line: Line, event: Event) -> None:
        peer.heard = asyncio.get_running_loop().time()
        match event:
            case Joined():
                log.info("session with the peer is up", extra={"member": peer.held.member.name})
            case Offered():
                self._offered(peer, line, event)
            case Acked(code=code) if code:
                log.error(
                    "the peer refused what we offer",
                    extra={
                        "member": peer.held.member.name,
                        "topic": event.topic,
                        "code": code,
                        "reason": event.text,
                    },
                )

    def _offered(self, peer: Peer, line: Line, event: Offered) -> None:
        name = peer.held.member.name
        try:
            if event.topic == LEDGER_TOPIC:
                moved = self._ledger.extend(ledger_bytes(event.tree))
                line.session.accept(event.topic)
                if moved:
                    self.follow_ledger()
                return
            if event.topic != record_topic(name):
                raise Refused(f'topic "{event.topic}" does not belong to member "{name}"', "E105")
            change = peer.held.take(event.head, event.tree)
        except Refused as error:
            self._tell(name, error)
            peer.last_refusal = error
            line.session.refuse(event.topic, error)
            return
        line.session.accept(event.topic)
        peer.last_refusal = None
        for key in sorted(change.changed.keys() & peer.held.refusals.keys()):
            self._tell(name, peer.held.refusals[key])
        peer.dirty = True
        self._changed(name, change)

    def _tell(self, name: MemberName, error: Refused) -> None:
        refusals_total.labels(name, error.code).inc()
        log.error("refused", extra={"member": name, "code": error.code, "reason": error.text})
