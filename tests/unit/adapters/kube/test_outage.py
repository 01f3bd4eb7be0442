"""After an outage the first follower that the API server answers wakes the others out of their pauses."""

import asyncio

import msgspec
import pytest
from msgspec import structs

from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.follow import Follower
from federation.adapters.kube.http import Http
from federation.adapters.kube.kinds import FOLLOWED, Kind, ObjectKey
from federation.adapters.kube.pace import Outage
from federation.adapters.kube.reading import read_head
from tests.worlds.api_double import PATHS, ApiDouble
from tests.worlds.kube_following import BRISK

SLOW = structs.replace(BRISK, first=3_600.0, longest=3_600.0)
HOURS = 3_600.0


class Notes:
    """Which kinds were read, and which cannot be."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        self.failing: set[str] = set()
        self.moved = asyncio.Event()

    def take(self, kind: Kind, raw: msgspec.Raw) -> tuple[ObjectKey, str]:
        key, meta = read_head(kind, raw)
        return key, meta.resource_version

    def drop(self, key: ObjectKey) -> None:
        """Nothing is deleted here."""

    def listed(self, kind: Kind) -> None:
        self.read.add(kind.name)
        self.moved.set()

    def trouble(self, kind: Kind, text: str, stale: bool) -> None:
        if text:
            self.failing.add(kind.name)
        self.moved.set()

    async def until(self, kinds: set[str], of: set[str]) -> None:
        async with asyncio.timeout(10):
            while not kinds <= of:
                self.moved.clear()
                await self.moved.wait()


@pytest.mark.parametrize("streams", [False, True])
def test_one_that_is_answered_wakes_those_that_pause_for_an_hour(streams: bool) -> None:
    async def story() -> None:
        async with ApiDouble() as double:
            double.streams = streams
            double.fail_always = {PATHS["Node"]: 500, PATHS["Service"]: 500}
            notes, http = Notes(), Http(KubeAccess(double.url, False), BRISK)
            outage = Outage(BRISK.longest)
            paces = {"Node": BRISK, "Service": SLOW}
            async with http.opened(), asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(Follower(FOLLOWED[name], http, notes, pace, outage).run())
                    for name, pace in paces.items()
                ]
                await notes.until({*paces}, notes.failing)
                double.fail_always = {}
                await notes.until({*paces}, notes.read)
                for task in tasks:
                    task.cancel()

    asyncio.run(story())


def test_nobody_is_woken_faster_and_faster() -> None:
    """An API server that answers and breaks off must not be asked without a pause."""

    async def story() -> None:
        outage = Outage(HOURS)
        waiting = asyncio.create_task(outage.wait(HOURS))
        await asyncio.sleep(0)
        outage.over()
        await asyncio.wait_for(waiting, 10)
        again = asyncio.create_task(outage.wait(HOURS))
        await asyncio.sleep(0)
        outage.over()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not again.done()
        again.cancel()

    asyncio.run(story())
