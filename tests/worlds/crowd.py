"""One real member with many simulated ones around it: each has keys of its own, is in the ledger, and speaks the session
over mutual TLS as its controller would.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from grpclib.client import StreamStreamMethod

from federation.link.dial import EXCHANGE, PinnedChannel
from federation.link.leaf import leaf_of, new_key, signing_request
from federation.link.line import Line
from federation.link.tls import client_context
from federation.model.names import MemberName, ServiceKey
from federation.model.record import About, Endpoint, Export, Port, Resource, Slice
from federation.model.spiffe import controller_id, trust_domain
from federation.registrar.admit import admit, read_request
from federation.registrar.ledger import append, decode_ledger, encode_ledger, read_ledger
from federation.registrar.signing import LEDGER, SigningKey
from federation.session.session import Acked, Event, Offered, Session
from federation.session.tree import Tree
from federation.trust.issue import sign_leaf
from federation.wire.record import record_topic
from tests.worlds.acme import DOMAIN, Keys
from tests.worlds.public_cli import Site

SECONDS = 120.0
PORTS = (Port("http", 8080),)


def admitted(site: Site, count: int) -> list[Keys]:
    """So many members more in the ledger of the site's first member, each with a /16 of 10.128.0.0/9."""
    folder = site.folder(site.members[0])
    key = SigningKey(folder.registrar_key(), LEDGER)
    ranges = ip_network("10.128.0.0/9").subnets(new_prefix=16)
    signed, made = decode_ledger(folder.ledger_bytes()), []
    for number, reachable in zip(range(count), ranges, strict=False):
        keys = Keys(f"m{number}", str(reachable), now=datetime.now(UTC))
        ledger = read_ledger(signed, folder.own().federation)
        member = admit(ledger, read_request(keys.request()), datetime.now(UTC))
        signed = append(signed, member, DOMAIN, ledger.term, key)
        made.append(keys)
    folder.ledger.write_bytes(encode_ledger(signed))
    return made


def record(keys: Keys, services: int, endpoints: int, changed: int = -1, prefix: str = "s") -> tuple[Resource, ...]:
    """A member's record: so many services with so many endpoints each; of the one that `changed` one is unready."""
    addresses = ip_network(keys.applicant.reachable[0]).hosts()
    made: list[Resource] = [About(MemberName(keys.name), keys.name, "0.1.0")]
    for number in range(services):
        key = ServiceKey("shop", f"{prefix}{number}")
        made.append(Export(service=key, ports=(Port("http", 80),)))
        pods = [Endpoint(str(next(addresses))) for _ in range(endpoints)]
        if number == changed:
            pods[0] = Endpoint(pods[0].address, "unready")
        made.append(Slice(service=key, az="a", ports=PORTS, endpoints=tuple(pods)))
    return tuple(made)


class Crowded:
    """One simulated member on a live session. `sent` and `heard` count the bytes of session messages."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.sent = self.heard = 0
        self.generation = 0
        self.offered: asyncio.Queue[Offered] = asyncio.Queue()
        self._acked: asyncio.Queue[Acked] = asyncio.Queue()
        self.line = Line(Session(keys.name, asyncio.get_running_loop().time()), self._handle)

    async def say(self, tree: Tree) -> Acked:
        """Offer this as our record; the answer."""
        self.generation += 1
        topic = record_topic(self.keys.name)
        self.line.publish(topic, tree, self.keys.head(tree, self.generation))
        async with asyncio.timeout(SECONDS):
            while (answer := await self._acked.get()).topic != topic:
                pass
        return answer

    def counted(self, send: Callable[[bytes], Awaitable[None]]) -> Callable[[bytes], Awaitable[None]]:
        async def counting(data: bytes) -> None:
            self.sent += len(data)
            await send(data)

        return counting

    async def counting(self, incoming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for data in incoming:
            self.heard += len(data)
            yield data

    def _handle(self, line: Line, event: Event) -> None:
        if isinstance(event, Acked):
            self._acked.put_nowait(event)
        elif isinstance(event, Offered):
            line.session.accept(event.topic)
            self.offered.put_nowait(event)


@asynccontextmanager
async def speaking(site: Site, keys: Keys, address: str = "") -> AsyncIterator[Crowded]:
    """A session of this member with the site's first one, by way of `address` where that is given."""
    folder = site.folder(site.members[0])
    domain, now, key = trust_domain(keys.name, DOMAIN), datetime.now(UTC), new_key()
    identity = controller_id(domain)
    chain = sign_leaf(keys.anchor_key, keys.anchor, signing_request(key, identity), domain, now)
    context = client_context(leaf_of(identity, key, chain), folder.anchor.read_text())
    channel = PinnedChannel(address or site.listen, context, controller_id(folder.own().trust_domain))
    running: asyncio.Task[Any] | None = None
    try:
        async with StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
            await stream.send_request()
            one = Crowded(keys)
            running = asyncio.create_task(one.line.run(one.counting(aiter(stream)), one.counted(stream.send_message)))
            try:
                yield one
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await stream.cancel()
    finally:
        channel.close()
