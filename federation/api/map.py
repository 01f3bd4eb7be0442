"""Route: GET /v1/map, who calls whom among this member's clients."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from federation.api.serve import reply


class MapRoutes:
    """Answers with what `service_map` gives."""

    def __init__(self, service_map: Callable[[], dict[str, Any]]) -> None:
        self._map = service_map

    def add_to(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get("/v1/map", self._get)

    async def _get(self, request: web.Request) -> web.Response:
        return reply(self._map())
