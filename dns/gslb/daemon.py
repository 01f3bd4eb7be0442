"""The DNS server process: the feed swaps the table, the sockets read it."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from msgspec import Struct
from prometheus_client import Gauge

from federation.link.feed import Feed
from federation.model.handout import NodeReport
from federation.process import until_stopped
from gslb.serve import Server
from gslb.table import Table, compile_table
from gslb.wire import respond

log = logging.getLogger("dns")
names_gauge = Gauge("isthmus_dns_names", "Names with data in the table")
age_gauge = Gauge("isthmus_handout_age_seconds", "Seconds since the handout in force was made")


class Daemon:
    """Serves the last good handout from the first moment, and every newer one as it comes."""

    def __init__(self, directory: Path) -> None:
        """InputError when the folder was not enrolled."""
        self._feed = Feed.open(directory)
        self._table: Table = self._compiled()
        age_gauge.set_function(self._age)

    async def run(self, host: str, port: int) -> None:
        """Serve until SIGTERM or SIGINT."""
        server = Server(lambda query, tcp: respond(self._table, query, tcp))
        await server.start(host, port)
        self._report()
        log.info("DNS server is up", extra={"listen": f"{host}:{port}", "names": len(self._table.names)})
        try:
            await until_stopped([self._feed.run(), self._follow()])
        finally:
            await server.close()

    async def _follow(self) -> None:
        while True:
            await self._feed.changed.wait()
            self._feed.changed.clear()
            self._table = self._compiled()
            self._report()

    def _compiled(self) -> Table:
        values: dict[str, Struct] = self._feed.values
        head = self._feed.head
        table = compile_table(values, head.revision if head else 0)
        names_gauge.set(len(table.names))
        return table

    def _report(self) -> None:
        enrolled = self._feed.enrolled
        self._feed.report({"node": NodeReport(node=enrolled.node, role="dns", reached=self._feed.tree.root)})

    def _age(self) -> float:
        return time.time() - self._feed.head.made if self._feed.head else -1.0
