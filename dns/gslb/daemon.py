"""The DNS server process: feed and probes swap the steering, the sockets read it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any

from federation.link.feed import Feed
from federation.local.moves import Command, LocalMoves
from federation.model.errors import InputError
from federation.model.moves import Order
from federation.model.report import NodeReport, TargetReport
from federation.process import until_stopped
from federation.telemetry import Problems, join_address
from gslb import metrics
from gslb.bounds import own_ranges
from gslb.checks import Address
from gslb.compiler import Compiler
from gslb.control import Control
from gslb.delegation import Delegation, delegation_of
from gslb.explain import Moment, Question, explain
from gslb.followed import end_readers
from gslb.front import Front
from gslb.options import Itself
from gslb.overrides import Change, Override, Overrides, applied
from gslb.probe import Watch
from gslb.serve import Server
from gslb.settings import Settings
from gslb.steer import Steering
from gslb.table import Table
from gslb.zone import NO_ZONES

log = logging.getLogger("dns")

WORDS_SECONDS = 60.0
"""Seconds without a controller after which other members' words about targets are too old to count."""

REMEMBERED = 8
"""Handouts of which is remembered what was answered from."""

PERIOD = 3.0
"""Seconds after which everything is looked at again, even when no event said so."""


class Daemon:
    """Serves the last good handout from the first moment, and every newer one as it comes."""

    def __init__(self, directory: Path, settings: Settings, again: Callable[[], Awaitable[None]] | None = None) -> None:
        """`again` enrols this server anew, where it can do that by itself. InputError when the folder was not enrolled
        for a DNS server.
        """
        self._feed = Feed.open(directory)
        self._feed.again = again
        if self._feed.enrolled.role != "dns":
            raise InputError(f"{directory}: enrolled as {self._feed.enrolled.role}, which is no DNS server")
        self._compiler = Compiler(settings.lines)
        self._settings = settings
        self._zones = NO_ZONES
        self._history: dict[int, Moment] = {}
        self._watch = Watch(settings.outside, settings.probes)
        self._moves = LocalMoves(directory)
        self._overrides = Overrides(directory)
        self._overridden: tuple[Override, ...] = ()
        self._control = Control(directory, self._explained, self._obey, self._delegated, self._override)
        self._front = Front(settings.limits, settings.packet_path)
        self._table: Table | None = None
        self._probed: Table | None = None
        self._reported: tuple[NodeReport, Mapping[str, TargetReport]] | None = None
        self._seen = self._reached = b""
        self._told: dict[str, Order] = {}
        self._last_heard = -WORDS_SECONDS
        self._fault: tuple[str, ...] = ()
        self._problems = Problems(log)
        metrics.age.set_function(self._age)

    async def run(self, addresses: Sequence[Address]) -> None:
        """Serve on these addresses until SIGTERM or SIGINT."""
        server = Server(self._front.answer, self._front.datagrams)
        try:
            await self._control.start()
            self.begin()
            for host, port in addresses:
                await server.start(host, port)
            self._watch.start()
            self.once()
            listen = list(starmap(join_address, addresses))
            log.info("DNS server is up", extra={"listen": listen, "packet_path": self._front.path})
            await until_stopped([self._feed.run(), self._loop()])
        finally:
            end_readers()
            await self._watch.stop()
            await server.close()
            await self._control.close()

    async def _loop(self) -> None:
        events = (self._feed.changed, self._watch.changed, self._moves.changed)
        while True:
            await self._watch.until_due(events, _now(), PERIOD)
            for event in events:
                event.clear()
            self.once()

    def begin(self) -> None:
        """Answer by what is on disk before anything is probed: to probe very many names takes seconds to begin."""
        self._table_now()
        if self._table is not None:
            self._steer(self._table, moved=False)

    def once(self) -> None:
        """One pass: table, evidence, report. What is the same as before costs nothing of note."""
        self._table_now()
        if self._table is not None:
            self._steer(self._table, self._judged(self._table))
        self._report()

    def _table_now(self) -> None:
        """The table of the handout, the files, the atlas and the drains as they are now."""
        over = self._moves.obey(self._feed.values.get("orders"))
        drains, zones = self._moves.drains, self._settings.files.look()
        drawn = self._compiler.draw(self._settings.atlas.look())
        same = zones is self._zones and drains == self._told and not over and not drawn
        moved = zones is not self._zones
        self._zones = zones
        if self._feed.head is None:
            if moved:
                self._table = Table(dict(zones), 0, known=False)
        elif self._feed.tree.root != self._seen or not same:
            self._told = drains
            self._compile(self._feed.head.revision)

    def _judged(self, table: Table) -> bool:
        """Probe what this table asks for; True when the law is to be told something new."""
        if table is not self._probed:
            self._probed = table
            self._watch.want(table, own_ranges(self._feed.values.get("site")))
        return self._watch.judge(table, _now(), self._heard())

    def _steer(self, table: Table, moved: bool) -> None:
        """Answer by this table under what is found and overridden now."""
        told, self._overridden = self._overridden, self._overrides.now(_now())
        steering = self._front.steering
        if moved or told is not self._overridden or steering is None or steering.table is not table:
            ways = applied(self._watch.stock.evidence, table.steered, self._overridden)
            steering = Steering(table, ways).after(steering)
        self._front.put(steering, Itself(self._settings.name, self._settings.secrets.look()))
        self._remember(Moment(steering, self._watch.stock.findings))
        metrics.measure_targets(self._watch.stock.findings)

    def _remember(self, moment: Moment) -> None:
        """The last that was answered from under each handout, of the newest few."""
        self._history.pop(moment.steering.table.serial, None)
        self._history[moment.steering.table.serial] = moment
        if len(self._history) > REMEMBERED:
            del self._history[next(iter(self._history))]

    def _heard(self) -> bool:
        """True while other members' words count: our controllers were heard of late."""
        now = time.monotonic()
        if self._feed.connected:
            self._last_heard = now
        return now - self._last_heard < WORDS_SECONDS

    def _compile(self, revision: int) -> None:
        """Put the feed's handout into force; the last good one stays when it cannot be read."""
        self._seen = self._feed.tree.root
        try:
            self._table = self._compiler.compile(self._moves.over_all(self._feed.values), revision, self._zones)
        except ValueError as error:
            self._fault = (f"E114 handout {revision} cannot be read: {error}; the last good one stays in force",)
            return
        self._reached, self._fault = self._seen, ()
        metrics.measure_table(self._table)

    def _report(self) -> None:
        reports = self._watch.stock.reports
        table = self._table.problems if self._table is not None else ()
        told = self._settings
        files = (*told.files.problems, *told.secrets.problems, *told.atlas.problems, *self._overrides.problems)
        disk = (*self._feed.disk.problems, *self._moves.problems, *files)
        found = (*self._fault, *table, *self._watch.problems(), *disk)
        self._problems.say(found)
        node = NodeReport(
            node=self._feed.enrolled.node,
            role="dns",
            reached=self._reached,
            problems=found,
            ledger=self._feed.kept,
            issuers=(self._feed.issuer,),
            drains=self._moves.drains,
            frozen=self._moves.frozen,
            packet_path=self._front.path,
        )
        if (node, reports) != self._reported:
            self._reported = node, reports
            self._feed.report({"node": node, **reports})

    def _explained(self, question: Question) -> dict[str, Any]:
        last = next(reversed(self._history.values()), None)
        found = self._history.get(question.at) if question.at else last
        if found is None and question.at:
            known = ", ".join(map(str, self._history)) or "none"
            raise InputError(f"--at {question.at}: this server holds no such revision; it holds {known}", "E104")
        return explain(found, question, _now(), None if question.at else self._watch.parts)

    def _override(self, change: Change) -> dict[str, Any]:
        found = self._overrides.answer(change)
        self._moves.changed.set()
        return found

    def _delegated(self, zone: str) -> Delegation:
        return delegation_of(self._table.zones if self._table else {}, zone)

    def _obey(self, command: Command) -> dict[str, Any]:
        ways = {} if self._table is None else self._table.ways
        return self._moves.answer(command, self._feed.values, ways)

    def _age(self) -> float:
        return time.time() - self._feed.head.made if self._feed.head else -1.0


def _now() -> int:
    return time.time_ns() // 1_000_000
