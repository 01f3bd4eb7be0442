"""A DNS server of zone files alone: without a federation, a controller or a folder of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import starmap

from federation.process import until_stopped
from federation.telemetry import Problems, join_address
from gslb import metrics
from gslb.checks import Address
from gslb.followed import end_readers
from gslb.front import Front
from gslb.options import Itself
from gslb.serve import Server
from gslb.settings import Settings
from gslb.steer import Steering
from gslb.table import Table
from gslb.zone import NO_ZONES, serial_of

log = logging.getLogger("dns")

PERIOD = 1.0
"""Seconds between two looks at the files."""


class Standalone:
    """Serves what the files say, and what they say later as soon as it is good."""

    def __init__(self, settings: Settings) -> None:
        """InputError (E125) when the packet path is wanted and cannot be had."""
        self._settings = settings
        self._zones = NO_ZONES
        self._front = Front(settings.limits, settings.packet_path)
        self._problems = Problems(log)
        self.once()

    async def run(self, addresses: Sequence[Address]) -> None:
        """Serve on these addresses until SIGTERM or SIGINT. InputError (E122) when one cannot be bound."""
        server = Server(self._front.answer, self._front.datagrams)
        try:
            for host, port in addresses:
                await server.start(host, port)
            listen = list(starmap(join_address, addresses))
            log.info("DNS server is up", extra={"listen": listen, "packet_path": self._front.path})
            await until_stopped([self._loop()])
        finally:
            end_readers()
            await server.close()

    def once(self) -> None:
        """Put into force what the files say now."""
        zones, steering = self._settings.files.look(), self._front.steering
        if steering is None or zones is not self._zones:
            self._zones = zones
            table = Table(dict(zones), max((serial_of(zone) for zone in zones.values()), default=0))
            steering = Steering(table, {})
            metrics.measure_table(table)
        self._front.put(steering, Itself(self._settings.name, self._settings.secrets.look()))
        self._problems.say((*self._settings.files.problems, *self._settings.secrets.problems))

    async def _loop(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            self.once()
