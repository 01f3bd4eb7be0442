"""A holder of eu-central's keys who speaks the link and the session as our own code does, and says what it likes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
from grpclib.client import StreamStreamMethod

from federation.config import Folder
from federation.link.dial import EXCHANGE, PinnedChannel
from federation.link.leaf import Leaf, leaf_of, new_key, signing_request
from federation.link.line import Line
from federation.link.tls import client_context
from federation.model.record import Head, Resource, key_of
from federation.model.spiffe import SpiffeId, controller_id
from federation.registrar.signing import RECORD, SigningKey
from federation.session.session import Acked, Event, Offered, Session
from federation.session.tree import Tree, tree_of
from federation.trust.issue import sign_leaf
from federation.wire.keyed import encode

SECONDS = 20.0


def leaf_by(folder: Folder, identity: SpiffeId) -> Leaf:
    """A leaf that this member's CA key signs for any identity in its trust domain."""
    key, domain = new_key(), folder.own().trust_domain
    request, now = signing_request(key, identity), datetime.now(UTC)
    chain = sign_leaf(folder.anchor_key.read_text(), folder.anchor.read_text(), request, domain, now)
    return leaf_of(identity, key, chain)


class Rogue:
    """eu-central's keys. `generation` counts the heads that it signed."""

    def __init__(self, folder: Folder, victim: Folder, address: str) -> None:
        self.own = folder.own()
        self.leaf = leaf_by(folder, controller_id(self.own.trust_domain))
        self.key = SigningKey(folder.record_key.read_text(), RECORD)
        self.generation = 0
        self._victim = victim
        self._address = address

    def head(self, tree: Tree, generation: int, key: SigningKey | None = None) -> bytes:
        """A head over this content, signed by our key or another."""
        body = Head(member=self.own.name, epoch=1, generation=generation, root=tree.root)
        return msgspec.msgpack.encode((key or self.key).sign(msgspec.msgpack.encode(body)))

    def next_head(self, tree: Tree) -> bytes:
        """The honest head that follows the last."""
        self.generation += 1
        return self.head(tree, self.generation)

    def context(self) -> ssl.SSLContext:
        """TLS as eu-central's controller."""
        return client_context(self.leaf, self._victim.anchor.read_text())

    def channel(self, context: ssl.SSLContext) -> PinnedChannel:
        """A channel to the victim's controller."""
        return PinnedChannel(self._address, context, controller_id(self._victim.own().trust_domain))

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Talk"]:
        """A live session with the victim's controller, as eu-central."""
        channel = self.channel(self.context())
        try:
            async with StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
                await stream.send_request()
                talk = Talk(self.own.name)
                running = asyncio.create_task(talk.line.run(aiter(stream), stream.send_message))
                try:
                    yield talk
                finally:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
                    await stream.cancel()
        finally:
            channel.close()


class Talk:
    """One session: what is said, the answer to each statement, and what the other end offered."""

    def __init__(self, node: str) -> None:
        self._answers: asyncio.Queue[Acked] = asyncio.Queue()
        self.offers: asyncio.Queue[Offered] = asyncio.Queue()
        self.line = Line(Session(node, asyncio.get_running_loop().time()), self._handle)

    async def say(self, topic: str, tree: Tree, head: bytes) -> Acked:
        """Offer this; the other end's answer to this topic."""
        self.line.publish(topic, tree, head)
        async with asyncio.timeout(SECONDS):
            while (answer := await self._answers.get()).topic != topic:
                pass
        return answer

    def _handle(self, line: Line, event: Event) -> None:
        if isinstance(event, Acked):
            self._answers.put_nowait(event)
        elif isinstance(event, Offered):
            line.session.accept(event.topic)
            self.offers.put_nowait(event)


def content(*resources: Resource) -> Tree:
    """A record's tree."""
    return tree_of({key_of(item): encode(item) for item in resources})
