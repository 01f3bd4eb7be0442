"""One end of a session, sans-IO: bytes and `now` in, bytes and events out.

Both ends may offer topics. A topic is a hash tree plus a head; for each topic one step is under way at a time,
always from what the other end is known to hold to what stands now, so changes coalesce per key while a slow reader
catches up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import Struct

from federation.model.errors import Refused
from federation.session.messages import VERSION, VERSION_MIN, Ack, Digest, Hello, Message, Update, decode, encode
from federation.session.tree import Change, Tree, compare, tree_of

DIGEST_PERIOD = 5.0
SILENT_PERIODS = 3
PART_BYTES = 8 * 1024
STEP_BYTES_MAX = 64 * 1024 * 1024
KEY_BYTES = 256
"""What a key costs in memory beside its own bytes and those of its value."""
TOPICS_MAX = 64
TOPIC_NAME_MAX = 255


class Joined(Struct, frozen=True):
    """The other end said who it is; `version` is the newest that both ends speak."""

    node: str
    version: int


class Offered(Struct, frozen=True):
    """A whole step arrived: the owner must answer with `accept` or `refuse`."""

    topic: str
    head: bytes
    tree: Tree
    change: Change


class Acked(Struct, frozen=True):
    """The other end holds this root of our topic, or says why it refused the step."""

    topic: str
    root: bytes | None
    code: str
    text: str


Event = Joined | Offered | Acked


class Content(Struct, frozen=True):
    """What a topic says at one time. Of what the other end holds the head is empty while nobody said which it has."""

    head: bytes
    tree: Tree

    def is_as(self, other: Content | None) -> bool:
        """True when both say the same. The same content under a later head says something new."""
        return other is not None and (self.tree.root, self.head) == (other.tree.root, other.head)


class Outgoing(Struct):
    """A topic that we offer. `held` is what the other end has, `inflight` what is on its way."""

    now: Content
    held: Content | None = None
    inflight: Content | None = None
    refused: Content | None = None

    def is_behind(self) -> bool:
        """True when the other end holds something else and did not refuse this."""
        return not (self.now.is_as(self.held) or self.now.is_as(self.refused))

    def sent(self) -> Tree:
        """The last content that was put on the wire."""
        return (self.inflight or self.held or self.now).tree


class Incoming(Struct):
    """A topic that we take: what we hold of it, and the step that is arriving."""

    tree: Tree | None = None
    offered: Tree | None = None
    changed: dict[str, bytes] = {}
    removed: set[str] = set()
    size: int = 0


class Steps:
    """The messages of steps that many sessions take alike: made once, shared by all of them."""

    KEPT = 8

    def __init__(self) -> None:
        self._made: dict[tuple[str, bytes | None, bytes, bytes], tuple[bytes, ...]] = {}

    def messages(self, topic: str, held: Tree | None, tree: Tree, head: bytes) -> tuple[bytes, ...]:
        """The encoded messages that bring an end which holds the one tree to the other."""
        key = (topic, None if held is None else held.root, tree.root, head)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= self.KEPT:
                del self._made[next(iter(self._made))]
            made = self._made[key] = tuple(map(encode, _step(topic, held, tree, head)))
        return made


def _step(topic: str, held: Tree | None, tree: Tree, head: bytes) -> Iterator[Update]:
    step = Change(dict(tree.items()), frozenset()) if held is None else compare(held, tree)
    part: dict[str, bytes] = {}
    size = 0
    base = None if held is None else held.root
    for key, value in step.changed.items():
        part[key] = value
        size += len(key) + len(value)
        if size >= PART_BYTES:
            yield Update(topic=topic, base=base, root=tree.root, head=head, changed=part, last=False)
            part, size = {}, 0
    removed = tuple(sorted(step.removed))
    yield Update(topic=topic, base=base, root=tree.root, head=head, changed=part, removed=removed)


class Session:
    """One end of one stream. Feed it with `receive` and `tick`, drain `take` and the returned events.

    Steps are made as they are taken: an end that asks again and again and reads nothing makes us keep nothing.
    """

    def __init__(
        self,
        node: str,
        now: float,
        have: dict[str, Tree] | None = None,
        step_bytes: int = STEP_BYTES_MAX,
        versions: tuple[int, int] = (VERSION_MIN, VERSION),
        steps: Steps | None = None,
        period: float = DIGEST_PERIOD,
    ) -> None:
        """`have` is what we hold of the other end's topics, so that only changes are sent again; `step_bytes` bounds
        what arrives before it is offered; `versions` are the oldest and newest that we speak; `steps` is shared with
        the sessions that are offered the same. A digest is due every `period` seconds, at both ends.
        """
        self._period = period
        self._steps = steps
        self._versions = versions
        self._step_bytes = step_bytes
        self._incoming = {topic: Incoming(tree) for topic, tree in (have or {}).items()}
        self._outgoing: dict[str, Outgoing] = {}
        self._theirs: dict[str, bytes] | None = None
        self._known: dict[bytes, Tree] = {}
        self._heard = now
        self._next_digest = now + period
        self._answers: deque[bytes] = deque()
        self._due: dict[str, None] = {}
        self._sending = ""
        self._step: Iterator[bytes] = iter(())
        roots = {topic: held.tree.root for topic, held in self._incoming.items() if held.tree is not None}
        self._say(Hello(node, *versions, roots))

    def publish(self, topic: str, tree: Tree, head: bytes, held: bytes | None = None) -> None:
        """Offer this content from now on; only what differs from what the other end holds is sent, of the same content
        under another head the head alone. `held` is the root that it is known to hold of a topic which it did not name
        in its Hello.
        """
        outgoing = self._outgoing.get(topic)
        if outgoing is None:
            outgoing = self._outgoing[topic] = Outgoing(Content(head, tree))
            self._resume(topic, outgoing, held)
        outgoing.now = Content(head, tree)
        self._advance(topic, outgoing)

    def withdraw(self, topic: str) -> None:
        """Offer this topic no more."""
        self._outgoing.pop(topic, None)

    def hold(self, topic: str, tree: Tree) -> None:
        """What we hold of a topic that the other end will only now begin to offer."""
        incoming = self._incoming.get(topic)
        if incoming is None or not (incoming.changed or incoming.removed or incoming.offered):
            self._incoming[topic] = Incoming(tree)

    def remember(self, tree: Tree) -> None:
        """An older content that the other end may still hold: makes a delta possible where it says so."""
        self._known[tree.root] = tree

    def accept(self, topic: str) -> None:
        """Take the offered step: it becomes what we hold."""
        incoming = self._incoming[topic]
        incoming.tree, incoming.offered = incoming.offered, None
        assert incoming.tree is not None
        self._say(Ack(topic, incoming.tree.root))

    def refuse(self, topic: str, error: Refused) -> None:
        """Keep what we hold and say why."""
        incoming = self._incoming[topic]
        incoming.offered = None
        held = None if incoming.tree is None else incoming.tree.root
        self._say(Ack(topic, held, error.code, error.text))

    @property
    def backlog(self) -> int:
        """How many answers wait to be taken; none of them is part of a step."""
        return len(self._answers)

    def take(self) -> bytes | None:
        """The next message to put on the wire; None when there is nothing to say now."""
        if self._answers:
            return self._answers.popleft()
        while True:
            for message in self._step:
                return message
            self._sending = ""
            if not self._start():
                return None

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take one message. Refused when the other end breaks the protocol: close the stream then."""
        self._heard = now
        message = decode(data)
        match message:
            case Hello():
                return [self._hello(message)]
            case Update():
                return self._update(message)
            case Ack():
                return self._ack(message)
            case Digest():
                self._digest(message)
                return []

    def tick(self, now: float) -> bool:
        """Say what is due. False when the other end was silent for too long: close the stream then."""
        if now >= self._next_digest:
            self._next_digest = now + self._period
            settled = ((topic, out) for topic, out in self._outgoing.items() if topic != self._sending)
            self._say(Digest({topic: out.sent().root for topic, out in settled if topic not in self._due}))
        return now < self.silent_at()

    def silent_at(self) -> float:
        """When the other end will have been silent for too long, if nothing is heard before."""
        return self._heard + SILENT_PERIODS * self._period

    def next_deadline(self) -> float:
        """When `tick` must be called next."""
        return min(self._next_digest, self.silent_at())

    def _say(self, message: Message) -> None:
        self._answers.append(encode(message))

    def _hello(self, message: Hello) -> Joined:
        oldest, newest = self._versions
        version = min(newest, message.version_max)
        if version < max(oldest, message.version_min):
            raise Refused(
                f'"{message.node}" speaks session versions {message.version_min} to {message.version_max}, we speak '
                f"{oldest} to {newest}; upgrade {'it' if message.version_max < oldest else 'this end'} first",
                "E124",
            )
        self._theirs = message.have
        for topic, outgoing in self._outgoing.items():
            self._resume(topic, outgoing)
            self._advance(topic, outgoing)
        return Joined(message.node, version)

    def _resume(self, topic: str, outgoing: Outgoing, held: bytes | None = None) -> None:
        root = held or (self._theirs or {}).get(topic)
        if root is not None:
            outgoing.held = self._content(root, outgoing.now.tree)

    def _content(self, root: bytes | None, now: Tree) -> Content | None:
        """The content with this root, where we know it."""
        tree = now if now.root == root else None if root is None else self._known.get(root)
        return None if tree is None else Content(b"", tree)

    def _advance(self, topic: str, outgoing: Outgoing) -> None:
        if self._theirs is not None and outgoing.inflight is None and outgoing.is_behind():
            self._due[topic] = None

    def _start(self) -> bool:
        """Begin the step of the topic that is due first; False when none is."""
        while self._due:
            topic = next(iter(self._due))
            del self._due[topic]
            outgoing = self._outgoing.get(topic)
            if outgoing is not None and outgoing.inflight is None and outgoing.is_behind():
                outgoing.inflight, self._sending = outgoing.now, topic
                held = None if outgoing.held is None else outgoing.held.tree
                step = (topic, held, outgoing.now.tree, outgoing.now.head)
                self._step = map(encode, _step(*step)) if self._steps is None else iter(self._steps.messages(*step))
                return True
        return False

    def _update(self, message: Update) -> list[Event]:
        if len(message.topic) > TOPIC_NAME_MAX:
            raise Refused(f"a topic's name of {len(message.topic)} characters, limit {TOPIC_NAME_MAX}", "E117")
        if message.topic not in self._incoming and len(self._incoming) >= TOPICS_MAX:
            raise Refused(f'topic "{message.topic}": more than {TOPICS_MAX} topics on one session', "E117")
        incoming = self._incoming.setdefault(message.topic, Incoming())
        held = None if incoming.tree is None else incoming.tree.root
        incoming.changed.update(message.changed)
        incoming.removed.update(message.removed)
        incoming.size += sum(KEY_BYTES + len(key) + len(value) for key, value in message.changed.items())
        incoming.size += sum(KEY_BYTES + len(key) for key in message.removed)
        if sum(held.size for held in self._incoming.values()) > self._step_bytes:
            raise Refused(f'topic "{message.topic}": a step of more than {self._step_bytes} bytes', "E117")
        if not message.last:
            return []
        changed, removed = incoming.changed, frozenset(incoming.removed)
        incoming.changed, incoming.removed, incoming.size = {}, set(), 0
        if message.base is not None and message.base != held:
            self._say(Ack(message.topic, held))
            return []
        old = incoming.tree or Tree()
        new = tree_of(changed) if message.base is None else old.apply(changed, removed)
        if new.root != message.root:
            raise Refused(f'topic "{message.topic}": the content does not hash to the root that was sent', "E120")
        incoming.offered = new
        return [Offered(message.topic, message.head, new, compare(old, new))]

    def _ack(self, message: Ack) -> list[Event]:
        outgoing = self._outgoing.get(message.topic)
        if outgoing is None:
            return []
        sent, outgoing.inflight = outgoing.inflight, None
        if message.code and sent is not None:
            outgoing.refused = sent
        elif sent is not None and sent.tree.root == message.root:
            outgoing.held, outgoing.refused = sent, None
        if outgoing.held is None or outgoing.held.tree.root != message.root:
            outgoing.held = self._content(message.root, outgoing.now.tree)
        self._advance(message.topic, outgoing)
        return [] if sent is None else [Acked(message.topic, message.root, message.code, message.text)]

    def _digest(self, message: Digest) -> None:
        for topic, root in message.offers.items():
            incoming = self._incoming.get(topic)
            if incoming is None or incoming.offered is not None or incoming.changed:
                continue
            if incoming.tree is None or incoming.tree.root != root:
                self._say(Ack(topic, None if incoming.tree is None else incoming.tree.root))
