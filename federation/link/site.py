"""An aiohttp application behind TLS that asks no client for a certificate, and shows later dialers a renewed one."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable

from aiohttp import web

from federation.model.errors import InputError
from federation.telemetry import split_address

log = logging.getLogger("link")
FRESH_SECONDS = 30.0
Show = Callable[[ssl.SSLContext], None]


class TlsSite:
    """One listener, which the operator named by `option`."""

    def __init__(
        self, option: str, app: web.Application, show: Show, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> None:
        """`show` puts into the context what to show in handshakes; it is asked again every FRESH_SECONDS."""
        self._option = option
        self._app = app
        self._show = show
        self._runner: web.AppRunner | None = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = oldest

    async def start(self, address: str) -> None:
        """Listen on `ip:port`. InputError (E122) when the port cannot be had."""
        host, port = split_address(address, self._option)
        self._show(self._context)
        self._runner = web.AppRunner(self._app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=self._context).start()
        except OSError as error:
            raise InputError(
                f'{self._option} "{address}": {error.strerror}; choose another address or port', "E122"
            ) from None

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def keep_fresh(self) -> None:
        """Show a renewed certificate to whoever dials from then on, until cancelled."""
        while True:
            await asyncio.sleep(FRESH_SECONDS)
            try:
                self.show()
            except InputError as error:
                log.error("the renewed certificate is not shown", extra={"reason": str(error)})

    def show(self) -> None:
        """Show the certificate in force now."""
        self._show(self._context)
