"""/v1/flat: with whose pods ours may speak by address; a POST allows it or denies it. /v1/flat/egress: from which
addresses a namespace's do.
"""

from typing import Any, Protocol, TypeVar

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

    async def egress(self, namespace: str, ranges: tuple[str, ...]) -> dict[str, Any]:
        """Packets of this namespace come from these ranges; none: from its pods' own addresses."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked."""

    member: str
    allowed: bool


class EgressBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of a namespace."""

    namespace: str
    ranges: tuple[str, ...]


T = TypeVar("T", bound=msgspec.Struct)


class FlatRoute:
    """Adds the route to an application."""

    def __init__(self, flattening: Flattening) -> None:
        self._flattening = flattening

    def add_to(self, app: web.Application) -> None:
        """Serve it there."""
        app.router.add_get("/v1/flat", self._get)
        app.router.add_post("/v1/flat", self._post)
        app.router.add_post("/v1/flat/egress", self._post_egress)

    async def _get(self, request: web.Request) -> web.Response:
        return await answered(self._shown())

    async def _post(self, request: web.Request) -> web.Response:
        return await answered(self._change(await request.read()))

    async def _post_egress(self, request: web.Request) -> web.Response:
        return await answered(self._give(await request.read()))

    async def _shown(self) -> dict[str, Any]:
        return self._flattening.shown()

    async def _change(self, data: bytes) -> dict[str, Any]:
        body = _read(data, Body)
        member = parse_label(body.member, "member")
        return await (self._flattening.allow(member) if body.allowed else self._flattening.deny(member))

    async def _give(self, data: bytes) -> dict[str, Any]:
        body = _read(data, EgressBody)
        return await self._flattening.egress(parse_label(body.namespace, "namespace"), body.ranges)


def _read(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise InputError(f"the request cannot be read: {error}") from None
