"""One session with each other member, dialled by either side; their records held, verified, and kept on disk."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from grpclib.client import StreamStreamMethod
from msgspec import structs
from prometheus_client import Counter, Gauge

from federation.link.dial import EXCHANGE, PinnedChannel, bound
from federation.link.leaf import Leaf
from federation.link.line import Line
from federation.link.tls import client_context
from federation.model.errors import Refused
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.model.spiffe import controller_id
from federation.ports import PeerState
from federation.session.pace import Pace
from federation.session.session import Acked, Event, Joined, Offered, Session
from federation.session.tree import Change, Tree
from federation.sync import relay
from federation.sync.held import HeldRecord
from federation.sync.kept import KeptRecords
from federation.sync.ledger import TOPIC as LEDGER_TOPIC
from federation.sync.ledger import HeldLedger
from federation.wire.record import record_topic

log = logging.getLogger("sync")
refusals_total = Counter("isthmus_sync_refusals_total", "Statements of peers that were refused", ["member", "code"])
session_up = Gauge("isthmus_sync_session_up", "1 while a session with the member's controller is up", ["member"])
BACKOFF_MAX = 10.0
WAIT_FOR_DIAL = 5.0
FAREWELL = 5.0
"""Seconds in which a member that left may take the entry that says so."""
LEDGER_BYTES = 16 * 1024 * 1024
"""What a session may hold of a longer ledger, beside the peer's record."""

Changed = Callable[[MemberName, Change | None], None]


class Peer:
    """One other member: what we hold of it and whether we talk to it.

    `last_refusal` is that of a whole statement and stands until a record is taken; `held` has those of resources.
    `left` is when there was last a session; `via` brings its record meanwhile. `wants` are the members whose records we
    ask of it, `serves` those whose records it asks of us. `pace` is one for all its sessions: a new one gives no new
    burst.
    """

    def __init__(self, held: HeldRecord, now: float) -> None:
        self.held = held
        self.pace = Pace(held.member.quota.changes_per_second, now)
        self.line: Line | None = None
        self.dialled = False
        self.heard = 0.0
        self.left = 0.0
        self.via: MemberName | None = None
        self.wants: dict[MemberName, bytes] = {}
        self.serves: set[MemberName] = set()
        self.refuses: dict[str, str] = {}
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
        self._kept = KeptRecords(lkg)
        self._changed = changed
        self.peers: dict[MemberName, Peer] = {}
        self._record: tuple[Tree, bytes] | None = None
        self._dialling: dict[MemberName, asyncio.Task[None]] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What the disk did not take."""
        return self._kept.problems

    def states(self) -> dict[MemberName, PeerState]:
        """Every other active member."""
        now = asyncio.get_running_loop().time()
        return {
            name: PeerState(
                view=peer.held.view,
                head=peer.held.head,
                connected=peer.line is not None,
                age=now - peer.heard if peer.heard else None,
                via=peer.via if peer.line is None else None,
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
        reader = self._ledger.ledger.members.get(self._own)
        seen = self._ledger.ledger.seen_from(self._own) if reader is not None else ()
        members = {m.name: m for m in seen if m.name != self._own}
        for name, peer in list(self.peers.items()):
            member = members.get(name)
            if member is not None and _but_anchors(member) == _but_anchors(peer.held.member):
                self._trust(peer, member)
            else:
                self._kept.keeping(peer.held)()
                self._drop(name)
        for name, member in members.items():
            if name not in self.peers and reader is not None:
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

    async def relay(self) -> None:
        """Ask the members that we reach for the records of those that we do not."""
        while True:
            await asyncio.sleep(1)
            self._ask_for_others()

    def _ask_for_others(self) -> None:
        now = asyncio.get_running_loop().time()
        away = [name for name, peer in self.peers.items() if peer.line is None and now - peer.left > relay.AWAY]
        carriers = sorted(
            (name for name, peer in self.peers.items() if peer.line is not None),
            key=lambda name: self.peers[name].held.member.number,
        )
        for carrier, names in relay.assign(away, carriers, now).items():
            peer, line = self.peers[carrier], self.peers[carrier].line
            if line is None or peer.wants.keys() == set(names):
                continue
            for name in set(names) - peer.wants.keys():
                line.session.hold(record_topic(name), self.peers[name].held.tree)
            peer.wants = {name: peer.wants.get(name) or self.peers[name].held.root for name in names}
            line.publish(relay.TOPIC, relay.wants_tree(peer.wants), b"")

    def _serve_others(self, peer: Peer, line: Line, wanted: Tree) -> None:
        """Offer these records from now on, as they came."""
        wants = relay.wants_in(wanted, self.peers.keys() - {peer.held.member.name})
        for name in peer.serves - wants.keys():
            line.session.withdraw(record_topic(name))
        peer.serves = set(wants)
        for name, root in wants.items():
            held = self.peers[name].held
            if held.head is not None:
                line.publish(record_topic(name), held.tree, held.signed, root)

    def _pass_on(self, name: MemberName) -> None:
        """This record moved: give it to whoever asked us for it."""
        held = self.peers[name].held
        for peer in self.peers.values():
            if peer.line is not None and name in peer.serves:
                peer.line.publish(record_topic(name), held.tree, held.signed)

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
        """Write each record that changed to the ring, at most once a second, beside everything else."""
        while True:
            await asyncio.sleep(1)
            for peer in list(self.peers.values()):
                if peer.dirty:
                    peer.dirty = False
                    if not await asyncio.to_thread(self._kept.keeping(peer.held)):
                        peer.dirty = True

    async def stop(self) -> None:
        """End every session that we dialled."""
        for task in self._dialling.values():
            task.cancel()
        await asyncio.gather(*self._dialling.values(), return_exceptions=True)

    def _load(self, member: Member, reader: Member) -> Peer:
        now = asyncio.get_running_loop().time()
        peer = Peer(self._kept.load(member, reader), now)
        peer.left = now
        return peer

    def _drop(self, name: MemberName) -> None:
        """Forget this peer. One that left is told so on the session that it has; nothing it says counts any more."""
        line, task = self.peers.pop(name).line, self._dialling.pop(name)
        self._kept.forget(name)
        if line is not None and self._ledger.ledger.members[name].state == "left":
            line.publish(LEDGER_TOPIC, self._ledger.tree, b"")
            asyncio.get_running_loop().call_later(FAREWELL, self._end, line, task)
        else:
            self._end(line, task)

    @staticmethod
    def _end(line: Line | None, task: asyncio.Task[None]) -> None:
        if line is not None:
            line.close()
        task.cancel()

    async def _keep_dialling(self, member: Member, own_number: int) -> None:
        peer = self.peers[member.name]
        backoff = 0.2
        if own_number > member.number:
            await asyncio.sleep(WAIT_FOR_DIAL)
        while self.peers.get(member.name) is peer:
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
        limit = max(member.quota.bytes for member in self._ledger.ledger.active()) + LEDGER_BYTES
        session = Session(self._own, now, {**have, LEDGER_TOPIC: self._ledger.tree}, limit)
        line = Line(session, lambda line, event: self._handle(peer, line, event), peer.pace)
        line.publish(LEDGER_TOPIC, self._ledger.tree, b"")
        if self._record is not None:
            line.publish(record_topic(self._own), *self._record)
        if peer.line is not None:
            peer.line.close()
        peer.line, peer.dialled, peer.via = line, dialled, None
        peer.wants, peer.serves = {}, set()
        session_up.labels(name).set(1)
        try:
            await line.run(incoming, send)
        except Refused as error:
            peer.last_refusal = error
            self._tell(name, error)
            raise
        finally:
            if peer.line is line:
                peer.line, peer.left = None, asyncio.get_running_loop().time()
                session_up.labels(name).set(0)
                log.info("session with the peer ended", extra={"member": name})

    def _handle(self, peer: Peer, line: Line, event: Event) -> None:
        peer.heard = asyncio.get_running_loop().time()
        if self.peers.get(peer.held.member.name) is not peer:
            return
        match event:
            case Joined():
                log.info("session with the peer is up", extra={"member": peer.held.member.name})
            case Offered():
                self._offered(peer, line, event)
            case Acked(code=code) if code and not self._is_behind(event):
                self._note_refusal(peer, event)

    @staticmethod
    def _note_refusal(peer: Peer, event: Acked) -> None:
        """Log what the peer refused of us, once until it refuses something else."""
        said = {"topic": event.topic[:160], "code": event.code[:8], "reason": event.text[:300]}
        if said != peer.refuses:
            peer.refuses = said
            log.error("the peer refused what we offer", extra={"member": str(peer.held.member.name), **said})

    def _is_behind(self, event: Acked) -> bool:
        """True when the peer has a later record of a third member than the one that we brought it."""
        return event.code == "E109" and event.topic not in (LEDGER_TOPIC, record_topic(self._own))

    def _offered(self, peer: Peer, line: Line, event: Offered) -> None:
        name = peer.held.member.name
        try:
            if event.topic == LEDGER_TOPIC:
                moved = self._ledger.extend(event.tree)
                line.session.accept(event.topic)
                if moved:
                    self.follow_ledger()
                return
            if event.topic == relay.TOPIC:
                relay.check_wants(event.tree, name)
                line.session.accept(event.topic)
                self._serve_others(peer, line, event.tree)
                return
            owner = next((other for other in self.peers if event.topic == record_topic(other)), None)
            if owner is None:
                raise Refused(f'topic "{event.topic[:160]}" does not belong to member "{name}"', "E105")
            self._take(owner, event)
        except Refused as error:
            self._blame(peer, event.topic, error)
            line.session.refuse(event.topic, error)
            return
        line.session.accept(event.topic)
        if owner == name:
            peer.last_refusal = None
        elif self.peers[owner].line is None:
            self.peers[owner].via = name

    def _blame(self, peer: Peer, topic: str, error: Refused) -> None:
        """Tell of a refusal, and of whose it is: a carrier answers for a signature, the owner for what it signed.

        An older record that a carrier has, and one of a member that is none any more, are nobody's fault.
        """
        name, owner = peer.held.member.name, relay.owner_of(topic)
        if owner in ("", name, self._own) or (error.code == "E105" and owner in self.peers):
            self._tell(name, error)
            peer.last_refusal = error
        elif error.code != "E109" and owner in self.peers:
            self._tell(MemberName(owner), error)
            self.peers[MemberName(owner)].last_refusal = error

    def _take(self, owner: MemberName, event: Offered) -> None:
        """Move this member's record on, whoever brought it. Refused: nothing moves."""
        peer = self.peers[owner]
        change = peer.held.take(event.head, event.tree)
        for key in sorted(change.changed.keys() & peer.held.refusals.keys()):
            self._tell(owner, peer.held.refusals[key])
        peer.dirty = True
        self._pass_on(owner)
        self._changed(owner, change)

    def _tell(self, name: MemberName, error: Refused) -> None:
        refusals_total.labels(name, error.code).inc()
        log.error("refused", extra={"member": name, "code": error.code, "reason": error.text})
