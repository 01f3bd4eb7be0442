"""Accounts and the book in virtual time: gaps, restarts, noise, and what the controller is told."""

import random

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.config.endpoint.v3 import load_report_pb2
from envoy.service.load_stats.v3 import lrs_pb2

from federation.model.flows import Flow, FlowReport
from federation.model.names import MemberName, ServiceKey
from gateways.load.account import Account
from gateways.load.book import Book
from gateways.load.counts import Count, Way, asked, counts_of

WEB = ServiceKey("shop", "web")
US, EU = MemberName("us-east"), MemberName("eu-central")
HOME = Way(WEB, "shop/client", US)
AWAY = Way(WEB, "shop/client", EU)


def count(way: Way, requests: int, errors: int = 0, ms: int = 1_000, active: int = 0) -> Count:
    return Count(way, ms, requests, errors, active)


class Node:
    """A book, and time that a test moves on."""

    def __init__(self) -> None:
        self.now = 0
        self.book = Book()
        self.account = self.book.open()
        self.changes = 0

    def seconds(self, number: int, *counts: Count) -> None:
        """So many reports, a second apart."""
        for _ in range(number):
            self.now += 1_000
            self.changes += self.book.take(self.account, counts, self.now)

    def silence(self, number: int) -> None:
        """So many seconds in which no Envoy reports."""
        for _ in range(number):
            self.now += 1_000
            self.changes += self.book.look(self.now)

    def flows(self) -> dict[str, Flow]:
        said = self.book.reports.get("flow/shop/web")
        return {flow.to: flow for flow in said.flows} if said else {}

    def mrps(self, to: str = US) -> int:
        return self.flows()[to].mrps if to in self.flows() else 0


def stats(cluster: str, zone: str, issued: int) -> lrs_pb2.LoadStatsRequest:
    locality = load_report_pb2.UpstreamLocalityStats(
        locality=base_pb2.Locality(region="r", zone=zone, sub_zone="r-1"),
        total_issued_requests=issued,
        total_error_requests=1,
        total_requests_in_progress=2,
    )
    made = load_report_pb2.ClusterStats(cluster_name=cluster, upstream_locality_stats=[locality])
    made.load_report_interval.FromMilliseconds(1_001)
    return lrs_pb2.LoadStatsRequest(cluster_stats=[made])


def test_a_cluster_and_a_locality_name_service_workload_and_member() -> None:
    message = stats("out/shop/web/http/ns/shop/sa/client", EU, 7)
    assert list(counts_of(message)) == [Count(AWAY, 1_001, 7, 1, 2)]


@pytest.mark.parametrize(
    "cluster", ["in/shop/web/http", "xds", "out/shop/web", "out/shop/web/http/ns/shop/sa/client/mirror", ""]
)
def test_other_clusters_are_left_aside(cluster: str) -> None:
    assert list(counts_of(stats(cluster, EU, 7))) == []


def test_who_has_no_identity_is_counted_without_a_name() -> None:
    assert asked("out/shop/web/http/local") == (WEB, "")


def test_a_report_over_no_time_says_nothing() -> None:
    message = stats("out/shop/web/http/local", EU, 7)
    message.cluster_stats[0].load_report_interval.FromMilliseconds(0)
    assert list(counts_of(message)) == []


def test_clusters_of_several_ports_are_one_way() -> None:
    account = Account()
    account.take([count(HOME, 30), count(HOME, 70, active=3)], 1_000)
    once = Account()
    once.take([count(HOME, 100, active=3)], 1_000)
    assert list(account.standing(1_000)) == list(once.standing(1_000))


def test_a_steady_rate_is_told_to_five_per_cent() -> None:
    node = Node()
    node.seconds(60, count(HOME, 300), count(AWAY, 100, errors=25))
    assert node.mrps() == pytest.approx(300_000, rel=0.05)
    assert node.mrps(EU) == pytest.approx(100_000, rel=0.05)
    assert node.flows()[EU].errors == pytest.approx(250_000, abs=10_000)
    assert node.flows()[US].errors == 0


def test_noise_is_not_told() -> None:
    node, noise = Node(), random.Random(6)
    node.seconds(60, count(HOME, 400))
    before = node.changes
    for _ in range(120):
        node.seconds(1, count(HOME, 400 + noise.randint(-60, 60)))
    assert node.changes - before <= 6, "in two minutes"


def test_it_is_told_at_most_once_a_second_also_with_two_envoys() -> None:
    node = Node()
    other = node.book.open()
    for second in range(20):
        node.seconds(1, count(HOME, 10 * second))
        node.changes += node.book.take(other, [count(HOME, 10 * second)], node.now + 500)
    assert node.changes <= 20


def test_an_envoy_that_restarts_makes_neither_a_spike_nor_a_hole() -> None:
    node = Node()
    node.seconds(60, count(HOME, 200))
    told = []
    node.book.close(node.account)
    node.account = node.book.open()
    for _ in range(40):
        node.seconds(1, count(HOME, 200))
        told.append(node.mrps())
    assert min(told) > 180_000 and max(told) < 220_000


def test_one_report_over_a_long_gap_is_an_average() -> None:
    """The agent was away for a minute: Envoy counted on and says over which time."""
    node = Node()
    node.seconds(60, count(HOME, 200))
    node.now += 59_000
    node.seconds(1, count(HOME, 12_000, ms=60_000))
    assert node.mrps() == pytest.approx(200_000, rel=0.05)


def test_reports_that_come_all_at_once_count_for_the_time_that_they_measured() -> None:
    """The agent stood still for half a minute; its socket kept what Envoy said."""
    node = Node()
    node.seconds(60, count(HOME, 200))
    node.now += 30_000
    for _ in range(30):
        node.book.take(node.account, [count(HOME, 200)], node.now)
    node.seconds(1, count(HOME, 200))
    assert node.mrps() == pytest.approx(200_000, rel=0.06)


def test_a_way_without_requests_fades_and_is_told_no_more() -> None:
    node = Node()
    node.seconds(60, count(HOME, 100))
    node.seconds(10)
    assert node.mrps() == pytest.approx(37_000, rel=0.1)
    node.seconds(80)
    assert node.book.reports == {}
    changes = node.changes
    node.seconds(60)
    assert node.changes == changes, "an idle service says nothing"


def test_what_an_envoy_that_is_gone_counted_fades() -> None:
    node = Node()
    node.seconds(60, count(HOME, 100))
    node.book.close(node.account)
    node.silence(130)
    assert node.book.reports == {} and not node.book._accounts


def test_small_rates_are_told_to_half_of_themselves() -> None:
    node = Node()
    for second in range(120):
        node.seconds(1, *([count(HOME, 1)] if second % 2 else []))
    assert 250 <= node.mrps() <= 900


def test_under_way_counts_while_the_stream_stands() -> None:
    node = Node()
    node.seconds(1, count(HOME, 1, active=4))
    assert node.book.active(node.now) == {HOME: 4}
    node.seconds(30, count(HOME, 0, active=4))
    assert node.book.active(node.now) == {HOME: 4}, "a connection that stays"
    node.book.close(node.account)
    assert node.book.active(node.now).get(HOME, 0) == 0


def test_reports_are_by_service_and_sorted() -> None:
    node = Node()
    node.seconds(5, count(AWAY, 50), count(HOME, 50), count(Way(WEB, "", US), 50))
    (report,) = node.book.reports.values()
    assert isinstance(report, FlowReport)
    assert [(flow.source, flow.to) for flow in report.flows] == [("", US), ("shop/client", EU), ("shop/client", US)]
