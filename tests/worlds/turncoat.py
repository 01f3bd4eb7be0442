"""A program of the attacker's own, run on eu-central's machine with eu-central's folder: it speaks the link and the session
as our own code does, and says what it likes.

`python -m tests.worlds.turncoat FOLDER` takes one JSON line a request, {"do": ATTACK, "to": MEMBER, ...}, and answers each with
one: what the other end said. What it knows of the others it knows as eu-central does: from the ledger and the records that it
was given.
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpclib.client import StreamStreamMethod
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

from federation.config import Folder
from federation.link.dial import EXCHANGE, PinnedChannel
from federation.link.leaf import Leaf, leaf_of, new_key, signing_request
from federation.link.possession import wireguard_key
from federation.link.tls import client_context
from federation.lkg import ring
from federation.model.ledger import Ledger, Member
from federation.model.names import MemberName, ServiceKey
from federation.model.record import About, Endpoint, Export, Gateway, Head, Port, Resource, Slice
from federation.model.spiffe import controller_id
from federation.registrar.ledger import decode_ledger, read_ledger
from federation.registrar.signing import RECORD, SigningKey
from federation.session.tree import Tree
from federation.trust.issue import sign_leaf
from federation.wire.record import record_topic
from tests.worlds.attacks import Anchor, Pair, forged
from tests.worlds.rogue import Talk, content

ENDED = (StreamTerminatedError, ProtocolError, GRPCError, ssl.SSLError, OSError, asyncio.IncompleteReadError)
BAIT = ServiceKey("shop", "bait")
PORTS = (Port("http", 80),)
SECONDS = 5.0
Answer = dict[str, Any]


TAKEN: Answer = {"code": "", "text": "", "taken": True}


class Live:
    """A session that is up."""

    def __init__(self, talk: Talk, running: "asyncio.Task[None]") -> None:
        self.talk = talk
        self._running = running

    async def say(self, topic: str, tree: Tree, head: bytes) -> Answer:
        """The other end's answer to this. One of ENDED when it ends the stream instead."""
        saying = asyncio.create_task(self.talk.say(topic, tree, head))
        await asyncio.wait({saying, self._running}, return_when=asyncio.FIRST_COMPLETED)
        if not saying.done():
            saying.cancel()
            self._running.result()
            raise ConnectionError("the stream ended")
        said = saying.result()
        return {"code": said.code, "text": said.text, "taken": said.root == tree.root}


class Turncoat:
    """Every key of one member, and what that member was told of the others."""

    def __init__(self, folder: Path) -> None:
        self.state = Folder(folder / "state")
        self.own = self.state.own()
        self.record_key = SigningKey(self.state.record_key.read_text(), RECORD)
        self.seed = (folder / "gw" / "wireguard.key").read_bytes()
        self.epoch = int(time.time())
        self.generation = 0
        identity, key = controller_id(self.own.trust_domain), new_key()
        pems = self.state.anchor_key.read_text(), self.state.anchor.read_text()
        chain = sign_leaf(*pems, signing_request(key, identity), self.own.trust_domain, datetime.now(UTC))
        self.leaf = leaf_of(identity, key, chain)

    @property
    def ledger(self) -> Ledger:
        return read_ledger(decode_ledger(self.state.ledger_bytes()), self.own.federation)

    @property
    def me(self) -> Member:
        return self.member(self.own.name)

    def member(self, name: str) -> Member:
        return self.ledger.members[MemberName(name)]

    def held(self, name: str) -> ring.Kept:
        """The record of another member that ours kept, with the head that its owner signed."""
        kept = ring.newest(self.state.lkg, f"record-{name}")
        assert kept is not None
        return kept

    async def given(self, name: str) -> tuple[Tree, bytes]:
        """The record of another member as it gives it to us now, and its head."""
        async with self.session(name) as live, asyncio.timeout(SECONDS):
            while (offer := await live.talk.offers.get()).topic != record_topic(name):
                pass
        return offer.tree, offer.head

    def anchor(self) -> Anchor:
        """Our CA."""
        key = serialization.load_pem_private_key(self.state.anchor_key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return Anchor(key, x509.load_pem_x509_certificate(self.state.anchor.read_bytes()))

    def gateway(self, **other: Any) -> Gateway:
        """Our gateway as it is, but for these fields."""
        key = wireguard_key(self.seed, self.own.name, "gw1")
        fields: dict[str, Any] = {
            "id": 1,
            "node": "gw1",
            "key": key.public,
            "proof": key.proof,
            "endpoint": self.me.sync[0].rpartition(":")[0] + ":51820",
            "overlay": self.me.overlay.replace("::/64", "::1"),
            "port": 15443,
        }
        return Gateway(**(fields | other))

    def honest(self) -> tuple[Resource, ...]:
        """A record without fault."""
        address = self.me.reachable[0].replace(".0.0/16", ".1.10")
        pods = Slice(service=BAIT, az="a", ports=PORTS, endpoints=(Endpoint(address),))
        about = About(self.own.name, self.me.region, f"0.1.{self.generation}")
        return (about, self.gateway(), Export(service=BAIT, ports=PORTS), pods)

    def head(self, tree: Tree, generation: int | None = None, member: str = "", epoch: int | None = None) -> bytes:
        """A head over this content, signed by our record key; by default the next one of our own."""
        if generation is None:
            self.generation += 1
        order = (self.epoch if epoch is None else epoch, self.generation if generation is None else generation)
        body = Head(member=MemberName(member or self.own.name), epoch=order[0], generation=order[1], root=tree.root)
        return msgspec.msgpack.encode(self.record_key.sign(msgspec.msgpack.encode(body)))

    def channel(self, to: str, context: ssl.SSLContext) -> PinnedChannel:
        """A channel to this member's controller, over whatever TLS."""
        return PinnedChannel(self.member(to).sync[0], context, controller_id(self.ledger.trust_domain(MemberName(to))))

    def context(self, to: str) -> ssl.SSLContext:
        """TLS as our own controller."""
        return client_context(self.leaf, self.member(to).trusted)

    @asynccontextmanager
    async def stream(self, to: str) -> AsyncIterator[Any]:
        """A raw stream of the link, as our own controller."""
        channel = self.channel(to, self.context(to))
        try:
            async with StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
                await stream.send_request()
                yield stream
                with suppress(*ENDED):
                    await stream.cancel()
        finally:
            channel.close()

    @asynccontextmanager
    async def session(self, to: str) -> AsyncIterator["Live"]:
        """A session on such a stream; it begins with an honest record, which must be taken."""
        async with self.stream(to) as stream:
            talk = Talk(self.own.name)
            running = asyncio.create_task(talk.line.run(aiter(stream), stream.send_message))
            line = Live(talk, running)
            try:
                tree = content(*self.honest())
                said = await line.say(record_topic(self.own.name), tree, self.head(tree))
                assert said == TAKEN, said
                yield line
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def say(self, to: str, topic: str, tree: Tree, head: bytes) -> Answer:
        """What the member answers to this, after an honest record."""
        async with self.session(to) as live:
            return await live.say(topic, tree, head)

    async def state_also(self, to: str, *resources: Resource) -> Answer:
        """What the member answers to our record with these beside what is honest."""
        tree = content(*self.honest(), *resources)
        topic = record_topic(self.own.name)
        async with self.session(to) as live:
            return await live.say(topic, tree, self.head(tree))

    def pairs(self, victim: str) -> dict[str, Pair]:
        """Every leaf by which our CA could pass for this member's controller; among them our own identity."""
        theirs = x509.load_pem_x509_certificate(self.member(victim).anchor.encode())
        return forged(self.anchor(), Anchor(self.anchor().key, theirs))

    async def link_serves(self, to: str, pair: Pair) -> bool:
        """Does the member's controller say anything to whoever shows this?"""
        leaf = Leaf(id="", key=pair.key, chain=pair.chain, not_before=0, not_after=2**40)
        channel = self.channel(to, client_context(leaf, self.member(to).trusted))
        try:
            async with asyncio.timeout(SECONDS), StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
                await stream.send_request()
                async for _ in stream:
                    await stream.cancel()
                    return True
        except ENDED:
            return False
        finally:
            channel.close()
        return False

    async def gateway_serves(self, to: str, server_name: str, pair: Pair) -> bool:
        """Does the member's gateway answer a request, over the WireGuard link, from whoever shows this?"""
        leaf = Leaf(id="", key=pair.key, chain=pair.chain, not_before=0, not_after=2**40)
        context = client_context(leaf, self.member(to).trusted)
        context.set_alpn_protocols(["http/1.1"])
        address = self.member(to).overlay.replace("::/64", "::1")
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_connection(address, 15443, ssl=context, server_hostname=server_name)
                writer.write(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
                said = await reader.readline()
                writer.transport.abort()
                return b" 200 " in said
        except (*ENDED, TimeoutError):
            return False


Attack = Callable[[Turncoat, dict[str, Any]], Awaitable[Answer]]


async def main(folder: Path) -> None:
    """Serve requests until the input ends."""
    from tests.worlds.turncoat_attacks import ATTACKS

    turncoat = Turncoat(folder)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        try:
            answer = await ATTACKS[asked["do"]](turncoat, asked)
        except (*ENDED, TimeoutError) as error:
            answer = {"ended": type(error).__name__, "message": getattr(error, "message", "") or str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
