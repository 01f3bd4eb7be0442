"""The leader's side: what the standbys of its own member may read."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from hashlib import sha256
from itertools import chain
from os import SEEK_END
from pathlib import Path
from typing import Any

import msgspec

from federation.config import Folder
from federation.lkg.ring import CHECKSUM as DIGEST
from federation.lkg.ring import LOG, YOUNGEST
from federation.model.errors import IsthmusError, Refused
from federation.model.names import parse_subject
from federation.model.spiffe import SpiffeId
from federation.replica.questions import LEDGER, PART, Asked, ExplainAsked, FilesAsked, StatusAsked

_decoder: msgspec.msgpack.Decoder[Asked] = msgspec.msgpack.Decoder(Asked)


class Answers:
    """Answers one question at a time, to who is a controller of this member and to nobody else."""

    def __init__(
        self,
        own: SpiffeId,
        folder: Folder,
        status: Callable[[], dict[str, Any]],
        explain: Callable[..., dict[str, Any]],
    ) -> None:
        self._own = own
        self._folder = folder
        self._status = status
        self._explain = explain

    async def answer(self, caller: SpiffeId, request: bytes) -> bytes:
        """Refused (E105) for any other caller, Refused (E120) for what is no question."""
        if caller != self._own:
            raise Refused(f"{caller} is no controller of this member: it may not read its state", "E105")
        try:
            asked = _decoder.decode(request)
        except msgspec.MsgspecError as error:
            raise Refused(f"question of a standby cannot be read: {error}", "E120") from None
        if isinstance(asked, StatusAsked):
            return _json(self._status())
        if isinstance(asked, ExplainAsked):
            return _json(self._explained(asked))
        files = await asyncio.to_thread(self._files)
        if isinstance(asked, FilesAsked):
            return msgspec.msgpack.encode({name: digest_of(path) for name, path in files.items()})
        if asked.name not in files or asked.offset < 0:
            raise Refused(f'no file "{asked.name}" is given to standbys', "E104")
        return _part(files[asked.name], asked.offset)

    def _explained(self, asked: ExplainAsked) -> dict[str, Any]:
        try:
            return self._explain(parse_subject(asked.of), asked.member, asked.at)
        except IsthmusError as error:
            return {"code": error.code, "error": error.text}

    def _files(self) -> dict[str, Path]:
        kept = chain.from_iterable(self._folder.lkg.glob(f"*{suffix}") for suffix in (YOUNGEST, LOG))
        return {path.name: path for path in kept} | {LEDGER: self._folder.ledger}


def digest_of(path: Path) -> bytes:
    """The SHA-256 with which a file of the last known good begins and its log ends; that of the ledger's bytes; b"" for
    none.
    """
    try:
        if path.name == LEDGER:
            return sha256(path.read_bytes()).digest()
        with path.open("rb") as file:
            if path.suffix == LOG:
                file.seek(-DIGEST, SEEK_END)
            return file.read(DIGEST)
    except OSError:
        return b""


def _part(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(PART)
    except OSError as error:
        raise Refused(f"{path.name}: {error.strerror}", "E104") from None


def _json(value: dict[str, Any]) -> bytes:
    return zlib.compress(msgspec.json.encode(value), 1)
