"""Answers kept as bytes are those worked out anew: for every case of the name, client and transport of a question."""

import random

import dns.message
import pytest
from gslb.client import Client, client_of
from gslb.library import Responder
from gslb.packed import Packed
from gslb.steer import Steering
from gslb.wire import Reply, respond

from tests.unit.gslb.test_lookup import CHILD, MORE, ZONE
from tests.worlds.public_names import PAY, SHOP, handout, steering
from tests.worlds.public_names import ZONE as FEDERATED

FILES = Responder({"example": ZONE, "test": MORE, "zone.test": CHILD})._steering
CLIENTS = ("198.18.1.7", "198.18.1.200", "198.18.3.9", "203.0.113.200", "2001:db8:ff2::5")


def packed(under: Steering, asked: list[bytes]) -> Packed:
    def whole(data: bytes, client: Client, now: int) -> Reply | None:
        asked.append(data)
        return respond(under, data, client, False, now)

    return Packed(under, whole)


def rows(data: bytes) -> tuple[object, ...]:
    found = dns.message.from_wire(data)
    sections = [sorted(f"{one.name} {item}" for one in section for item in one) for section in found.sections]
    return found.id, int(found.flags), found.rcode(), sections, found.edns, [str(one.name) for one in found.question]


ASKED = {
    "files": (FILES, ("alias.test", "host1.example", "host3.example", "kid.test", "x.kid.test", "nobody.test", "test", "ent.test", "www.test")),
    "federation": (steering(handout()), (SHOP, PAY, FEDERATED, f"nobody.{FEDERATED}", "other.net")),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_what_is_kept_is_what_would_be_worked_out(case: str) -> None:
    under, names = ASKED[case]
    rng, asked = random.Random(7), list[bytes]()
    fast = packed(under, asked)
    for number in range(6_000):
        name = "".join(rng.choice((one.lower(), one.upper())) for one in rng.choice(names))
        query = dns.message.make_query(name, rng.choice(("A", "AAAA", "MX", "ANY", "DS", "TYPE999")), id=number)
        query.flags = rng.choice((0, 0x0100, 0x0110, 0x0010))
        if rng.random() < 0.7:
            query.use_edns(0, rng.choice((0, 0x8000)), rng.choice((512, 1232, 4096)))
        address, now = rng.choice(CLIENTS), rng.choice((0, 1_000))
        found, wanted = (
            fast.respond(query.to_wire(), address, now),
            respond(under, query.to_wire(), client_of(address), False, now),
        )
        assert found is not None and wanted is not None
        assert rows(found[0]) == rows(wanted.data)
        assert (found[1].code, found[1].zone) == (wanted.code, wanted.zone)
    assert len(asked) < 4_500


def test_what_is_no_plain_question_goes_the_whole_way() -> None:
    asked: list[bytes] = []
    fast = packed(FILES, asked)
    good = dns.message.make_query("www.test", "A").to_wire()
    assert fast.respond(good, "192.0.2.1", 0) == fast.respond(good, "192.0.2.1", 0)
    assert len(asked) == 1
    response, status = good[:2] + b"\x80" + good[3:], good[:2] + b"\x10" + good[3:]
    for data in (b"", good[:11], good[:-1], good + b"x", response, status, good[:4] + b"\0\2" + good[6:]):
        before = len(asked)
        found, wanted = fast.respond(data, "192.0.2.1", 0), respond(FILES, data, Client("192.0.2.1"), False, 0)
        assert (found and found[0]) == (wanted and wanted.data)
        assert len(asked) == before + 1


def test_a_flood_of_names_that_are_not_there_is_not_kept() -> None:
    fast = packed(FILES, [])
    for number in range(500):
        fast.respond(dns.message.make_query(f"r{number}.test", "A").to_wire(), "192.0.2.1", 0)
        fast.respond(dns.message.make_query(f"r{number}.example", "TXT").to_wire(), "192.0.2.1", 0)
    assert len(fast) == 0


def test_the_orders_of_an_answer_take_turns() -> None:
    text = MORE + "".join(f"many A 192.0.2.{n}\n" for n in range(4))
    fast = packed(Responder({"test": text})._steering, [])
    query = dns.message.make_query("many.test", "A").to_wire()
    orders = {bytes(found[0]) for _ in range(40) if (found := fast.respond(query, "192.0.2.1", 0))}
    assert 1 < len(orders) <= 8
