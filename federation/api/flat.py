"""/v1/flat: with whose pods ours may speak by address; a POST allows it or denies it."""

from typing import Any, Protocol

import msgspec
from aiohttp import web

from federation.api.serve import answered
from federation.model.errors import InputError
from federation.model.names import parse_label


class Flattening(Protocol):
    """Who keeps that. What is refused is an IsthmusError."""

    def shown(self) -> dict[str, Any]:
        """How it stands with every other member."""

    async def allow(self, member: str) -> dict[str, Any]:
        """Our side allows it."""

    async def deny(self, member: str) -> dict[str, Any]:
        """It does not."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked."""

    member: str
    allowed: bool


class FlatRoute:
    """Adds the route to an application."""

    def __init__(self, flattening: Flattening) -> None:
        self._flattening = flattening

    def add_to(self, app: web.Application) -> None:
        """Serve it there."""
        app.router.add_get("/v1/flat", self._get)
        app.router.add_post("/v1/flat", self._post)

    async def _get(self, request: web.Request) -> web.Response:
        return await answered(self._shown())

    async def _post(self, request: web.Request) -> web.Response:
        return await answered(self._change(await request.read()))

    async def _shown(self) -> dict[str, Any]:
        return self._flattening.shown()

    async def _change(self, data: bytes) -> dict[str, Any]:
        try:
            body = msgspec.json.decode(data, type=Body)
        except msgspec.MsgspecError as error:
            raise InputError(f"the request cannot be read: {error}") from None
        member = parse_label(body.member, "member")
        return await (self._flattening.allow(member) if body.allowed else self._flattening.deny(member))
