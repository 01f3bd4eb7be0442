"""Appending to the ledger file of the registrar: one writer at a time, whole or not at all."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.files import write_private
from federation.model.ledger import Ledger, Member
from federation.model.record import Signed
from federation.registrar.ledger import (
    append,
    decode_ledger,
    encode_ledger,
    next_entry,
    read_entry,
    read_ledger,
    with_entry,
)
from federation.registrar.signing import LEDGER, SigningKey


def append_entry(path: Path, key_pem: str, federation: str, change: Callable[[Ledger], Member]) -> tuple[bytes, Member]:
    """The ledger file with one more entry, what `change` makes of it, and that entry. What `change` raises is passed on
    and nothing is written.
    """
    with _alone(path.parent):
        signed = decode_ledger(path.read_bytes())
        ledger = read_ledger(signed, federation)
        member = change(ledger)
        data = encode_ledger(append(signed, member, ledger.domain, ledger.term, SigningKey(key_pem, LEDGER)))
        write_private(path, data)
        return data, member


def prepare_entry(path: Path, federation: str, change: Callable[[Ledger], Member]) -> tuple[bytes, Member]:
    """The bytes of the entry that `change` would append, to be signed where the federation key is, and that entry's
    member. Nothing is written.
    """
    signed = decode_ledger(path.read_bytes())
    ledger = read_ledger(signed, federation)
    member = change(ledger)
    return next_entry(signed, member, ledger.domain, ledger.term), member


def import_entry(path: Path, federation: str, entry: Signed) -> tuple[bytes, Member]:
    """The ledger file with an entry that was signed elsewhere. Refused when it is not signed by the federation key, or
    does not continue the ledger: another entry was appended since it was prepared.
    """
    with _alone(path.parent):
        data = encode_ledger(with_entry(decode_ledger(path.read_bytes()), entry))
        read_ledger(decode_ledger(data), federation)
        write_private(path, data)
        return data, read_entry(entry.body).member


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else who asks so writes in the folder during the block."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
