"""A controller's client as a process of its own; prints JSON.

`python kubernetes_child.py URL list`: seconds to the whole world and peak MB above idle.
`python kubernetes_child.py URL rest SECONDS SCALE`: requests in these seconds of rest, all periods SCALE times shorter.
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from msgspec import structs  # noqa: E402

from federation.adapters.kube.access import KubeAccess  # noqa: E402
from federation.adapters.kube.cluster import Kube  # noqa: E402
from federation.adapters.kube.http import requests_total  # noqa: E402
from federation.adapters.kube.pace import Pace  # noqa: E402


def peak() -> float:
    """MB (10^6 bytes) of resident memory at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


async def listed() -> dict[str, float]:
    """List once."""
    kube = Kube(KubeAccess(sys.argv[1], False), "az-1")
    woken = asyncio.Event()
    idle, began = peak(), time.monotonic()
    task = asyncio.create_task(kube.run(lambda key: woken.set()))
    while kube.certainty != "fresh":
        woken.clear()
        await woken.wait()
    seconds = time.monotonic() - began
    endpoints = sum(len(part.endpoints) for key in kube.services() for part in kube.service(key).slices)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return {"seconds": seconds, "mb": peak() - idle, "endpoints": endpoints}


async def rested(seconds: float, scale: float) -> dict[str, float]:
    """Follow an unchanged world."""
    usual = Pace()
    periods = ("quiet", "quiet_max", "watch_min", "watch_max", "longest", "absent", "steady")
    pace = structs.replace(usual, **{name: getattr(usual, name) / scale for name in periods})
    task = asyncio.create_task(Kube(KubeAccess(sys.argv[1], False), "az-1", pace).run(lambda key: None))
    await asyncio.sleep(seconds)
    before = requests()
    await asyncio.sleep(seconds)
    found = {"requests": requests() - before, "others": requests() - requests("watch")}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return found


def requests(verb: str = "") -> float:
    """Requests so far, of this verb or of all."""
    samples = (sample for metric in requests_total.collect() for sample in metric.samples)
    return sum(one.value for one in samples if one.name.endswith("_total") and verb in ("", one.labels["verb"]))


if __name__ == "__main__":
    what = listed() if sys.argv[2] == "list" else rested(float(sys.argv[3]), float(sys.argv[4]))
    print(json.dumps(asyncio.run(what)))
