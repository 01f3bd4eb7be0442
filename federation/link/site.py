"""An aiohttp application behind TLS that asks no client for a certificate, and shows later dialers a renewed one."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable

from aiohttp import web

from federation.link.leaf import Leaf
from federation.link.tls import show_leaf
from federation.model.errors import InputError
from federation.telemetry import split_address

log = logging.getLogger("link")
FRESH_SECONDS = 30.0
Show = Callable[[ssl.SSLContext], None]


async def listening(
    option: str, app: web.Application, address: str, tls: ssl.SSLContext | None = None
) -> web.AppRunner:
    """Serve the application on `ip:port`, which the operator named by `option`; the caller cleans the runner up.
    InputError (E122) when the port cannot be had.
    """
    host, port = split_address(address, option)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        await runner.cleanup()
        raise InputError(f'{option} "{address}": {error.strerror}; choose another address or port', "E122") from None
    return runner


def shown_leaf(leaf: Callable[[], Leaf]) -> Show:
    """Shows the controller's own leaf; one that is shown already is not put into the context again."""
    shown: list[Leaf] = []

    def show(context: ssl.SSLContext) -> None:
        now = leaf()
        if shown != [now]:
            show_leaf(context, now)
            shown[:] = [now]

    return show


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
        self._show(self._context)
        self._runner = await listening(self._option, self._app, address, self._context)

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
