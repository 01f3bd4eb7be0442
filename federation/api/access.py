"""/v1/access?of=NS/NAME&source=SPIFFE&method=GET&path=/: whether a caller of another member may call what we export."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from federation.api.serve import refusal, reply
from federation.model.errors import IsthmusError
from federation.model.names import ServiceKey, parse_service

Judge = Callable[[ServiceKey, str, str, str], dict[str, Any]]
"""Of a service, a SPIFFE ID, a method and a path. IsthmusError."""


class AccessRoute:
    """Adds the route to an application."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def add_to(self, app: web.Application) -> None:
        """Serve it there."""
        app.router.add_get("/v1/access", self._get)

    async def _get(self, request: web.Request) -> web.Response:
        asked = request.query
        try:
            service = parse_service(asked.get("of", ""))
            judged = self._judge(service, asked.get("source", ""), asked.get("method", ""), asked.get("path", ""))
            return reply(judged)
        except IsthmusError as error:
            return refusal(error)
