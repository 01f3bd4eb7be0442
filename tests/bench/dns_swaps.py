"""A DNS server of a hundred thousand public names is asked steadily while its controller changes one of them each second:
how long that takes until it is answered, and how many answers are late for it.

The server is a real process on one core. Its controller is the serving end of the real link (`LinkServer`, `AgentSync`)
in this process, which gives it handouts of ours.
"""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import msgspec
from msgspec import structs

from federation.link.serve import LinkServer
from federation.model.handout import Steered
from federation.model.spiffe import SpiffeId, controller_id
from federation.session.tree import tree_of
from federation.sync.agents import AgentSync
from federation.wire.handout import HandoutHead
from federation.wire.keyed import encode
from tests.bench import dns_servers, dns_speed
from tests.bench.dns_servers import Serving
from tests.bench.dns_table import COUNT, START_SECONDS, world
from tests.bench.row import Row, median_row, quantile, rounded, void
from tests.worlds.agent_folder import make_folder
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS
from tests.worlds.public_names import ZONE
from tests.worlds.two_members import MemberKeys, real

IN_FORCE, LATE = "dns-swap-in-force", "dns-swap-late"
NAMES = (IN_FORCE, LATE)
RATE, ASKED = 20_000, 1_000
SECONDS, RUNS = 10, 3
LATE_MS = 5.0
PERIOD = 1.0
GIVE_UP = 30.0
MOVED = f"n7.{ZONE}"
OPTIONS = ["-Q", str(RATE), "-q", str(RATE), "-l", str(SECONDS), "-v"]
"""As many may be under way as are asked in a second: a server that stalls must not slow down who asks."""


@dataclass(slots=True)
class Late:
    """Milliseconds until each answer, and how many never came."""

    times: list[float] = field(default_factory=list)
    lost: int = 0

    @property
    def share(self) -> float:
        """Per cent that came later than LATE_MS or never."""
        return 100 * (sum(one > LATE_MS for one in self.times) + self.lost) / (len(self.times) + self.lost)

    @property
    def words(self) -> str:
        """The same with p99 and the longest."""
        p99, most = rounded(quantile(self.times, 0.99)), rounded(max(self.times))
        return f"{self.share:.3f} % of {len(self.times) + self.lost:,}, p99 {p99:g} ms, longest {most:g} ms"


class Controller:
    """Gives one DNS server its handouts, and another TTL of one name as often as it is asked."""

    def __init__(self, own: MemberKeys) -> None:
        values = world(COUNT)
        self.values = values
        self.sync = AgentSync(own.name, lambda name: None, lambda name, flows: None)
        self._own, self._revision = own, 1
        self._tree = tree_of({key: encode(value) for key, value in values.items()})
        self._leaf = own.leaf(controller_id(own.domain))
        self._publish()

    @asynccontextmanager
    async def serving(self, address: str) -> AsyncIterator[None]:
        """At this address, for whoever comes with a leaf of the member."""
        server = LinkServer(lambda: (self._leaf, self._own.anchor), self._exchange, {})
        await server.start(address)
        try:
            yield
        finally:
            await server.stop()

    async def _exchange(
        self, caller: SpiffeId, incoming: AsyncIterator[bytes], send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        await self.sync.serve("dns", incoming, send)

    def change(self) -> int:
        """Another TTL for MOVED; the one it has from now on."""
        self._revision += 1
        key = next(key for key in self.values if key.startswith(f"steered/{MOVED}/"))
        item, ttl = self.values[key], 10 + self._revision
        assert isinstance(item, Steered)
        self._tree = self._tree.put(key, encode(structs.replace(item, name=structs.replace(item.name, ttl=ttl))))
        self._publish()
        return ttl

    def _publish(self) -> None:
        head = msgspec.msgpack.encode(HandoutHead(self._own.name, self._revision, int(time.time())))
        self.sync.publish("dns", self._tree, head)


def measure(names: tuple[str, ...]) -> list[Row]:
    """One server for both rows."""
    if not dns_speed.DNSPERF.exists() and subprocess.run(["scripts/peers"], check=False).returncode:
        return [void(name, "", "no dnsperf here") for name in names]
    rows = asyncio.run(_measured())
    return [rows[name] for name in names]


async def _measured() -> dict[str, Row]:
    own, address = real("us-east"), f"127.0.0.1:{free_port()}"
    controller = Controller(own)
    quiet, beside, took = Late(), Late(), []
    with _asked() as file, tempfile.TemporaryDirectory() as folder:
        home = make_folder(Path(folder) / "dns", own, "dns", controller.values, [], controllers=(address,))
        async with controller.serving(address), _running(home) as server:
            took.append(await _in_force(server, controller.change()))
            await _ask(server, file, Late())
            took.clear()
            for _ in range(RUNS):
                await _ask(server, file, quiet)
                asking = asyncio.create_task(_ask(server, file, beside))
                while not asking.done():
                    begin = time.monotonic()
                    took.append(await _in_force(server, controller.change()))
                    await asyncio.sleep(max(0.0, begin + PERIOD - time.monotonic()))
    return {IN_FORCE: _in_force_row(took), LATE: _late_row(quiet, beside, len(took))}


def _in_force_row(took: list[float]) -> Row:
    note = f"one of {COUNT:,} names is another: from the controller's session to the first answer by it, of a server on one core that answers {RATE:,} queries a second beside"
    return median_row(IN_FORCE, "ms", took, len(took), note)


def _late_row(quiet: Late, beside: Late, swaps: int) -> Row:
    note = f"later than {LATE_MS:g} ms or lost, at {RATE:,} queries a second for {ASKED:,} of {COUNT:,} names, while {swaps} tables were put into force in {RUNS * SECONDS} s: {beside.words}; without: {quiet.words}; one core serves, the other asks"
    return Row(LATE, rounded(beside.share), "%", RUNS, note)


@asynccontextmanager
async def _running(home: Path) -> AsyncIterator[Serving]:
    port = free_port()
    command = [ISTHMUS, "dns", "serve", "--state", str(home), "--listen", f"127.0.0.1:{port}"]
    server = dns_servers.running(command, port, MOVED, {}, START_SECONDS)
    found = await asyncio.to_thread(server.__enter__)
    try:
        yield found
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


@contextmanager
def _asked() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines(f"n{number * COUNT // ASKED}.{ZONE} A\n" for number in range(ASKED))
        file.flush()
        yield Path(file.name)


async def _ask(server: Serving, file: Path, late: Late) -> None:
    said = await asyncio.to_thread(dns_speed.perf, server, file, OPTIONS)
    for line in said.splitlines():
        if line.startswith("> ") and not line.startswith("> T "):
            late.times.append(float(line.split()[-1]) * 1_000)
        elif "Queries lost" in line:
            late.lost += int(line.partition(":")[2].split()[0])


async def _in_force(server: Serving, ttl: int) -> float:
    """Milliseconds until the name has this TTL. RuntimeError when it never has."""
    begin = time.monotonic()
    query = dns.message.make_query(MOVED, "A")
    while time.monotonic() < begin + GIVE_UP:
        try:
            answer = await asyncio.to_thread(dns.query.udp, query, "127.0.0.1", 1.0, server.port)
        except (OSError, dns.exception.DNSException):
            continue
        if answer.answer and answer.answer[0].ttl == ttl:
            return 1_000 * (time.monotonic() - begin)
        await asyncio.sleep(0.005)
    raise RuntimeError(f"{MOVED} does not get the TTL {ttl}")
