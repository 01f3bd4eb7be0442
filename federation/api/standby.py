"""The API socket of a controller that stands by: what is read comes from the leader, changes are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from federation.api.serve import explain_asked, listen_on, living, refusal, reply
from federation.model.errors import InputError, IsthmusError


class Reading(Protocol):
    """What a standby can say."""

    async def status(self) -> dict[str, Any]:
        """What the leader says, or said last."""

    async def explain(self, of: str, member: str, at: int) -> dict[str, Any]:
        """The same of one service or name. IsthmusError."""

    def whose(self) -> str:
        """Who leads, in words."""


class StandbyApi:
    """Routes: /healthz, /metrics, /v1/status, /v1/explain as the leader has them; every other one of /v1 is refused."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def start(self, socket: Path) -> web.AppRunner:
        """Listen; the caller cleans the runner up. InputError (E122) when another controller answers there."""
        app = living()
        app.router.add_get("/v1/status", self._status)
        app.router.add_get("/v1/explain", self._explain)
        app.router.add_route("*", "/v1/{rest:.*}", self._refuse)
        return await listen_on(app, socket)

    async def _status(self, request: web.Request) -> web.Response:
        return reply(await self._reading.status())

    async def _explain(self, request: web.Request) -> web.Response:
        try:
            explain_asked(request)
            of, member = request.query.get("of", ""), request.query.get("from", "")
            return reply(await self._reading.explain(of, member, int(request.query.get("at", "0"))))
        except IsthmusError as error:
            return refusal(error)

    async def _refuse(self, request: web.Request) -> web.Response:
        return refusal(InputError(f"{self._reading.whose()} Ask there", "E122"))
