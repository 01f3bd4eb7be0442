"""A DNS server of zone files alone: without a federation, a controller or a folder of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from federation.process import until_stopped
from federation.telemetry import Problems
from gslb import metrics
from gslb.checks import Address
from gslb.cookie_secrets import CookieSecrets
from gslb.files import ZoneFiles
from gslb.options import Itself
from gslb.serve import Server
from gslb.steer import Steering, client_of
from gslb.table import Table
from gslb.wire import respond
from gslb.zone import serial_of

log = logging.getLogger("dns")

PERIOD = 1.0
"""Seconds between two looks at the files."""


class Standalone:
    """Serves what the files say, and what they say later as soon as it is good."""

    def __init__(self, files: ZoneFiles, secrets: CookieSecrets, name: str = "") -> None:
        """`name` is what this server is called (NSID)."""
        self._files = files
        self._secrets = secrets
        self._itself = Itself(name, secrets.now)
        self._problems = Problems(log)
        self._steering = Steering(Table({}, 0), {})
        self.once()

    async def run(self, addresses: Sequence[Address]) -> None:
        """Serve on these addresses until SIGTERM or SIGINT. InputError (E122) when one cannot be bound."""
        servers = [Server(self.answer) for _ in addresses]
        try:
            for server, (host, port) in zip(servers, addresses, strict=True):
                await server.start(host, port)
            log.info("DNS server is up", extra={"listen": [f"{host}:{port}" for host, port in addresses]})
            await until_stopped([self._loop()])
        finally:
            for server in servers:
                await server.close()

    def once(self) -> None:
        """Put into force what the files say now."""
        zones = self._files.look()
        if zones is not self._steering.table.zones:
            table = Table(dict(zones), max((serial_of(zone) for zone in zones.values()), default=0))
            self._steering = Steering(table, {})
            metrics.measure_table(table)
        self._itself = Itself(self._itself.name, self._secrets.look())
        self._problems.say((*self._files.problems, *self._secrets.problems))

    def answer(self, data: bytes, address: str, tcp: bool) -> bytes | None:
        """The response to these bytes from this address; None: silence."""
        reply = respond(self._steering, data, client_of(address), tcp, time.time_ns() // 1_000_000, self._itself)
        if reply is None:
            return None
        metrics.count(reply)
        return reply.data

    async def _loop(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            self.once()
