"""The routes of moves: /v1/drain, /v1/undrain, /v1/shift, /v1/unshift and /v1/freeze, all by POST."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

import msgspec
from aiohttp import web

from federation.api.serve import answered
from federation.model.errors import InputError
from federation.model.moves import REASON_MAX, SECONDS_MAX, Manner
from federation.model.names import ServiceKey, parse_label, parse_service


class Moving(Protocol):
    """Who moves requests. What is refused is an IsthmusError."""

    async def drain(self, member: str, manner: Manner) -> dict[str, Any]:
        """Drain a member."""

    async def undrain(self, member: str) -> dict[str, Any]:
        """End that."""

    async def shift(self, service: ServiceKey, source: str, to: str, ppm: int, manner: Manner) -> dict[str, Any]:
        """Send a part of one member's requests to another."""

    async def unshift(self, service: ServiceKey) -> dict[str, Any]:
        """End that."""

    async def freeze(self, why: str) -> dict[str, Any]:
        """Take no moves from now on ("": take them)."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What any of these routes is asked; each reads what it needs."""

    member: str = ""
    service: str = ""
    source: str = ""
    to: str = ""
    ppm: int = 0
    why: str = ""
    manner: Manner = Manner()


class MoveRoutes:
    """Adds the routes to an application."""

    def __init__(self, moving: Moving) -> None:
        self._moving = moving

    def add_to(self, app: web.Application) -> None:
        """Serve them there."""
        for name in ("drain", "undrain", "shift", "unshift", "freeze"):
            app.router.add_post(f"/v1/{name}", self._route)

    async def _route(self, request: web.Request) -> web.Response:
        return await answered(self._asked(request.path.rpartition("/")[2], await request.read()))

    async def _asked(self, what: str, data: bytes) -> dict[str, Any]:
        body = read_body(data)
        return await self._found(what, body)

    def _found(self, what: str, body: Body) -> Awaitable[dict[str, Any]]:
        match what:
            case "drain":
                return self._moving.drain(parse_label(body.member, "member"), body.manner)
            case "undrain":
                return self._moving.undrain(parse_label(body.member, "member"))
            case "shift":
                service = parse_service(body.service)
                return self._moving.shift(service, body.source, body.to, body.ppm, body.manner)
            case "unshift":
                return self._moving.unshift(parse_service(body.service))
            case _:
                return self._moving.freeze(body.why)


def read_body(data: bytes) -> Body:
    """What was asked. InputError."""
    try:
        body = msgspec.json.decode(data, type=Body)
    except msgspec.MsgspecError as error:
        raise InputError(f"the request cannot be read: {error}") from None
    if not 0 <= body.manner.seconds <= SECONDS_MAX:
        raise InputError(f"--over: {body.manner.seconds} s is not 0 to {SECONDS_MAX}")
    if max(len(body.manner.reason), len(body.why)) > REASON_MAX:
        raise InputError(f"--reason: longer than {REASON_MAX} characters; write it shorter")
    if body.service and body.ppm and not 1 <= body.ppm <= 1_000_000:
        raise InputError(f"--percent: {body.ppm} ppm is not 1 to 1000000")
    if body.manner.everyone and not body.manner.dry:
        raise InputError("everyone: a move for everybody is an entry of the ledger; only a dry run is answered here")
    return body
