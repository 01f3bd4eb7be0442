"""Surges in the book, in virtual time: what is one, and what only looks like it."""

import random
from collections.abc import Iterable

import pytest

from federation.model.names import MemberName, ServiceKey
from gateways.load.book import Book
from gateways.load.counts import Count, Way

WEB = ServiceKey("shop", "web")
HOME, AWAY = (Way(WEB, "shop/client", MemberName(name)) for name in ("us-east", "eu-central"))
HOUR = 3_600


class Node:
    """A book, and time that a test moves on."""

    def __init__(self) -> None:
        self.now = 0
        self.book = Book()
        self.account = self.book.open()

    def second(self, *counted: tuple[Way, int, int]) -> int:
        """One report of ways with requests and errors; the surge that is told then (thousandths)."""
        self.now += 1_000
        counts = [Count(way, 1_000, requests, errors, 0) for way, requests, errors in counted]
        self.book.take(self.account, counts, self.now)
        return self.told

    def seconds(self, number: int, *counted: tuple[Way, int, int]) -> list[int]:
        return [self.second(*counted) for _ in range(number)]

    @property
    def told(self) -> int:
        report = self.book.reports.get("flow/shop/web")
        return report.surge if report else 0


def settled(*counted: tuple[Way, int, int]) -> Node:
    node = Node()
    node.seconds(60, *counted)
    assert node.told == 0
    return node


def poisson(chance: random.Random, rate: float) -> Iterable[int]:
    """How many arrive in each second: gaps are exponential."""
    due = chance.expovariate(rate)
    for second in range(1, HOUR + 1):
        count = 0
        while due < second:
            count += 1
            due += chance.expovariate(rate)
        yield count


def test_a_surge_is_told_with_the_next_report_and_ends_when_the_average_has_followed() -> None:
    node = settled((HOME, 500, 0))
    told = node.seconds(60, (HOME, 1_250, 0))
    assert told[:25] == [1_250_000] * 25
    assert told[-20:] == [0] * 20
    assert node.book.reports["flow/shop/web"].flows[0].mrps == pytest.approx(1_250_000, rel=0.05)


def test_a_surge_that_begins_in_the_middle_of_a_report_is_told_whole_with_the_one_after() -> None:
    node = settled((HOME, 500, 0))
    assert [node.second((HOME, count, 0)) for count in (875, 1_250)] == [875_000, 1_250_000]


@pytest.mark.parametrize("part", range(0, 100, 10))
def test_a_surge_that_one_report_cannot_tell_from_chance_is_told_with_the_third(part: int) -> None:
    """From 30 to 70 a second, wherever the first report cuts it: a second must count 65 to be judged alone."""
    node = settled((HOME, 30, 0))
    told = [node.second((HOME, count, 0)) for count in (30 + 40 * part // 100, 70, 70, 70)]
    assert told[2] >= 56_000 and told[3] >= 65_000


def test_a_burst_of_a_second_fades_over_ten() -> None:
    node = settled((HOME, 100, 0))
    told = [node.second((HOME, 300, 0)), *node.seconds(45, (HOME, 100, 0))]
    assert told[0] == 300_000
    assert told[10] == pytest.approx(173_000, rel=0.06)
    assert told[-1] == 0


@pytest.mark.parametrize("rps", [5, 50, 500, 5_000])
def test_an_hour_of_chance_raises_no_alarm(rps: int) -> None:
    node, chance = settled((HOME, rps, 0)), random.Random(rps)
    assert {node.second((HOME, count, 0)) for count in poisson(chance, rps)} == {0}


@pytest.mark.parametrize(("rps", "many"), [(5, 25), (50, 100), (500, 700), (5_000, 6_700)])
def test_what_chance_does_not_explain_is_told(rps: int, many: int) -> None:
    node = settled((HOME, rps, 0))
    assert node.second((HOME, many, 0)) == many * 1_000


def test_a_shift_of_shares_is_none() -> None:
    node = settled((HOME, 500, 0))
    assert set(node.seconds(60, (AWAY, 500, 0))) == {0}
    assert set(node.seconds(60, (HOME, 250, 0), (AWAY, 250, 0))) == {0}


def test_an_envoy_that_restarts_is_none() -> None:
    node = settled((HOME, 500, 0))
    node.book.close(node.account)
    node.account = node.book.open()
    assert set(node.seconds(60, (HOME, 500, 0))) == {0}


def test_two_envoys_are_judged_together() -> None:
    node = settled((HOME, 500, 0))
    before, after = node.account, node.book.open()
    for _ in range(30):
        node.now += 1_000
        node.book.take(before, [Count(HOME, 1_000, 250, 0, 0)], node.now)
        node.book.take(after, [Count(HOME, 1_000, 250, 0, 0)], node.now)
        assert node.told == 0
    node.now += 1_000
    node.book.take(before, [Count(HOME, 1_000, 250, 0, 0)], node.now)
    node.now += 1_000
    node.book.take(after, [Count(HOME, 1_000, 1_000, 0, 0)], node.now)
    assert node.told == 1_250_000


def test_retries_are_none() -> None:
    """Half of the requests fail and are sent again once: half as many again are counted."""
    node = settled((HOME, 400, 0))
    assert set(node.seconds(60, (HOME, 600, 200))) == {0}


def test_a_surge_beside_usual_errors_is_one() -> None:
    node = settled((HOME, 400, 100))
    assert node.second((HOME, 1_000, 250)) == pytest.approx(850_000, rel=0.02), "errors beyond the usual are left out"


def test_traffic_that_begins_and_an_agent_that_restarts_are_believed_at_once() -> None:
    assert Node().second((HOME, 500, 0)) == 500_000


def test_a_late_report_is_no_silence_and_no_surge() -> None:
    node = settled((HOME, 500, 0))
    node.now += 4_000
    node.book.look(node.now)
    assert node.told == 0
    node.now += 1_000
    node.book.take(node.account, [Count(HOME, 5_000, 2_500, 0, 0)], node.now)
    assert node.told == 0


def test_a_surge_of_one_service_says_nothing_of_another() -> None:
    other = Way(ServiceKey("shop", "pay"), "shop/client", HOME.to)
    node = settled((HOME, 500, 0), (other, 500, 0))
    assert node.second((HOME, 500, 0), (other, 1_250, 0)) == 0
    assert node.book.reports["flow/shop/pay"].surge == 1_250_000


def test_when_nobody_reports_any_more_a_surge_fades_too() -> None:
    node = settled((HOME, 100, 0))
    node.second((HOME, 1_000, 0))
    node.book.close(node.account)
    for _ in range(150):
        node.now += 1_000
        node.book.look(node.now)
    assert node.book.reports == {}
