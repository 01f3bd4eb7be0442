"""A hundred thousand public names in one DNS server: what another table costs, what it weighs, and what a flood of names
that are not there does to good clients.
"""

import asyncio
import contextlib
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from gslb.compiled import change_of
from gslb.compiler import Compiler
from gslb.files import ZoneFiles, parse_given
from gslb.probe import Watch
from gslb.steer import Steering
from gslb.table import Table
from msgspec import Struct, structs

from federation.model.handout import Place, Steered
from federation.model.names import MemberName
from federation.model.policy import Policy, Probe
from tests.bench import dns_servers, dns_speed
from tests.bench.row import Row, quantile, rounded, void
from tests.worlds.agent_folder import make_folder
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS
from tests.worlds.public_names import ZONE, handout, steered, target
from tests.worlds.two_members import real

NAMES = (
    "dns-swap-one",
    "dns-swap-all",
    "dns-swap-costs",
    "dns-zone-file",
    "dns-memory",
    "dns-flood-p99",
    "dns-flood-memory",
)
COUNT, RUNS = 100_000, 7
QUIET = Policy(probe=Probe(port=8_080, interval_ms=60_000, timeout_ms=10))
CHANGES = {
    "one": "one name of 100,000 is another",
    "all": "all 100,000 names are told",
    "costs": "what it costs from one place, with 100,000 names",
}
START_SECONDS = 120.0
GOOD, FLOOD, SECONDS = 1_000, 40_000, 5.0
"""Queries a second of good clients and of the flood."""


def measure(names: tuple[str, ...]) -> list[Row]:
    """The table alone in this process; memory and flood against real servers."""
    rows = [_swap(name) for name in names if name.startswith("dns-swap")]
    rows += [_zone_file() for name in names if name == "dns-zone-file"]
    rows += [_memory() for name in names if name == "dns-memory"]
    floods = tuple(name for name in names if name.startswith("dns-flood"))
    return rows + (_flood(floods) if floods else [])


def world(count: int) -> dict[str, Struct]:
    """A handout of so many public names."""
    members = [target(one) for one in ("us-east", "us-west", "eu-central")]
    return handout("us-east", *(steered(f"n{number}.{ZONE}", *members, policy=QUIET) for number in range(count)))


def _swap(name: str) -> Row:
    """From a new handout to a table in force: compiled, its targets probed, told as a change, swapped in."""
    if find_spec("gslb_packet") is None:
        return void(name, "ms", "the packet path is not installed")
    took = asyncio.run(_swaps(name.rpartition("-")[2]))
    parts = {part: statistics.median(values) for part, values in took.items()}
    said = ", ".join(f"{part} {rounded(ms):g}" for part, ms in parts.items())
    note = f"{CHANGES[name.rpartition('-')[2]]}; ms: {said}; workers read the last table meanwhile"
    return Row(name, rounded(sum(parts.values())), "ms", RUNS, note)


async def _swaps(what: str) -> dict[str, list[float]]:
    """Milliseconds of each part, by run; the first, which makes everything, is none of them."""
    from gslb_packet import Responder

    values, compiler, watch = world(COUNT), Compiler(), Watch()
    responder = Responder(1, bytes(16), 0, 0, False)
    before: Steering | None = None
    took: dict[str, list[float]] = {"compile": [], "probes": [], "tell": [], "swap": []}
    for run in range(RUNS + 1):
        fresh = _farther(values, run) if what == "costs" else _changed(values, run)
        marks = [time.perf_counter()]
        table = compiler.compile(fresh, run + 1)
        marks.append(time.perf_counter())
        watch.want(table)
        watch.judge(table, time.time_ns() // 1_000_000)
        marks.append(time.perf_counter())
        steering = Steering(table, watch.stock.evidence).after(before)
        change = change_of(steering, None if what == "all" else before)
        marks.append(time.perf_counter())
        responder.change(change)
        marks.append(time.perf_counter())
        before = steering
        if run:
            for part, low, high in zip(took, marks, marks[1:], strict=False):
                took[part].append(1_000 * (high - low))
    await watch.stop()
    return took


def _changed(values: Mapping[str, Struct], run: int) -> dict[str, Struct]:
    key = next(key for key in values if key.startswith(f"steered/n7.{ZONE}/"))
    item = values[key]
    assert isinstance(item, Steered)
    return {**values, key: structs.replace(item, name=structs.replace(item.name, ttl=30 + run))}


def _zone_file() -> Row:
    """A zone file of which one record is another: for how long the server does nothing else."""
    if find_spec("gslb_packet") is None:
        return void("dns-zone-file", "ms", "the packet path is not installed")
    from gslb_packet import Responder

    responder = Responder(1, bytes(16), 0, 0, False)
    held, waited = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zone"
        path.write_text(_zone(0))
        files = ZoneFiles(parse_given([str(path)]))
        zones = files.look()
        before = Steering(Table(dict(zones), 0), {})
        responder.change(change_of(before, None))
        for run in range(1, RUNS + 1):
            path.write_text(_zone(run))
            begun = at = time.perf_counter()
            while (fresh := files.look()) is zones:
                time.sleep(0.01)
                at = time.perf_counter()
            steering = Steering(Table(dict(fresh), run), {}).after(before)
            responder.change(change_of(steering, before))
            zones, before = fresh, steering
            held.append(1_000 * (time.perf_counter() - at))
            waited.append(time.perf_counter() - begun)
    said = f"one record of {COUNT:,} is another; {statistics.median(waited):.1f} s until it is answered, read in a process of its own"
    return Row("dns-zone-file", rounded(statistics.median(held)), "ms", RUNS, said)


def _zone(run: int) -> str:
    hosts = "".join(f"h{number} A 198.51.{number >> 8 & 255}.{number & 255}\n" for number in range(COUNT))
    return f"$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns h {run} 7200 1800 86400 60\n@ NS ns\nns A 192.0.2.{run}\n{hosts}"


def _farther(values: Mapping[str, Struct], run: int) -> dict[str, Struct]:
    item = values["place/us-east"]
    assert isinstance(item, Place)
    return {**values, "place/us-east": structs.replace(item, costs={**item.costs, MemberName("us-west"): 60 + run})}


@contextlib.contextmanager
def serving(count: int) -> Iterator[dns_servers.Serving]:
    """Our server with so many public names, on one core."""
    with tempfile.TemporaryDirectory() as folder:
        home = make_folder(Path(folder) / "dns", real("us-east"), "dns", world(count), [])
        port = free_port()
        command = [ISTHMUS, "dns", "serve", "--state", str(home), "--listen", f"127.0.0.1:{port}"]
        with dns_servers.running(command, port, f"n0.{ZONE}", {}, START_SECONDS) as found:
            yield found


def resident(pid: int) -> float:
    """Megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4_096 / 1e6


def _memory() -> Row:
    found = []
    for count in (1, COUNT):
        with serving(count) as one:
            found.append(resident(one.pid))
    note = f"a server with 100,000 public names of three members each: {found[1]:.0f} MB; with one: {found[0]:.0f} MB"
    return Row("dns-memory", rounded(found[1] - found[0]), "MB", 1, note)


def _flood(names: tuple[str, ...]) -> list[Row]:
    """Good clients alone, then beside a flood of names that are not there."""
    if not dns_speed.DNSPERF.exists() and subprocess.run(["scripts/peers"], check=False).returncode:
        return [void(name, "times", "no dnsperf here") for name in names]
    with serving(1_000) as one, dns_speed.asked("nxdomain") as (random, _), _good() as good:
        quiet, before = late(one, good), resident(one.pid)
        flood = threading.Thread(target=lambda: dns_speed.perf(one, random, ["-Q", str(FLOOD), "-l", str(3 * SECONDS)]))
        flood.start()
        time.sleep(1.0)
        beside = late(one, good)
        flood.join()
        after = resident(one.pid)
    said = f"{GOOD} good queries a second beside {FLOOD:,} of random names; p99 alone {rounded(quantile(quiet, 0.99)):g} ms"
    rows = {
        "dns-flood-p99": Row("dns-flood-p99", rounded(quantile(beside, 0.99)), "ms", len(beside), said),
        "dns-flood-memory": Row("dns-flood-memory", rounded(after - before), "MB", 1, f"{before:.0f} MB before"),
    }
    return [rows[name] for name in names]


@contextlib.contextmanager
def _good() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines(f"n{number}.{ZONE} A\n" for number in range(1_000))
        file.flush()
        yield Path(file.name)


def late(server: dns_servers.Serving, file: Path) -> list[float]:
    """Milliseconds until each answer."""
    said = dns_speed.perf(server, file, ["-Q", str(GOOD), "-v", "-l", str(SECONDS)])
    return [float(line.split()[-1]) * 1_000 for line in said.splitlines() if line.startswith("> ")]
