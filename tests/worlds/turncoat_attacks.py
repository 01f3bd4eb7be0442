"""What the holder of eu-central's keys tries, by name: each takes the request and gives what the other end answered."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from itertools import count
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from federation.link.dial import MESSAGE_MAX
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy, Probe
from federation.model.public import GlobalName
from federation.model.record import (
    Demand,
    Distance,
    Endpoint,
    Export,
    Gateway,
    Numbers,
    Port,
    PublicName,
    Resource,
    Rotation,
    Signed,
    Slice,
)
from federation.registrar.ledger import SignedLedger, append, decode_ledger
from federation.registrar.signing import LEDGER, SigningKey
from federation.session.messages import Ack, Digest, Hello, Update, encode
from federation.session.session import KEY_BYTES, TOPICS_MAX
from federation.session.tree import Tree, tree_of
from federation.sync.ledger import ledger_tree
from federation.trust.slots import proof_text
from federation.wire.record import RECORD, record_topic
from tests.worlds.attacks import leaf, plain, uri
from tests.worlds.rogue import content
from tests.worlds.turncoat import BAIT, ENDED, PORTS, Answer, Attack, Turncoat

Asked = dict[str, Any]
HUGE = 2**62
PAUSE = 0.01
BURST, BREATH = 10, 0.04
"""At most so many pairs of words, then so many seconds of rest: the lab's WAN is one Python program, which all packets share,
and its own limit is not what a flood shall show.
"""


async def pass_for(me: Turncoat, asked: Asked) -> Answer:
    """Which of our leaves does the controller of `to` serve, and which its gateway?"""
    pairs = me.pairs(asked["as"])
    link = await asyncio.gather(*(me.link_serves(asked["to"], pair) for pair in pairs.values()))
    gateway = await asyncio.gather(*(me.gateway_serves(asked["to"], asked["service"], pair) for pair in pairs.values()))
    served = {"link": link, "gateway": gateway}
    return {"tried": len(pairs)} | {
        where: [name for name, good in zip(pairs, found, strict=True) if good] for where, found in served.items()
    }


async def call(me: Turncoat, asked: Asked) -> Answer:
    """Which identities that our CA can sign does the gateway of `to` serve the service to? Every one of ours that might be
    worth something, and those of the member `as`.
    """
    paths = ("ns/shop/sa/client", "ns/isthmus/sa/gateway", "ns/isthmus/sa/controller", "ns/shop/sa/web")
    domains = (me.own.trust_domain, f"{asked['as']}.{me.own.domain}")
    pairs = {name: leaf(me.anchor(), uri(name)) for name in (f"spiffe://{d}/{path}" for d in domains for path in paths)}
    found = [await me.gateway_serves(asked["to"], asked["service"], pair) for pair in pairs.values()]
    return {"tried": len(pairs), "served": [name for name, good in zip(pairs, found, strict=True) if good]}


async def loose_anchor(me: Turncoat, asked: Asked) -> Answer:
    """Ask, with every proof, for a next anchor that is not constrained to our trust domain."""
    key = me.anchor().key
    loose = plain(me.own.trust_domain)
    text = proof_text(me.own.trust_domain, me.me.anchor, loose.pem)
    by_anchor, by_next = (one.sign(text, ec.ECDSA(hashes.SHA256())) for one in (key, loose.key))
    wish = Rotation(anchor=me.me.anchor, next_anchor=loose.pem, by_anchor=by_anchor, by_next=by_next)
    return await me.state_also(asked["to"], wish)


def kept_gateway(me: Turncoat, name: str) -> Gateway:
    """The gateway in another member's record."""
    items = me.held(name).tree.items()
    found = [RECORD.decode(key, data) for key, data in items if key.startswith("gateway/")]
    assert isinstance(found[0], Gateway)
    return found[0]


async def gateway(me: Turncoat, asked: Asked) -> Answer:
    """Our gateway with something of the member `of`, its overlay address or its WireGuard key with the proof; or at this
    endpoint.
    """
    theirs = kept_gateway(me, asked["of"])
    fields: dict[str, dict[str, Any]] = {
        "overlay": {"overlay": theirs.overlay},
        "key": {"key": theirs.key, "proof": theirs.proof},
        "endpoint": {"endpoint": asked.get("endpoint", "")},
    }
    return await me.state_also(asked["to"], me.gateway(**fields[asked["what"]]))


async def endpoint(me: Turncoat, asked: Asked) -> Answer:
    """An endpoint of our service at this address."""
    bait = Slice(service=BAIT, az="a", ports=PORTS, endpoints=(Endpoint(asked["address"]),))
    return await me.state_also(asked["to"], bait)


async def export(me: Turncoat, asked: Asked) -> Answer:
    """Export this service, with this port, in this epoch and all that follows in it, and number its exports."""
    me.epoch = asked.get("epoch", me.epoch)
    service = ServiceKey(*asked["service"].split("/"))
    offered = Export(service=service, ports=(Port("http", asked.get("port", 80)),))
    pods = Slice(service=service, az="a", ports=PORTS, endpoints=(Endpoint(asked.get("address", "10.3.1.10")),))
    return await me.state_also(asked["to"], offered, pods, Numbers(service, asked.get("numbers", {})))


async def name(me: Turncoat, asked: Asked) -> Answer:
    """Define this public name."""
    return await me.state_also(asked["to"], PublicName(GlobalName(host=asked["host"], service=BAIT)))


async def foreign_topic(me: Turncoat, asked: Asked) -> Answer:
    """Our content, signed by our key as if we were the member `of`, on its own topic."""
    tree = content(*me.honest())
    return await me.say(asked["to"], record_topic(asked["of"]), tree, me.head(tree, 2**40, asked["of"], HUGE))


async def ledger(me: Turncoat, asked: Asked) -> Answer:
    """The ledger with an entry of our own at its end, or `short` of all but its first."""
    signed = decode_ledger(me.state.ledger_bytes())
    if asked.get("short"):
        return await me.say(asked["to"], "ledger", ledger_tree(SignedLedger(signed.key, signed.entries[:1])), b"")
    key = SigningKey(me.state.record_key.read_text(), LEDGER)
    more = msgspec.structs.replace(me.me, reachable=("10.0.0.0/8",))
    return await me.say(asked["to"], "ledger", ledger_tree(append(signed, more, me.own.domain, 1, key)), b"")


def bent(data: bytes) -> bytes:
    """With one bit of the last byte the other way round."""
    return data[:-1] + bytes([data[-1] ^ 1])


async def relay(me: Turncoat, asked: Asked) -> Answer:
    """Bring `to` the record of `of` as it was just given to us, with one thing changed; `old` as our folder has it."""
    tree, head = await me.given(asked["of"])
    old, topic = me.held(asked["of"]), record_topic(asked["of"])
    signed = msgspec.msgpack.decode(head, type=Signed)
    other = tree.put("export/shop/bait", b"\x80")
    made: dict[str, tuple[Tree, bytes]] = {
        "nothing": (tree, head),
        "old": (old.tree, old.head),
        "the old content": (old.tree, head),
        "the head's body": (tree, msgspec.msgpack.encode(Signed(bent(signed.body), signed.signature))),
        "the head's signature": (tree, msgspec.msgpack.encode(Signed(signed.body, bent(signed.signature)))),
        "the content": (other, head),
        "a part left out": (tree.drop("about"), head),
        "the head for one of ours": (tree, me.head(tree, 2**40, asked["of"], HUGE)),
    }
    if asked["what"] == "the content under the old root":
        update = Update(topic=topic, base=None, root=tree.root, head=head, changed=dict(other.items()))
        return await raw(me, asked["to"], encode(update))
    return await me.say(asked["to"], topic, *made[asked["what"]])


async def raw(me: Turncoat, to: str, *messages: bytes) -> Answer:
    """What the member says to these messages after our Hello: how it ends the stream."""
    async with asyncio.timeout(20), me.stream(to) as stream:
        for message in (encode(Hello(me.own.name, 1, 1, {})), *messages):
            await stream.send_message(message)
        async for _ in stream:
            pass
        await stream.recv_trailing_metadata()
    return {"ended": "", "message": "without a word"}


async def older(me: Turncoat, asked: Asked) -> Answer:
    """A head of ours that is older than the one that the session began with."""
    tree = content(*me.honest(), Distance(MemberName(asked["to"]), 1))
    return await me.say(asked["to"], record_topic(me.own.name), tree, me.head(tree, 1, epoch=1))


def services(many: int, ports: int = 0) -> list[Resource]:
    made = tuple(Port(f"p{number}", 1_000 + number) for number in range(ports))
    return [Export(service=ServiceKey("shop", f"s{number}"), ports=made) for number in range(many)]


def pods(count: int) -> list[Resource]:
    made = tuple(Endpoint(str(ip_address("10.3.1.11") + number)) for number in range(count))
    return [Slice(service=BAIT, az="b", ports=PORTS, endpoints=made)]


def names(count: int, probe: Probe | None = None) -> list[Resource]:
    policy = Policy(probe=probe)
    hosts = (f"n{number}.own.test" for number in range(count))
    return [PublicName(GlobalName(host=host, service=BAIT, policy=policy)) for host in hosts]


def filled(me: Turncoat, size: int) -> Tree:
    """An honest record, padded to this size as its quota counts it."""
    tree = content(*me.honest()).put("halo/fill", b"")
    return tree.put("halo/fill", bytes(size - sum(KEY_BYTES + len(k) + len(v) for k, v in tree.items())))


def beside(me: Turncoat, what: str, count: int) -> tuple[Resource, ...]:
    """What makes a record of so many of these in all; what is honest holds one service, port, endpoint and gateway."""
    gateways = [me.gateway(id=2 + number) for number in range(count - 1)]
    probe = Probe(interval_ms=1_000)
    made: dict[str, Callable[[], list[Resource]]] = {
        "services": lambda: services(count - 1),
        "ports": lambda: services(1, count - 1),
        "endpoints": lambda: pods(count - 1),
        "gateways": lambda: list(gateways),
        "names": lambda: names(count),
        "probes_per_second": lambda: names(count, probe),
        "rates": lambda: [Demand(ServiceKey("own", f"s{number}"), 1, {}) for number in range(count)],
        "evidence": lambda: [Distance(MemberName(f"m{number}"), 1) for number in range(count)],
    }
    return tuple(made[what]())


async def quota(me: Turncoat, asked: Asked) -> Answer:
    """A record of exactly as many of `what` as our quota allows, then of one more: both answers."""
    limit = int(getattr(me.me.quota, asked["what"]))
    answers = []
    async with me.session(asked["to"]) as live:
        for count in (limit, limit + 1):
            if asked["what"] == "bytes":
                tree = filled(me, count)
            else:
                tree = content(*me.honest(), *beside(me, asked["what"], count))
            answers.append(await live.say(record_topic(me.own.name), tree, me.head(tree)))
    return {"limit": limit, "at": answers[0], "beyond": answers[1]}


async def topics(me: Turncoat, asked: Asked) -> Answer:
    """One topic more than a session may have."""
    tree = tree_of({"a": b"1"})
    many = [
        Update(topic=f"t{n}", base=None, root=tree.root, head=b"", changed={"a": b"1"}) for n in range(TOPICS_MAX + 1)
    ]
    return await raw(me, asked["to"], *map(encode, many))


async def message(me: Turncoat, asked: Asked) -> Answer:
    """A message of one byte more than may be."""
    return await raw(me, asked["to"], bytes(MESSAGE_MAX + 1))


async def rubbish(me: Turncoat, asked: Asked) -> Answer:
    """Bytes that are no message."""
    return await raw(me, asked["to"], b"\xc1" * 40)


async def ports(me: Turncoat, asked: Asked) -> Answer:
    """To which of these ports (address, port) a connection can be made from here."""

    async def reaches(host: str, port: int) -> bool:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 2)
        except (OSError, TimeoutError):
            return False
        writer.transport.abort()
        return True

    wanted = [(str(host), int(port)) for host, port in asked["ports"]]
    found = await asyncio.gather(*(reaches(*one) for one in wanted))
    return {"open": [list(one) for one, yes in zip(wanted, found, strict=True) if yes]}


async def half_open(me: Turncoat, to: str, many: int) -> None:
    """So many connections to the link, one after the other, that begin a handshake and never end it."""
    host, _, port = me.member(to).sync[0].rpartition(":")
    hello = ssl.MemoryBIO()
    begun = me.context(to).wrap_bio(ssl.MemoryBIO(), hello)
    with suppress(ssl.SSLWantReadError):
        begun.do_handshake()
    first, writers = hello.read()[:100], []
    try:
        for _ in range(many):
            with suppress(OSError):
                writers.append((await asyncio.open_connection(host, int(port)))[1])
                writers[-1].write(first)
        await asyncio.Event().wait()
    finally:
        for writer in writers:
            writer.transport.abort()


async def flood(me: Turncoat, asked: Asked) -> Answer:
    """For so many seconds: half-open handshakes, new sessions, changes as fast as they go, and words that call for answers
    which nobody reads.
    """
    counted = {"sessions": 0, "changes": 0, "words": 0}
    with suppress(TimeoutError):
        async with asyncio.timeout(asked["seconds"]):
            part = asked["half_open"] // 10
            opening = (half_open(me, asked["to"], part) for _ in range(10))
            await asyncio.gather(changes(me, asked["to"], counted), words(me, asked["to"], counted), *opening)
    return counted


async def rest(me: Turncoat, asked: Asked) -> Answer:
    """The work of a flood of changes, for as long as one lasts, and nothing is sent: on a machine that the attacker shares
    with the others this is what a flood is to be compared with.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(asked["seconds"]):
            for number in count():
                changed(me, number)
                await asyncio.sleep(PAUSE)
    return {}


def changed(me: Turncoat, number: int) -> tuple[Tree, bytes]:
    """A record unlike the one before it, and its head."""
    tree = content(*me.honest(), *services(number % 7))
    return tree, me.head(tree)


async def changes(me: Turncoat, to: str, counted: dict[str, int]) -> None:
    while True:
        with suppress(*ENDED):
            async with me.session(to) as live:
                counted["sessions"] += 1
                for number in range(200):
                    live.talk.line.publish(record_topic(me.own.name), *changed(me, number))
                    counted["changes"] += 1
                    await asyncio.sleep(PAUSE)


async def words(me: Turncoat, to: str, counted: dict[str, int]) -> None:
    greeting = encode(Hello(me.own.name, 1, 1, {}))
    again = encode(Ack("ledger", None))
    claims = encode(Digest({record_topic(me.own.name): b"x" * 32}))
    while True:
        with suppress(*ENDED):
            async with me.stream(to) as stream:
                counted["sessions"] += 1
                await stream.send_message(greeting)
                for number in range(2_000):
                    await stream.send_message(again)
                    await stream.send_message(claims)
                    counted["words"] += 2
                    await asyncio.sleep(0 if number % BURST else BREATH)


ATTACKS: dict[str, Attack] = {
    one.__name__: one
    for one in (
        pass_for, call, loose_anchor, gateway, endpoint, export, name, foreign_topic, ledger, relay, older, quota, topics,
        message, rubbish, ports, flood, rest,
    )
}  # fmt: skip
