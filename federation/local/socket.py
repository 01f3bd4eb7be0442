"""A unix socket for the owner of a folder only: one JSON object a line is asked, one answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from federation.model.errors import InputError, IsthmusError, Unavailable
from federation.process import answers

PATH_MAX = 107
"""Bytes of a unix socket's path (unix(7))."""
TIMEOUT = 5.0
LINE_MAX = 64 * 1024

Answer = Callable[[bytes], dict[str, Any]]
"""What is answered to a line. IsthmusError, msgspec.MsgspecError."""


class LineServer:
    """Answers until closed. `who` is what listens, in words."""

    def __init__(self, path: Path, who: str, answer: Answer) -> None:
        self._path = path
        self._who = who
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. InputError (E122) when another one runs on this folder, or its path is too long for a socket."""
        if len(str(self._path).encode()) > PATH_MAX:
            raise InputError(f"{self._path}: longer than the {PATH_MAX} bytes of a socket; move the folder", "E122")
        if await answers(self._path):
            raise InputError(f"{self._path}: another {self._who} is running on this folder; stop it first", "E122")
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connection, self._path, limit=LINE_MAX)
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                writer.write(msgspec.json.encode(self._said(await reader.readline())) + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass
        finally:
            writer.close()

    def _said(self, line: bytes) -> dict[str, Any]:
        try:
            return self._answer(line)
        except IsthmusError as error:
            return {"code": error.code, "error": error.text}
        except msgspec.MsgspecError as error:
            return {"code": "E125", "error": f"the question cannot be read: {error}"}
        except OSError as error:
            return {"code": "E190", "error": f"it cannot be written down ({error.strerror}): nothing was done"}


def ask(path: Path, question: object, run: str) -> dict[str, Any]:
    """The answer of what listens there. Unavailable when nothing does (`run` is the command that should), InputError
    with its words when it refuses.
    """
    found = asyncio.run(_ask(path, question, run))
    if "error" in found:
        raise InputError(found["error"], found["code"])
    return found


async def _ask(path: Path, question: object, run: str) -> dict[str, Any]:
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(msgspec.json.encode(question) + b"\n")
            found: dict[str, Any] = msgspec.json.decode(await reader.readline())
            writer.close()
            return found
    except (OSError, TimeoutError, msgspec.MsgspecError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable(f"{path}: nothing answers ({why}); is `{run}` running?") from None
