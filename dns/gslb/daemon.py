"""The DNS server process: the feed swaps the table, the sockets read it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dns.rcode
from prometheus_client import Counter, Gauge

from federation.link.feed import Feed
from federation.model.errors import InputError
from federation.model.handout import NodeReport
from federation.process import until_stopped
from gslb.control import Control, Question
from gslb.explain import explain
from gslb.locality import Line
from gslb.serve import Server
from gslb.steer import Steering, client_of
from gslb.table import Compiler
from gslb.wire import respond

log = logging.getLogger("dns")
names_gauge = Gauge("isthmus_dns_names", "Names with data in the table")
age_gauge = Gauge("isthmus_handout_age_seconds", "Seconds since the handout in force was made")
responses_total = Counter("isthmus_dns_responses_total", "Responses by zone and code", ["zone", "rcode"])

Address = tuple[str, int]


class Daemon:
    """Serves the last good handout from the first moment, and every newer one as it comes."""

    def __init__(self, directory: Path, lines: tuple[Line, ...] = ()) -> None:
        """InputError when the folder was not enrolled."""
        self._feed = Feed.open(directory)
        if self._feed.enrolled.role != "dns":
            raise InputError(f"{directory}: enrolled as {self._feed.enrolled.role}, which is no DNS server")
        self._compiler = Compiler(lines)
        self._control = Control(directory, self._explained)
        self._problems: tuple[str, ...] = ()
        self._steering = self._compiled()
        age_gauge.set_function(self._age)

    async def run(self, addresses: Sequence[Address]) -> None:
        """Serve on these addresses until SIGTERM or SIGINT."""
        servers = [Server(self._respond) for _ in addresses]
        try:
            await self._control.start()
            for server, (host, port) in zip(servers, addresses, strict=True):
                await server.start(host, port)
            self._report()
            log.info("DNS server is up", extra={"listen": [f"{host}:{port}" for host, port in addresses]})
            await until_stopped([self._feed.run(), self._follow()])
        finally:
            for server in servers:
                await server.close()
            await self._control.close()

    def _respond(self, data: bytes, address: str, tcp: bool) -> bytes | None:
        reply = respond(self._steering, data, client_of(address), tcp, _now())
        if reply is None:
            return None
        responses_total.labels(reply.zone or "none", dns.rcode.to_text(dns.rcode.Rcode(reply.code))).inc()
        return reply.data

    async def _follow(self) -> None:
        while True:
            await self._feed.changed.wait()
            self._feed.changed.clear()
            self._steering = self._compiled()
            self._report()

    def _compiled(self) -> Steering | None:
        """The steering of the handout in force; None before the first one."""
        head = self._feed.head
        if head is None:
            return None
        table = self._compiler.compile(self._feed.values, head.revision)
        names_gauge.set(sum(len(zone.names) for zone in table.zones.values()) + len(table.steered))
        for line in set(table.problems) - set(self._problems):
            log.warning("problem", extra={"problem": line})
        self._problems = table.problems
        return Steering(table, {})

    def _report(self) -> None:
        enrolled = self._feed.enrolled
        report = NodeReport(node=enrolled.node, role="dns", reached=self._feed.tree.root, problems=self._problems)
        self._feed.report({"node": report})

    def _explained(self, question: Question) -> dict[str, Any]:
        return explain(self._steering, question.name, question.client, question.subnet, _now())

    def _age(self) -> float:
        return time.time() - self._feed.head.made if self._feed.head else -1.0


def _now() -> int:
    return time.time_ns() // 1_000_000
