"""A change in one cluster's API until it stands in the other's, and how long such an API server's own watch takes.

Two members by the public commands on loopback; from the return of the write to the event of a watch at the other API server.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.row import Row, median_row, quantile, rounded, void
from tests.worlds.clusters import NOT_TESTED, Bed, named_contexts
from tests.worlds.federated import NAMES as MEMBERS
from tests.worlds.federated import SERVICE_OF, SOURCE, Member, federated

CHANGES, GIVE_UP = 120, 5.0
SORTS = ("double", "real")
KINDS = ("watch", "change", "export")
NAMES = tuple(f"kubernetes-{kind}-{sort}" for sort in SORTS for kind in KINDS)
NOTES = {
    "watch": "write of an EndpointSlice to its event at the same API server: what no federation can beat",
    "change": "write of an EndpointSlice to the event of the EndpointSlice that the other cluster's controller wrote",
    "export": "write of a ServiceExport to the event of the other cluster's ServiceImport with its address",
}
Event = dict[str, Any]
Found = Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class Sample:
    """Milliseconds to the event: since the write returned, and since it began."""

    after: float
    whole: float


def measure(names: tuple[str, ...]) -> list[Row]:
    """Each sort of API server has its own pair of members; the watch alone is measured in the same run."""
    rows = []
    for sort in SORTS:
        kinds = [kind for kind in KINDS if f"kubernetes-{kind}-{sort}" in names]
        if not kinds:
            continue
        if sort == "real" and not (os.environ.get("KUBEBUILDER_ASSETS") or named_contexts()):
            rows += [void(f"kubernetes-{kind}-{sort}", "ms", NOT_TESTED) for kind in kinds]
            continue
        try:
            rows += taken(sort, kinds)
        except AssertionError as error:
            rows += [
                void(f"kubernetes-{kind}-{sort}", "ms", (str(error) or "it broke").splitlines()[0]) for kind in kinds
            ]
    return rows


def taken(sort: str, kinds: list[str]) -> list[Row]:
    """The rows of these kinds on API servers of this sort. AssertionError when a request fails."""
    with members(sort) as (near, far):
        floor = watched(far)
        rows = [row("watch", sort, floor, floor)] if "watch" in kinds else []
        rows += [row("change", sort, changed(near, far), floor)] if "change" in kinds else []
        return rows + ([row("export", sort, exported(near, far), floor)] if "export" in kinds else [])


@contextmanager
def members(sort: str) -> Iterator[tuple[Member, Member]]:
    """us-east and eu-central, running, in a namespace of their own."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    bed = Bed(sort, folder)
    try:
        with federated(bed) as federation:
            near, far = federation.fresh()
            yield near, far
    finally:
        bed.end()
        shutil.rmtree(folder, ignore_errors=True)


def row(kind: str, sort: str, samples: list[Sample], floor: list[Sample]) -> Row:
    """The median; p99 and the watch alone beside it."""
    name = f"kubernetes-{kind}-{sort}"
    after = [one.after for one in samples]
    if not samples:
        return median_row(name, "ms", after, CHANGES, NOTES[kind])
    p99 = f"p50 (the value), p99 {rounded(quantile(after, 0.99)):g}; "
    own = "" if kind == "watch" or not floor else beside(samples, floor)
    return median_row(name, "ms", after, CHANGES, f"{p99}{NOTES[kind]}{own}")


def beside(samples: list[Sample], floor: list[Sample]) -> str:
    """How many times write and watch alone; both since the write began, for an event may come before the write returns."""
    own, ours = (statistics.median(one.whole for one in some) for some in (floor, samples))
    return (
        f"; since the write began {rounded(ours):g} ms, {ours / own:.0f} times the {rounded(own):g} ms "
        "of a write and its event at one such API server in the same run"
    )


def pauses() -> Iterator[tuple[int, float]]:
    """So many changes, 0 to 0.2 s apart, spread so that they meet timers at every phase."""
    for number in range(CHANGES):
        yield number, number * 37 % 100 / 500


def timed(act: Callable[[], None], events: Iterator[Event], found: Found) -> list[Sample]:
    """Write, then wait for the event; none when it does not come."""
    begin = time.monotonic()
    act()
    returned = time.monotonic()
    try:
        next(event for event in events if found(event["object"]))
    except (OSError, StopIteration):
        return []
    end = time.monotonic()
    return [Sample((end - returned) * 1000, (end - begin) * 1000)]


def watching(member: Member, kind: str, labels: str = "") -> Any:
    """A watch of the member's namespace from now on."""
    version = member.cluster.ok("GET", member.path(kind))["metadata"]["resourceVersion"]
    chosen = f"&labelSelector={labels}" if labels else ""
    return member.cluster.watching(f"{member.path(kind)}?watch=1&resourceVersion={version}{chosen}", GIVE_UP)


def offer(member: Member, name: str, address: str) -> None:
    """Let the service have this endpoint alone."""
    ports = [{"name": "tcp", "port": 42, "protocol": "TCP"}]
    labels = {"labels": {"kubernetes.io/service-name": name}}
    only = [{"addresses": [address], "conditions": {"ready": True}}]
    member.apply("EndpointSlice", f"{name}-1", metadata=labels, addressType="IPv4", ports=ports, endpoints=only)


def holds(address: str) -> Found:
    """The EndpointSlice has this address."""
    return lambda value: any(address in one["addresses"] for one in value.get("endpoints") or ())


def watched(far: Member) -> list[Sample]:
    """The API server's own watch: nobody imports or exports this slice."""
    samples: list[Sample] = []
    with watching(far, "EndpointSlice", "kubernetes.io/service-name=alone") as events:
        for number, pause in pauses():
            time.sleep(pause)
            address = f"10.2.2.{number + 1}"
            samples += timed(partial(offer, far, "alone", address), events, holds(address))
    return samples


def changed(near: Member, far: Member) -> list[Sample]:
    """One endpoint takes the place of another."""
    near.hello(pods=1, ports=[{"name": "tcp", "port": 42}])
    samples: list[Sample] = []
    with watching(far, "EndpointSlice", f"{SERVICE_OF}=hello,{SOURCE}={MEMBERS[0]}") as events:
        assert timed(near.export, events, holds("10.1.1.11")), "the service is not imported"
        for number, pause in pauses():
            time.sleep(pause)
            address = f"10.1.2.{number + 1}"
            samples += timed(partial(offer, near, "hello", address), events, holds(address))
    return samples


def exported(near: Member, far: Member) -> list[Sample]:
    """A further service is exported; the Service and its slice stood before."""
    samples: list[Sample] = []
    with watching(far, "ServiceImport") as events:
        for number, pause in pauses():
            name = f"further-{number}"
            near.hello(name, pods=1, ports=[{"name": "tcp", "port": 42}])
            time.sleep(pause)
            samples += timed(partial(near.export, name), events, complete(name))
    return samples


def complete(name: str) -> Found:
    """The ServiceImport of this name has its address."""
    return lambda value: value["metadata"]["name"] == name and bool(value["spec"].get("ips"))
