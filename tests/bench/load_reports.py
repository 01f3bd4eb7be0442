"""Processor time of load reports: one request a second to each of 1,000 services through one Envoy that reports every
second to its agent; beside it the same Envoy whose agent takes no reports. Client and backend are not counted.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tests.bench.row import GOOD_SHARE, Row, rounded, void

NAMES = ("load-reports-agent", "load-reports-envoy")
SERVICES = 1_000
WARM_SECONDS, SECONDS = 8, 30
CHILD = Path(__file__).with_name("load_reports_child.py")
TICKS = os.sysconf("SC_CLK_TCK")
ASK = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Look:
    """Until `at`: seconds of the processor for agent and Envoy, reports that came, services in use that they named."""

    at: float
    agent: float
    envoy: float
    reports: int
    services: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What was between two looks, with the requests that were answered."""

    seconds: float
    agent: float
    envoy: float
    reports: int
    services: int
    answered: int


def measure(names: tuple[str, ...]) -> list[Row]:
    """Both rows from the same two runs."""
    without, found = (asyncio.run(spent(reported)) for reported in (False, True))
    return [row(name, found, without) for name in names]


def row(name: str, found: Spent, without: Spent) -> Row:
    """Milliseconds of the processor for each report: of the agent, and of Envoy beside what the requests take."""
    named = found.services / max(1, found.reports)
    if named < GOOD_SHARE * SERVICES or not without.answered:
        return void(name, "ms", f"a report named {named:.0f} of {SERVICES} services in use")
    idle = without.agent / without.seconds * found.seconds
    plain = without.envoy / without.answered * found.answered
    took, rest = (found.agent, idle) if name == "load-reports-agent" else (found.envoy, plain)
    note = (
        f"{took:.2f} s with {found.reports} reports of {named:.0f} services in {found.seconds:.0f} s, {rest:.2f} s without; "
        f"{found.answered / found.seconds:.0f} requests a second"
    )
    return Row(name, rounded(1_000 * (took - rest) / found.reports), "ms", found.reports, note)


def address(number: int) -> str:
    """Where the listener of this service listens."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


async def spent(reported: bool) -> Spent:
    """What one run takes after it has come to rest."""
    server = await asyncio.get_running_loop().create_server(Backend, "0.0.0.0", 0, backlog=4_096)
    with child(server.sockets[0].getsockname()[1], reported) as (told, process):
        clients = [asyncio.open_connection(address(number), told["port"]) for number in range(SERVICES)]
        ways = [await one for one in clients]
        load = asyncio.create_task(asking(ways, WARM_SECONDS + SECONDS + 2))
        await asyncio.sleep(WARM_SECONDS)
        first = await look(process, told["envoy"])
        await asyncio.sleep(SECONDS)
        last = await look(process, told["envoy"])
        times = await load
        for _, writer in ways:
            writer.close()
    server.close()
    return Spent(
        seconds=last.at - first.at,
        agent=last.agent - first.agent,
        envoy=last.envoy - first.envoy,
        reports=last.reports - first.reports,
        services=last.services - first.services,
        answered=sum(first.at <= at < last.at for at in times),
    )


@contextmanager
def child(backend: int, reported: bool) -> Iterator[tuple[dict[str, Any], "subprocess.Popen[str]"]]:
    """The agent's side and its Envoy, when it holds every service."""
    line = [sys.executable, str(CHILD), str(SERVICES), str(backend), str(int(reported))]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process
        finally:
            process.stdin.close()


async def look(process: "subprocess.Popen[str]", envoy: int) -> Look:
    """Now."""

    def said() -> dict[str, Any]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        return dict(json.loads(process.stdout.readline()))

    told = await asyncio.to_thread(said)
    fields = Path(f"/proc/{envoy}/stat").read_text().rpartition(")")[2].split()
    spent = (int(fields[11]) + int(fields[12])) / TICKS
    return Look(time.monotonic(), told["seconds"], spent, told["reports"], told["services"])


async def asking(ways: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]], seconds: float) -> list[float]:
    """One request a second on each connection, spread over the second; when each was answered."""
    begin, times = time.monotonic(), list[float]()

    async def one(number: int) -> None:
        reader, writer = ways[number]
        for second in range(int(seconds)):
            await asyncio.sleep(max(0.0, begin + second + number / len(ways) - time.monotonic()))
            writer.write(ASK)
            await reader.readuntil(b"\r\n\r\n")
            times.append(time.monotonic())

    await asyncio.gather(*map(one, range(len(ways))))
    return times


class Backend(asyncio.Protocol):
    """200 to each request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Envoy is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """One request is one piece."""
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))
