"""The program `isthmus lab client`: clients in a pod, one JSON line a request, in a closed or an open loop."""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from federation.lab.client import Asked, Client, Result, failed

OUTSTANDING = 256


@dataclass(frozen=True, slots=True)
class Bounds:
    """`count` requests (0: no limit), `rate` begun a second (0: back to back), at most `deadline` seconds (0: no
    limit), or until an answer bears the endpoint name `until`.
    """

    count: int = 0
    rate: float = 0
    deadline: float = 0
    until: str = ""


def results(client: Client, bounds: Bounds) -> Iterator[Result]:
    """Requests one after the other until one of the bounds is met."""
    begin, done = time.monotonic(), 0
    while (bounds.count == 0 or done < bounds.count) and (
        bounds.deadline == 0 or time.monotonic() - begin < bounds.deadline
    ):
        result = client.request()
        yield result
        done += 1
        if bounds.until and result.endpoint == bounds.until:
            return
        if bounds.rate:
            time.sleep(max(0.0, begin + done / bounds.rate - time.monotonic()))


class OpenLoop:
    """Begins requests on a schedule whether or not earlier ones were answered, up to OUTSTANDING at once; one that
    finds no room fails at its time, unsent. Times count from the schedule, so a stall is seen by every request in it.
    """

    def __init__(self, make: Callable[[], Client], rate: float, report: Callable[[Result], None]) -> None:
        """`rate` is requests a second. `report` is called from several threads, at the end of each request."""
        self._make, self._rate, self._report = make, rate, report
        self._idle: list[Client] = []
        self._room = threading.Semaphore(OUTSTANDING)

    def run(self, count: int, deadline: float, stop: threading.Event) -> None:
        """Begin `count` requests (0: no limit) within `deadline` seconds (0: no limit) or until `stop`; returns when
        all that were begun have ended.
        """
        limits = ([float(count)] if count else []) + ([deadline * self._rate] if deadline else [])
        begin, number = time.monotonic(), 0
        with ThreadPoolExecutor(OUTSTANDING) as workers:
            while number < min(limits, default=float("inf")):
                due = begin + number / self._rate
                if stop.wait(max(0.0, due - time.monotonic())):
                    return
                if self._room.acquire(blocking=False):
                    workers.submit(self._one, due)
                else:
                    self._report(failed(time.time(), 0.0, f"{OUTSTANDING} requests are outstanding"))
                number += 1

    def _one(self, due: float) -> None:
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._make()
        try:
            self._report(client.request(due))
        finally:
            self._idle.append(client)
            self._room.release()


def run(asked: Asked, bounds: Bounds, parallel: int = 1) -> int:
    """Print one JSON line a request; 0 when all were answered with 200 (with `until`: when it answered).

    With `parallel` so many clients, each with these bounds.
    """
    clients = [Client(asked) for _ in range(parallel)]
    good: list[bool] = []

    def work(client: Client) -> None:
        for result in results(client, bounds):
            good.append(result.endpoint == bounds.until if bounds.until else result.ok)
            _print(result)

    if parallel == 1:
        work(clients[0])
    else:
        with ThreadPoolExecutor(parallel) as threads:
            list(threads.map(work, clients))
    return 0 if (any(good) if bounds.until else all(good)) else 1


def run_open(asked: Asked, bounds: Bounds) -> int:
    """The same in an open loop, until a bound is met or SIGTERM comes; what is outstanding then is waited for."""
    Client(asked)
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    good: list[bool] = []

    def report(result: Result) -> None:
        good.append(result.ok)
        _print(result)

    try:
        OpenLoop(lambda: Client(asked), bounds.rate, report).run(bounds.count, bounds.deadline, stop)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0 if all(good) else 1


def _print(result: Result) -> None:
    sys.stdout.buffer.write(json.dumps(asdict(result)).encode() + b"\n")  # whole lines, whichever thread writes
    sys.stdout.buffer.flush()
