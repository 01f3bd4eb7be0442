"""`control.sock` in the agent's folder: drains while every controller is dead, by the folder's owner only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from federation.law.least import Paths
from federation.local.moves import Command, LocalMoves, naming
from federation.local.socket import LineServer, ask
from federation.model.handout import Peer
from federation.model.moves import Order
from gateways.evidence import way_to

SOCKET = "control.sock"


class Control:
    """What this node was told, and how it changes what the handout says. `values` is the handout in force, `ways` are
    those to peers' gateways as this node sees them, by overlay address.
    """

    def __init__(self, directory: Path, values: Callable[[], Mapping[str, Struct]], ways: Callable[[], Paths]) -> None:
        self.moves = LocalMoves(directory)
        self._values = values
        self._ways = ways
        self._told: dict[str, Order] = {}
        self._server = LineServer(directory / SOCKET, "agent", self._answer)

    @property
    def changed(self) -> asyncio.Event:
        """Set when it was told anything."""
        return self.moves.changed

    async def start(self) -> None:
        """Listen. InputError (E122)."""
        await self._server.start()

    async def close(self) -> None:
        """Stop listening."""
        await self._server.close()

    def planned(self, keys: Iterable[str]) -> dict[str, Struct | None]:
        """These keys of the handout, and those that are other since drains came or ended here, as they are to be
        planned; None for what is gone.
        """
        values = self._values()
        self.moves.obey(values.get("orders"))
        drains, before = self.moves.drains, self._told
        self._told = drains
        moved = {member for member in drains.keys() | before.keys() if drains.get(member) != before.get(member)}
        due = {*keys, *(naming(values, moved) if moved else ())}
        found = {key: values.get(key) for key in due}
        return {key: None if value is None else self.moves.over(value) for key, value in found.items()}

    def _answer(self, line: bytes) -> dict[str, Any]:
        values, ways = self._values(), self._ways()
        paths = {str(one.member): way_to(one, ways) for one in values.values() if isinstance(one, Peer)}
        return self.moves.answer(msgspec.json.decode(line, type=Command), values, paths)


def tell(directory: Path, command: object) -> dict[str, Any]:
    """What the running agent answers. Unavailable, InputError."""
    return ask(directory / SOCKET, command, "isthmus agent run")
