"""Queries a second and processor time a query: ours beside gdnsd and Knot, each server on one core, dnsperf on the other.

What is compared is processor time, the system's included: the generator, not the server, bounds the queries a second of
all three. `python`: without the packet path.
"""

import random
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from federation.model.errors import IsthmusError
from tests.bench import dns_geo, dns_servers
from tests.bench.dns_servers import CLIENT_CORE, HOSTS, LIBRARIES, PEERS, Serving
from tests.bench.row import Row, quantile, rounded, void
from tests.worlds.public_names import ZONE

KINDS = ("static", "weighted", "geo", "geoip", "steered", "nxdomain")
NAMES = (*(f"dns-cpu-{kind}" for kind in KINDS), "dns-p99", "dns-python-qps")
RIVALS = {kind: ("gdnsd", "knot") if kind in ("static", "geo", "geoip", "nxdomain") else ("gdnsd",) for kind in KINDS}
ECS = "8:00011800" + "ac1001"
"""The client subnet 172.16.1.0/24."""

RUNS, SECONDS = 3, 3.0
DNSPERF = PEERS / "usr/bin/dnsperf"


def measure(names: tuple[str, ...]) -> list[Row]:
    """Runs of all servers in turns."""
    if not DNSPERF.exists() and subprocess.run(["scripts/peers"], check=False).returncode:
        raise IsthmusError("scripts/peers failed")
    if not DNSPERF.exists():
        return [void(name, "times", "no dnsperf, gdnsd and Knot here") for name in names]
    with ExitStack() as stack:
        countries = stack.enter_context(dns_geo.database())
        own = stack.enter_context(dns_servers.ours("--geo", str(countries)))
        gdnsd, knot = (stack.enter_context(one(countries)) for one in (dns_servers.gdnsd, dns_servers.knot))
        servers = {"ours": own, "gdnsd": gdnsd, "knot": knot}
        rows = [_cpu(name, servers) for name in names if name.startswith("dns-cpu-")]
        rows += [_p99(own) for name in names if name == "dns-p99"]
    return rows + [_python() for name in names if name == "dns-python-qps"]


def _cpu(name: str, servers: dict[str, Serving]) -> Row:
    kind = name.removeprefix("dns-cpu-")
    if kind == "geoip" and (odd := dns_geo.differing({one: serving.port for one, serving in servers.items()})):
        return void(name, "times", odd, 1.0)
    with asked(kind) as (file, options):
        found: dict[str, list[tuple[float, float]]] = {one: [] for one in ("ours", *RIVALS[kind])}
        for _ in range(RUNS):
            for one, runs in found.items():
                runs.append(run(servers[one], file, options))
    cpu = {one: statistics.median(micros for micros, _ in runs) for one, runs in found.items()}
    qps = {one: statistics.median(rate for _, rate in runs) for one, runs in found.items()}
    said = ", ".join(f"{one} {cpu[one]:.2f} us and {qps[one]:,.0f} queries a second" for one in found)
    note = f"processor time a query against gdnsd: {said}; {RUNS} runs of {SECONDS:g} s in turns"
    if kind == "geoip":
        note += f"; the same answers for {dns_geo.COMPARED} drawn clients; {dns_geo.WORDS}"
    return Row(
        name,
        rounded(cpu["ours"] / cpu["gdnsd"]),
        "times",
        RUNS,
        note,
        1.0,
        "knot" if "knot" in cpu else None,
        rounded(cpu["knot"] / cpu["gdnsd"]) if "knot" in cpu else None,
    )


def _p99(own: Serving) -> Row:
    """At half of what the generator gets out of it."""
    with asked("steered") as (file, options):
        most = statistics.median(run(own, file, options)[1] for _ in range(RUNS))
        done = perf(own, file, [*options, "-Q", str(int(most / 2)), "-v"])
    late = [float(line.split()[-1]) * 1_000 for line in done.splitlines() if line.startswith("> ")]
    note = f"p99 of {len(late)} steered answers at {most / 2:,.0f} queries a second; p50 {rounded(statistics.median(late)):g} ms"
    return Row("dns-p99", rounded(quantile(late, 0.99)), "ms", len(late), note, 1.0)


def _python() -> Row:
    with dns_servers.ours("--packet-path", "python") as own, asked("steered") as (file, options):
        runs = [run(own, file, options) for _ in range(RUNS)]
    micros, rate = (statistics.median(column) for column in zip(*runs, strict=True))
    note = f"steered answers that are kept, without the packet path, {micros:.2f} us of processor time each; wanted: 100,000"
    return Row("dns-python-qps", rounded(rate), "1/s", RUNS, note)


def run(server: Serving, file: Path, options: Iterable[str]) -> tuple[float, float]:
    """Microseconds of processor time a query, and queries a second. What is lost or late makes it void."""
    perf(server, file, [*options, "-n", "1"])
    before = server.spent()
    said = perf(server, file, options)
    used = server.spent() - before
    numbers = {
        key.strip(): value.split()[0]
        for key, _, value in (line.partition(":") for line in said.splitlines())
        if value.strip()
    }
    done, lost = int(numbers["Queries completed"]), int(numbers["Queries lost"])
    if lost > done // 100:
        raise IsthmusError(f"{lost} of {done + lost} queries were lost")
    return 1e6 * used / done, float(numbers["Queries per second"])


def perf(server: Serving, file: Path, options: Iterable[str]) -> str:
    """What dnsperf prints."""
    words = ["-s", "127.0.0.1", "-p", str(server.port), "-d", str(file), "-q", "100", "-t", "1", "-l", str(SECONDS)]
    done = subprocess.run(
        ["taskset", "-c", CLIENT_CORE, str(DNSPERF), *words, *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"LD_LIBRARY_PATH": LIBRARIES, "PATH": "/usr/bin:/bin"},
    )
    return done.stdout


@contextmanager
def asked(kind: str) -> Iterator[tuple[Path, list[str]]]:
    """A file of queries of this kind, and what dnsperf is told beside it."""
    if kind == "geoip":
        with tempfile.NamedTemporaryFile(suffix=".queries") as messages:
            messages.write(dns_geo.queries())
            messages.flush()
            yield Path(messages.name), ["-B"]
        return
    chance = random.Random(7)
    names = {
        "static": [f"host{chance.randrange(HOSTS)}.static.test" for _ in range(10_000)],
        "nxdomain": [f"{chance.getrandbits(64):x}.static.test" for _ in range(100_000)],
    }.get(kind, [f"{kind}.{ZONE}"])
    with tempfile.NamedTemporaryFile("w", suffix=".queries") as file:
        file.writelines(f"{name} A\n" for name in names)
        file.flush()
        yield Path(file.name), (["-E", ECS] if kind == "geo" else [])
