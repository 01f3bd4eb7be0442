"""The real prober against so many addresses that this namespace's kernel answers for; run by `probing.py`.

Prints per cent of a core and packets a second of each window.
"""

import asyncio
import resource
import sys
import time
from pathlib import Path

from gateways.probe.echo import EchoProber

RUNS = 5
SECONDS = 4.0
SETTLE = 3.0
"""Seconds left out: until its first verdict a way is probed faster."""


def addresses(count: int) -> list[str]:
    """The far ends of so many links."""
    return [f"fd00:be::{number:x}" for number in range(1, count + 1)]


async def probe(count: int) -> tuple[list[float], list[float]]:
    """Per cent of a core and packets (out and back) a second of a warm prober, window by window."""
    wanted = dict.fromkeys(addresses(count), False)
    prober = EchoProber(lambda: wanted)
    running = asyncio.create_task(prober.run())
    await asyncio.sleep(SETTLE)
    cpu, packets = [], []
    for _ in range(RUNS):
        used, passed, begin = spent(), echoes(), time.monotonic()
        await asyncio.sleep(SECONDS)
        took = time.monotonic() - begin
        cpu.append(100 * (spent() - used) / took)
        packets.append((echoes() - passed) / took)
    down = [address for address, one in prober.paths.standings().items() if not one.up]
    running.cancel()
    if len(prober.paths.standings()) != count or down:
        raise RuntimeError(f"{len(down)} of {count} simulated links were down")
    return cpu, packets


def spent() -> float:
    """Seconds of processor time of this process; the kernel's answers on loopback are among them."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def echoes() -> int:
    """ICMPv6 echo requests and replies that this namespace has received."""
    rows = dict(line.split() for line in Path("/proc/self/net/snmp6").read_text().splitlines())
    return int(rows["Icmp6InEchos"]) + int(rows["Icmp6InEchoReplies"])


def main() -> None:
    """Run inside the namespace: print both series."""
    cpu, packets = asyncio.run(probe(int(sys.argv[1])))
    print(*cpu)
    print(*packets)


if __name__ == "__main__":
    main()
