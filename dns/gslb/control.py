"""`dns.sock` in the state folder: questions to the running server, one JSON object a line, by its own user only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from federation.local.moves import Command
from federation.local.socket import LineServer
from federation.local.socket import ask as ask_socket
from gslb.delegation import Delegation
from gslb.explain import Question
from gslb.overrides import Change

SOCKET = "dns.sock"


Explain = Callable[[Question], dict[str, Any]]
Obey = Callable[[Command], dict[str, Any]]


Override = Callable[[Change], dict[str, Any]]
Delegated = Callable[[str], Delegation]


class OfZone(Struct, frozen=True, forbid_unknown_fields=True):
    """What `isthmus dns delegation` asks."""

    zone: str


class Control:
    """Answers on the socket until closed."""

    def __init__(self, directory: Path, explain: Explain, obey: Obey, delegated: Delegated, override: Override) -> None:
        self._explain = explain
        self._override = override
        self._delegated = delegated
        self._obey = obey
        self._server = LineServer(directory / SOCKET, "DNS server", self._answer)

    async def start(self) -> None:
        """Listen. InputError (E122) when another server runs on this folder, or its path is too long for a socket."""
        await self._server.start()

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        await self._server.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        found = msgspec.json.decode(line, type=dict[str, Any])
        if "do" in found:
            return self._obey(msgspec.json.decode(line, type=Command))
        if "override" in found:
            return self._override(msgspec.json.decode(line, type=Change))
        if "zone" in found:
            return {"rows": self._delegated(msgspec.json.decode(line, type=OfZone).zone).rows}
        return self._explain(msgspec.json.decode(line, type=Question))


def ask(directory: Path, question: object) -> dict[str, Any]:
    """The running server's answer. Unavailable when none answers, InputError with its words when it refuses."""
    return ask_socket(directory / SOCKET, question, "isthmus dns serve")
