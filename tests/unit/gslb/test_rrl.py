"""Response rate limiting, in virtual time; and through the front."""

import dns.flags
import dns.message
import pytest
from gslb.answered import NOERROR, NXDOMAIN, REFUSED
from gslb.front import Front
from gslb.options import Itself
from gslb.rrl import NO_LIMITS, Limiter, Limits, truncated
from gslb.wire import Reply

from tests.worlds.public_names import SHOP, handout, steering

NOW = 1_700_000_000_000
GOOD = Reply(b"", NOERROR, "example.test")
ASKED, OTHER = b"\4shop\0\0\1\0\1", b"\3pay\0\0\1\0\1"


def test_a_network_gets_so_many_a_second_and_no_more() -> None:
    limiter = Limiter(Limits(rate=5, slip=0))
    first = [limiter.judge(f"192.0.2.{last}", ASKED, GOOD, NOW) for last in range(8)]
    assert first == ["answer"] * 5 + ["drop"] * 3
    assert [limiter.judge("192.0.2.1", ASKED, GOOD, NOW + 400) for _ in range(3)] == ["answer"] * 2 + ["drop"]
    later = [limiter.judge("192.0.2.1", ASKED, GOOD, NOW + 60_000) for _ in range(7)]
    assert later == ["answer"] * 5 + ["drop"] * 2


def test_other_networks_and_other_answers_have_their_own() -> None:
    limiter = Limiter(Limits(rate=1, slip=0))
    asked = [("192.0.2.1", ASKED), ("192.0.3.1", ASKED), ("192.0.2.1", OTHER), ("2001:db8::1", ASKED)]
    assert [limiter.judge(address, question, GOOD, NOW) for address, question in asked] == ["answer"] * 4
    assert limiter.judge("2001:db8:0:ff::1", ASKED, GOOD, NOW) == "drop"


def test_random_names_that_are_not_there_are_one_answer() -> None:
    limiter = Limiter(Limits(rate=3, slip=0))
    missing = Reply(b"", NXDOMAIN, "example.test")
    found = [limiter.judge("192.0.2.1", f"\x02{n}\0".encode(), missing, NOW) for n in range(10, 20)]
    assert found.count("answer") == 3
    assert limiter.judge("192.0.2.1", ASKED, Reply(b"", NXDOMAIN, "example.org"), NOW) == "answer"
    assert limiter.judge("192.0.2.1", ASKED, Reply(b"", REFUSED), NOW) == "answer"


@pytest.mark.parametrize(("slip", "found"), [(0, "dddddd"), (1, "ssssss"), (2, "dsdsds"), (3, "ddsdds")])
def test_one_in_so_many_slips_through_truncated(slip: int, found: str) -> None:
    limiter = Limiter(Limits(rate=1, slip=slip))
    assert limiter.judge("192.0.2.1", ASKED, GOOD, NOW) == "answer"
    assert "".join(limiter.judge("192.0.2.1", ASKED, GOOD, NOW)[0] for _ in range(6)) == found


def test_who_has_a_cookie_of_ours_is_not_limited() -> None:
    limiter = Limiter(Limits(rate=1, slip=0))
    known = Reply(b"", NOERROR, "example.test", known=True)
    assert [limiter.judge("192.0.2.1", ASKED, known, NOW) for _ in range(5)] == ["answer"] * 5


def test_a_clock_that_is_set_back_gives_nothing_and_takes_nothing() -> None:
    limiter = Limiter(Limits(rate=1, slip=0))
    assert limiter.judge("192.0.2.1", ASKED, GOOD, NOW) == "answer"
    assert limiter.judge("192.0.2.1", ASKED, GOOD, NOW - 60_000) == "drop"
    assert limiter.judge("192.0.2.1", ASKED, GOOD, NOW - 59_000) == "answer"


def flood(limits: Limits, tcp: bool = False, count: int = 40) -> list[bytes | None]:
    front = Front(limits)
    front.put(steering(handout()), Itself())
    query = dns.message.make_query(SHOP, "A").to_wire()
    return [front.answer(query, "192.0.2.1", tcp) for _ in range(count)]


def test_a_flood_through_the_front_is_cut_and_half_of_it_told_to_come_by_tcp() -> None:
    found = flood(Limits(rate=1, slip=2))
    answers = [dns.message.from_wire(one) for one in found if one]
    slipped = [one for one in answers if one.flags & dns.flags.TC]
    assert 15 <= len(slipped) <= 20
    assert found.count(None) >= 15
    assert {(one.question[0].name.to_text(), len(one.answer), one.rcode()) for one in slipped} == {(f"{SHOP}.", 0, 0)}


@pytest.mark.parametrize(
    ("limits", "tcp"), [(NO_LIMITS, False), (Limits(rate=1, dry=True), False), (Limits(rate=1), True)]
)
def test_nothing_is_cut_without_a_limit_in_a_dry_run_or_over_tcp(limits: Limits, tcp: bool) -> None:
    found = flood(limits, tcp)
    assert all(found)
    assert not any(dns.message.from_wire(one or b"").flags & dns.flags.TC for one in found)


def test_what_slips_is_the_question_alone() -> None:
    query = dns.message.make_query(SHOP, "A", use_edns=0)
    data = query.to_wire()
    found = dns.message.from_wire(truncated(data, data.find(b"\0", 12) + 5))
    assert (found.id, found.question, found.opt) == (query.id, query.question, None)
    assert dns.flags.to_text(found.flags) == "QR TC RD"
