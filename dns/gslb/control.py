"""`dns.sock` in the state folder: questions to the running server, one JSON object a line, by its own user only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from federation.model.errors import InputError, IsthmusError, Unavailable
from federation.process import answers

SOCKET = "dns.sock"
PATH_MAX = 107
TIMEOUT = 5.0


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """What `isthmus dns explain` asks."""

    name: str
    client: str
    subnet: bool = False


Explain = Callable[[Question], dict[str, Any]]


class Control:
    """Answers on the socket until closed."""

    def __init__(self, directory: Path, explain: Explain) -> None:
        self._path = directory / SOCKET
        self._explain = explain
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. InputError (E122) when another server runs on this folder, or its path is too long for a socket."""
        if len(str(self._path).encode()) > PATH_MAX:
            raise InputError(f"{self._path}: longer than the {PATH_MAX} bytes of a socket; move the folder", "E122")
        if await answers(self._path):
            raise InputError(f"{self._path}: another DNS server is running on this folder; stop it first", "E122")
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connection, self._path)
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                writer.write(msgspec.json.encode(self._answer(await reader.readline())) + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return self._explain(msgspec.json.decode(line, type=Question))
        except IsthmusError as error:
            return {"code": error.code, "error": error.text}
        except msgspec.MsgspecError as error:
            return {"code": "E125", "error": f"the question cannot be read: {error}"}


def ask(directory: Path, question: Question) -> dict[str, Any]:
    """The running server's answer. Unavailable when none answers, InputError with its words when it refuses."""
    found = asyncio.run(_ask(directory / SOCKET, question))
    if "error" in found:
        raise InputError(found["error"], found["code"])
    return found


async def _ask(path: Path, question: Question) -> dict[str, Any]:
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(msgspec.json.encode(question) + b"\n")
            found: dict[str, Any] = msgspec.json.decode(await reader.readline())
            writer.close()
            return found
    except (OSError, TimeoutError, msgspec.MsgspecError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable(f"{path}: no DNS server answers ({why}); is `isthmus dns serve` running?") from None
