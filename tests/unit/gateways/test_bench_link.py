"""How `isthmus bench link` finds the window that a link wants, and what it says."""

import pytest
from click.testing import CliRunner

from federation.model.errors import InputError
from gateways.bench import cli
from gateways.bench.result import Carried, LinkResult, Trips, lines, trips_of
from gateways.bench.window import Period, best_window, next_window
from gateways.verifying import links_of

SIZE = 1_420


def line(rate: float, trip: float, queue: int) -> list[Period]:
    """What a line of so many bytes per second and this round trip does with each window that is tried, until its queue
    of so many echoes is full.
    """
    tried: list[Period] = []
    while window := next_window(tried, SIZE):
        echoes = min(window / trip, rate / SIZE)
        fits = int(rate * trip / SIZE) + queue
        lost = max(0, window - fits)
        tried.append(Period(window, 1.0, int(echoes * SIZE), int(echoes), lost))
    return tried


@pytest.mark.parametrize(("rate", "trip"), [(2.5e6, 0.001), (2.5e6, 0.06), (1.25e8, 0.06), (1.25e9, 0.0005)])
def test_the_window_found_fills_the_line_and_hardly_more(rate: float, trip: float) -> None:
    tried = line(rate, trip, 1_000_000)
    window = best_window(tried)
    assert min(window * SIZE / trip, rate) > 0.9 * rate
    assert window <= max(4, 2.2 * rate * trip / SIZE)


def test_a_line_with_a_short_queue_is_not_judged_by_what_it_loses() -> None:
    tried = line(2.5e6, 0.06, 10)
    assert tried[-1].loss > 0.01
    assert best_window(tried) == tried[-2].window


def test_a_line_that_loses_always_is_tried_once() -> None:
    tried = [Period(4, 1.0, SIZE * 90, 90, 10)]
    assert (next_window(tried, SIZE), best_window(tried)) == (0, 4)


def test_no_more_is_under_way_than_is_allowed() -> None:
    assert next_window([Period(1 << 14, 1.0, 1, 1, 0)], SIZE) == 0


TRIPS = Trips(0.3, 0.41, 0.9, 0.0)
CARRIED = Carried(mbit=312.04, bytes=5_680, window=64, seconds=2.0, own=0.31, trips=Trips(0.31, 8.1, 12.0, 0.25))
GOOD = LinkResult(member="us-west", gateway=1, idle=TRIPS, carried=CARRIED)


def test_what_people_are_told() -> None:
    assert list(lines(GOOD)) == [
        "us-west gateway 1: idle: least 0.30, median 0.41, p99 0.90 ms, 0 % lost",
        "us-west gateway 1: 312.0 Mbit/s each way: echoes of 5680 bytes, 64 under way, for 2.0 s: least 0.31, median "
        "8.10, p99 12.00 ms, 0.25 % lost",
    ]
    slow = Carried(mbit=312.04, bytes=5_680, window=64, seconds=2.0, own=0.93, trips=TRIPS)
    said = list(lines(LinkResult(member="us-west", gateway=1, idle=TRIPS, carried=slow)))
    assert said[-1] == "us-west gateway 1: measuring took 93% of a processor: the link may carry more"
    assert list(lines(LinkResult(member="us-west", gateway=2, idle=None, carried=None))) == [
        "us-west gateway 2: nothing came back: see `isthmus gateway verify`"
    ]


def test_round_trips_are_told_in_milliseconds() -> None:
    assert trips_of([0.001 * one for one in range(1, 201)], 50) == Trips(1.0, 100.5, 199.0, 20.0)
    assert trips_of([], 9) is None


def test_a_member_without_a_link_is_named() -> None:
    with pytest.raises(InputError) as refused:
        links_of([], "mars")
    assert str(refused.value) == 'E104 --member "mars": no link to it; members with links: none yet'


@pytest.mark.parametrize("flags", [["--seconds", "0.5"], ["--seconds", "61"], ["--limit", "0"]])
def test_bounds_of_a_run(flags: list[str]) -> None:
    run = CliRunner().invoke(cli.bench, ["link", "--state", "/nowhere", *flags])
    assert run.exit_code == 2 and "is not in the range" in run.output
