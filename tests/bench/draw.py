"""`draw.py rate HOST PORT SOURCE SECONDS` prints the bytes that arrive over two connections in so many seconds, and the busy
core-seconds of the machine meanwhile; `draw.py trips HOST PORT SOURCE COUNT` the milliseconds of each of COUNT requests of
1 KiB over one connection. SOURCE "" is any address.
"""

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

CONNECTIONS = 2
ENDLESS = 1 << 40
GOOD = b"HTTP/1.1 200 OK"


def connected(host: str, port: int, source: str) -> socket.socket:
    made = socket.create_connection((host, port), 10, (source, 0) if source else None)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def ask(connection: socket.socket, count: int) -> None:
    connection.sendall(b"GET /bytes/%d HTTP/1.1\r\nhost: bench\r\n\r\n" % count)


def busy() -> float:
    """Core-seconds of work since boot, of all processes and the kernel."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq, *_ = map(int, fields)
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def rate(host: str, port: int, source: str, seconds: float) -> dict[str, float]:
    counts = [0] * CONNECTIONS
    over = threading.Event()

    def read(place: int) -> None:
        room = bytearray(1 << 20)
        with connected(host, port, source) as connection:
            ask(connection, ENDLESS)
            first = connection.recv_into(room)
            if not bytes(room[:first]).startswith(GOOD):
                return
            while not over.is_set():
                counts[place] += connection.recv_into(room)

    threads = [threading.Thread(target=read, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    before, worked, began = sum(counts), busy(), time.monotonic()
    time.sleep(seconds)
    got, worked, took = sum(counts) - before, busy() - worked, time.monotonic() - began
    over.set()
    for thread in threads:
        thread.join()
    return {"bits": got * 8 / took, "cores": worked / took}


def trips(host: str, port: int, source: str, count: int) -> list[float]:
    took: list[float] = []
    with connected(host, port, source) as connection:
        for _ in range(count):
            began = time.perf_counter()
            ask(connection, 1024)
            held = b""
            while b"\r\n\r\n" not in held or len(held.partition(b"\r\n\r\n")[2]) < 1024:
                held += connection.recv(65_536)
                if not held.startswith(GOOD):
                    raise SystemExit(f"answered {held[:200]!r}")
            took.append((time.perf_counter() - began) * 1_000)
    return took


if __name__ == "__main__":
    what, host, port, source, much = sys.argv[1:]
    made = rate if what == "rate" else trips
    print(json.dumps(made(host, int(port), source, int(much))))
