"""A Kube in a thread of its own, for stories told against an API server that runs elsewhere."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.cluster import Kube
from federation.adapters.kube.http import requests_total
from federation.adapters.kube.kubeconfig import read_kubeconfig
from federation.adapters.kube.pace import Pace
from federation.ports import Wanted
from tests.netns.spaces import await_true

T = TypeVar("T")
BRISK = Pace(first=0.05, longest=0.2, absent=0.2, write_first=0.05, write_longest=0.2)


def writes() -> float:
    """Applies and deletes of this process so far."""
    samples = (sample for metric in requests_total.collect() for sample in metric.samples)
    return sum(
        one.value for one in samples if one.name.endswith("_total") and one.labels["verb"] in ("apply", "delete")
    )


class KubeThread:
    """A running Kube."""

    def __init__(self, access: KubeAccess, may_write: Callable[[], bool], pace: Pace) -> None:
        self.kube = Kube(access, "az", pace, may_write)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._task = self._loop.create_task(self.kube.run(lambda key: None))
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            self._loop.run_until_complete(
                asyncio.sleep(0.3)
            )  # TLS connections say goodbye (aiohttp, graceful shutdown)
        finally:
            self._loop.close()

    def do(self, what: Callable[[], T]) -> T:
        """Call this on the Kube's loop."""

        async def called() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(10)

    def want(self, owner: str, *objects: Wanted) -> None:
        """This owner wants these."""
        self.do(lambda: self.kube.want(owner, objects))

    def complete(self) -> None:
        """Everything was wanted once."""
        self.do(self.kube.complete)

    def settled(self) -> bool:
        """True when every kind was listed and nothing is to be written."""
        return self.do(lambda: self.kube.settled)

    def problems(self) -> tuple[str, ...]:
        """The problem lines."""
        return self.do(lambda: self.kube.problems)

    def until(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for it."""
        await_true(what, condition)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)


@contextmanager
def running(
    kubeconfig: Path,
    may_write: Callable[[], bool] = lambda: True,
    access: KubeAccess | None = None,
    listed: bool = True,
    pace: Pace = BRISK,
) -> Iterator[KubeThread]:
    """A Kube for this kubeconfig, when it has `listed` every kind."""
    found = KubeThread(access or read_kubeconfig(kubeconfig), may_write, pace)
    try:
        if listed:
            found.until("the kinds are listed", found.settled)
        yield found
    finally:
        found.close()
