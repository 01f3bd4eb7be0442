"""A controller's client as a process of its own: prints seconds to the whole world and peak MB above idle, as JSON.

`python kubernetes_child.py URL SERVICES`.
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from federation.adapters.kube.access import KubeAccess  # noqa: E402
from federation.adapters.kube.cluster import Kube  # noqa: E402


def peak() -> float:
    """MB (10^6 bytes) of resident memory at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


async def main() -> None:
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
    print(json.dumps({"seconds": seconds, "mb": peak() - idle, "endpoints": endpoints}))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
