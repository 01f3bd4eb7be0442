import threading
import time

import pytest

from federation.lab import load
from federation.lab.client import Asked, Client, Result, failed
from federation.lab.load import OpenLoop

GOOD = Result(0.0, True, 200, "web-1", "web", "us-east", "", "", "", 1.0, "")


class Stuck(Client):
    """Answers nothing until it is released; notes when each request was due and how many run at once."""

    def __init__(self, release: threading.Event, dues: list[float]) -> None:
        super().__init__(Asked("http://nowhere.test/"))
        self._release, self._dues = release, dues

    def request(self, due: float | None = None) -> Result:
        assert due is not None
        self._dues.append(due)
        assert self._release.wait(10)
        return GOOD


def run(
    count: int, rate: float = 1000, deadline: float = 0, release_at: int | None = None
) -> tuple[list[float], list[Result]]:
    """`count` requests that are all answered when `release_at` of them were begun, or reported unsent."""
    release, dues, found = threading.Event(), list[float](), list[Result]()

    def report(result: Result) -> None:
        found.append(result)

    loop = OpenLoop(lambda: Stuck(release, dues), rate, report)
    thread = threading.Thread(target=loop.run, args=(count, deadline, threading.Event()))
    thread.start()
    end = time.monotonic() + 10
    while len(dues) + len(found) < (count if release_at is None else release_at) and time.monotonic() < end:
        time.sleep(0.001)
    release.set()
    thread.join(10)
    return dues, found


def test_requests_begin_on_schedule_though_none_is_answered() -> None:
    dues, found = run(30)
    steps = [later - earlier for earlier, later in zip(sorted(dues), sorted(dues)[1:], strict=False)]
    assert len(found) == 30 and all(step == pytest.approx(0.001) for step in steps)


def test_the_deadline_bounds_the_schedule() -> None:
    _, found = run(1000, rate=100, deadline=0.2, release_at=20)
    assert len(found) == 20


def test_a_request_that_finds_no_room_fails_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "OUTSTANDING", 5)
    dues, found = run(8)
    assert len(dues) == 5
    assert sorted(one.error for one in found) == [""] * 5 + ["5 requests are outstanding"] * 3


def test_a_request_that_begins_after_its_deadline_is_not_sent() -> None:
    late = Client(Asked("http://nowhere.test/", timeout=1)).request(time.monotonic() - 2)
    assert (late.ok, late.error) == (False, "TimeoutError: no answer within 1 s")
    assert late.ms >= 2000 and late.t == pytest.approx(time.time() - 2, abs=0.5)
    assert failed(1.0, 2.0, "x").ms == 2.0


def test_stop_ends_the_schedule_and_waits_for_what_was_begun() -> None:
    stop, found = threading.Event(), list[Result]()

    class Quick(Client):
        def request(self, due: float | None = None) -> Result:
            if len(found) == 3:
                stop.set()
            return GOOD

    OpenLoop(lambda: Quick(Asked("http://nowhere.test/")), 500, found.append).run(0, 0, stop)
    assert 3 < len(found) < 500
