"""What eu-central can do to us-east with all of its own keys: real processes, started by their public commands.

Each attack is made on a live session that just took an honest record, and leaves a code, one log line, one count and
a line in `isthmus status`; what was good stays in force. Who has no right identity gets no session at all.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from grpclib.client import StreamStreamMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from federation.link.dial import EXCHANGE
from federation.link.leaf import leaf_of, new_key, signing_request
from federation.link.tls import client_context
from federation.model.names import MemberName, ServiceKey
from federation.model.record import About, Endpoint, Export, Port, Resource, Slice
from federation.model.spiffe import agent_id, controller_id
from federation.registrar.signing import RECORD, SigningKey, new_signing_key
from federation.session.session import Acked
from federation.trust.anchor import make_anchor
from federation.trust.issue import sign_leaf
from federation.wire.record import record_topic
from tests.netns.spaces import await_true
from tests.worlds.public_cli import Site, running
from tests.worlds.rogue import Rogue, Talk, content, leaf_by

WEB = ServiceKey("shop", "web")
OWN, VICTIMS = record_topic("eu-central"), record_topic("us-east")
SECONDS = 20.0
RESET = (StreamTerminatedError, ssl.SSLError, ConnectionError)


def record(*addresses: str, version: int = 0) -> tuple[Resource, ...]:
    return (
        About(MemberName("eu-central"), "eu-central", f"0.1.{version}"),
        Export(service=WEB, ports=(Port("http", 80),)),
        Slice(service=WEB, az="a", ports=(Port("http", 8080),), endpoints=tuple(map(Endpoint, addresses))),
    )


WORSE = content(*record("10.2.1.66"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("federation")) as made:
        yield made


@pytest.fixture(scope="module")
def rogue(site: Site) -> Rogue:
    return Rogue(site.folder("eu-central"), site.folder("us-east"), site.listen)


async def forged(rogue: Rogue, talk: Talk) -> Acked:
    """A later record of eu-central, signed by a key that is not its record key."""
    stranger = SigningKey(new_signing_key(), RECORD)
    return await talk.say(OWN, WORSE, rogue.head(WORSE, rogue.generation + 1, stranger))


async def outside(rogue: Rogue, talk: Talk) -> Acked:
    """An endpoint that belongs to nobody, beside a good one, in a record that is signed well."""
    tree = content(*record("10.2.1.11", "10.9.1.4"))
    return await talk.say(OWN, tree, rogue.next_head(tree))


async def stale(rogue: Rogue, talk: Talk) -> Acked:
    """An older generation with other content."""
    return await talk.say(OWN, WORSE, rogue.head(WORSE, rogue.generation - 1))


async def equivocal(rogue: Rogue, talk: Talk) -> Acked:
    """The generation that is held, signed again over other content."""
    return await talk.say(OWN, WORSE, rogue.head(WORSE, rogue.generation))


async def foreign(rogue: Rogue, talk: Talk) -> Acked:
    """A record on us-east's own topic."""
    return await talk.say(VICTIMS, WORSE, rogue.head(WORSE, rogue.generation + 1))


@dataclass(frozen=True)
class Attack:
    """`said` is the code in the answer: a head or a topic is refused there and then, a resource alone is not."""

    make: Callable[[Rogue, Talk], Awaitable[Acked]]
    code: str
    said: str
    reason: str


ATTACKS = {
    "forged": Attack(
        forged,
        "E105",
        "E105",
        'record of member "eu-central": the signature is not its owner\'s; last good kept',
    ),
    "outside its CIDRs": Attack(
        outside,
        "E103",
        "",
        "endpoint 10.9.1.4 of shop/web is not in member eu-central's ranges [10.2.0.0/16, {overlay}]; "
        "slice rejected, last good kept",
    ),
    "stale": Attack(
        stale,
        "E109",
        "E109",
        'record of member "eu-central": generation 1.{before} is older than 1.{held}, which is held; last good kept',
    ),
    "one generation, two contents": Attack(
        equivocal,
        "E109",
        "E109",
        'record of member "eu-central": generation 1.{held} is held with other content; last good kept',
    ),
    "foreign topic": Attack(
        foreign,
        "E105",
        "E105",
        'topic "record/us-east" does not belong to member "eu-central"',
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_told_and_changes_nothing(site: Site, rogue: Rogue, name: str) -> None:
    attack = ATTACKS[name]

    async def scene() -> None:
        async with rogue.session() as talk:
            await honest_record_is_taken(site, rogue, talk)
            held = rogue.generation
            seen, counted = len(site.log("us-east-controller")), count(site, attack.code)
            answer = await attack.make(rogue, talk)
            assert answer.code == attack.said
            reason = attack.reason.format(overlay=overlay(site), before=held - 1, held=held)
            assert told(site) == [f"{attack.code} {reason}"]
            assert candidates(site) == {"eu-central": (2, 2)}
            await honest_record_is_taken(site, rogue, talk)
            assert refusals(site, seen) == [(attack.code, reason)]
            assert count(site, attack.code) == counted + 1

    asyncio.run(scene())


def test_the_same_attack_again_is_told_again(site: Site, rogue: Rogue) -> None:
    async def scene() -> None:
        async with rogue.session() as talk:
            await honest_record_is_taken(site, rogue, talk)
            await outside(rogue, talk)
            seen, counted = len(site.log("us-east-controller")), count(site, "E103")
            tree = content(*record("10.9.1.5"))
            await talk.say(OWN, tree, rogue.next_head(tree))
            assert [code for code, _ in refusals(site, seen)] == ["E103"]
            assert count(site, "E103") == counted + 1
            assert candidates(site) == {"eu-central": (2, 2)}

    asyncio.run(scene())


async def honest_record_is_taken(site: Site, rogue: Rogue, talk: Talk) -> None:
    """The positive control: the same keys, the same session, an honest statement."""
    tree = content(*record("10.2.1.11", "10.2.1.12", version=rogue.generation))
    answer = await talk.say(OWN, tree, rogue.next_head(tree))
    assert (answer.root, answer.code) == (tree.root, "")
    assert told(site) == []
    await asyncio.to_thread(await_true, "the import", lambda: candidates(site) == {"eu-central": (2, 2)})


def refusals(site: Site, after: int) -> list[tuple[str, str]]:
    """(code, reason) of every line with a code that the controller logged after its first `after` lines."""
    lines = site.log("us-east-controller")[after:]
    assert all(line["member"] == "eu-central" for line in lines if "code" in line)
    return [(line["code"], line["reason"]) for line in lines if "code" in line]


def count(site: Site, code: str) -> float:
    return site.metrics("us-east").get(f'isthmus_sync_refusals_total{{code="{code}",member="eu-central"}}', 0.0)


def told(site: Site) -> list[str]:
    [row] = [row for row in site.status("us-east")["members"] if row["member"] == "eu-central"]
    return list(row["refusals"])


def candidates(site: Site) -> dict[str, tuple[int, int]]:
    """Ready and total endpoints by member, by `isthmus explain`; nothing before there is an import."""
    if not any(row["service"] == "shop/web" for row in site.status("us-east")["services"]):
        return {}
    return {row["member"]: (row["ready"], row["total"]) for row in site.explain("us-east", "shop/web")["inputs"]}


def overlay(site: Site) -> str:
    [member] = [m for m in site.ledger() if m["member"] == "eu-central"]
    return str(member["overlay"])


async def attempt(rogue: Rogue, context: ssl.SSLContext) -> list[bytes]:
    """Everything that the victim says to a caller with this context, who holds on until it is told to go."""
    channel, heard = rogue.channel(context), []
    try:
        async with asyncio.timeout(SECONDS), StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
            await stream.send_request()
            async for message in stream:
                heard.append(message)
                break
            await stream.cancel()
    finally:
        channel.close()
    return heard


def test_the_owner_of_the_right_identity_gets_a_session(rogue: Rogue) -> None:
    assert len(asyncio.run(attempt(rogue, rogue.context()))) == 1


def test_a_client_without_a_certificate_gets_no_session(site: Site, rogue: Rogue) -> None:
    context = ssl.create_default_context(cadata=site.folder("us-east").anchor.read_text())
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    with pytest.raises(RESET):
        asyncio.run(attempt(rogue, context))


def test_a_certificate_of_a_strangers_ca_gets_no_session(site: Site, rogue: Rogue) -> None:
    domain, now = rogue.own.trust_domain, datetime.now(UTC)
    identity = controller_id(domain)
    anchor_key, anchor = make_anchor(domain, now)
    key = new_key()
    leaf = leaf_of(identity, key, sign_leaf(anchor_key, anchor, signing_request(key, identity), domain, now))
    with pytest.raises(RESET):
        asyncio.run(attempt(rogue, client_context(leaf, site.folder("us-east").anchor.read_text())))


def test_an_agent_that_is_not_enrolled_gets_no_session(site: Site, rogue: Rogue) -> None:
    us_east = site.folder("us-east")
    identity = agent_id(us_east.own().trust_domain, "ghost")
    context = client_context(leaf_by(us_east, identity), us_east.anchor.read_text())
    with pytest.raises(GRPCError) as caught:
        asyncio.run(attempt(rogue, context))
    assert caught.value.status is Status.PERMISSION_DENIED
    assert caught.value.message == (
        f"E105 {identity} is neither an active member's controller nor an agent enrolled here"
    )
