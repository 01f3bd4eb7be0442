"""The real prober and, in another process, who answers it; both run in one namespace by `health_checks.py`.

`python health_checks_child.py probe KIND COUNT` prints per cent of a core, checks a second, MB per 10,000 targets,
targets that are down and connections in TIME_WAIT; `... answer [CERTIFICATE KEY]` answers until it is ended, with these over TLS.
"""

import asyncio
import contextlib
import os
import resource
import socket
import ssl
import sys
import time
from ipaddress import IPv4Address
from pathlib import Path

from federation.model.policy import Kind, Probe
from federation.probing.prober import Prober
from federation.probing.target import Composite, Target

PORT = 8_080
HOST = "shop.example.test"
INTERVAL_MS = 10_000
SECONDS = 10.0
RUNS = 3
FIRST = IPv4Address("127.1.0.0")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def target(number: int, probe: Probe) -> Composite:
    """One of very many addresses of this machine."""
    return Composite((Target(str(FIRST + number), PORT, HOST, probe),))


async def probed(kind: Kind, count: int) -> list[float]:
    """What a warm prober costs, window by window, then its memory and what it left behind."""
    probe = Probe(kind=kind, path="" if kind == "tcp" else "/health", interval_ms=INTERVAL_MS, timeout_ms=2_000)
    before = resident()
    prober: Prober[int] = Prober()
    prober.want({number: target(number, probe) for number in range(count)})
    await asyncio.sleep(1.5 * INTERVAL_MS / 1_000)
    cpu, checks = [], []
    for _ in range(RUNS):
        used, opened, begin = spent(), connections(), time.monotonic()
        await asyncio.sleep(SECONDS)
        took = time.monotonic() - begin
        cpu.append(100 * (spent() - used) / took)
        checks.append((connections() - opened) / took)
    up = sum(one.up is True for one in prober.verdicts.values())
    found = [*cpu, *checks, (resident() - before) / count * 10_000, count - up, waiting()]
    await prober.stop()
    return found


def spent() -> float:
    """Seconds of processor time of this process, the kernel's for it included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident() -> float:
    """Megabytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def connections() -> int:
    """TCP connections that were opened in this namespace."""
    names, values = (
        line.split() for line in Path("/proc/self/net/snmp").read_text().splitlines() if line[:4] == "Tcp:"
    )
    return int(dict(zip(names, values, strict=True))["ActiveOpens"])


def waiting() -> int:
    """Connections of this namespace in TIME_WAIT."""
    line = next(one for one in Path("/proc/self/net/sockstat").read_text().splitlines() if one.startswith("TCP:"))
    words = line.split()
    return int(words[words.index("tw") + 1])


def answer() -> None:
    """Take every connection, answer what is asked and end it."""
    with socket.create_server(("0.0.0.0", PORT), backlog=4_096) as port:
        print("up", flush=True)
        while True:
            connection, _ = port.accept()
            with contextlib.suppress(OSError):
                if connection.recv(4_096):
                    connection.sendall(ANSWER)
            connection.close()


async def answer_secured(certificate: str, key: str) -> None:
    """The same over TLS, with very many handshakes under way."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if await reader.read(4_096):
                writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answered, "0.0.0.0", PORT, ssl=context, backlog=4_096)
    print("up", flush=True)
    await server.serve_forever()


def main() -> None:
    """Run inside the namespace, each on a core of its own where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if sys.argv[1] == "answer":
        os.sched_setaffinity(0, {cores[-1]})
        if sys.argv[2:]:
            asyncio.run(answer_secured(*sys.argv[2:]))
        answer()
        return
    os.sched_setaffinity(0, {cores[0]})
    kinds: dict[str, Kind] = {"tcp": "tcp", "http": "http", "https": "https"}
    print(*asyncio.run(probed(kinds[sys.argv[2]], int(sys.argv[3]))))


if __name__ == "__main__":
    main()
