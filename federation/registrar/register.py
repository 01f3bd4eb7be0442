"""Appending to the ledger file of the registrar: one writer at a time, whole or not at all."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.files import write_private
from federation.model.errors import InputError, Refused
from federation.model.ledger import Ledger, Member, Settings
from federation.model.names import MemberName
from federation.model.record import Signed
from federation.registrar.ledger import (
    SignedLedger,
    decode_ledger,
    encode_ledger,
    ledger_in,
    next_entry,
    read_entry,
    read_ledger,
    with_entry,
)
from federation.registrar.signing import LEDGER, SigningKey

Change = Callable[[Ledger], Member]
Setting = Callable[[Ledger], Settings]


class Appender:
    """The ledger file of one member of this federation (the fingerprint of its key), which appends as `own`."""

    def __init__(self, path: Path, federation: str, own: str) -> None:
        self._path, self._federation, self._own = path, federation, own

    def append(self, key_pem: str, change: Change) -> tuple[bytes, Member]:
        """The ledger file with one more entry, what `change` makes of it, and that entry's member. What `change` raises
        is passed on and nothing is written; Refused (E109) where we are not the registrar.
        """
        return self._add(key_pem, self._next(change))

    def prepare(self, change: Change) -> tuple[bytes, Member]:
        """The bytes of the entry that `append` would add, to be signed where the federation key is, and that entry's
        member. Nothing is written.
        """
        signed = decode_ledger(self._path.read_bytes())
        return self._next(change)(signed, read_ledger(signed, self._federation))

    def append_settings(self, key_pem: str, change: Setting) -> bytes:
        """The ledger file with one more entry: the settings that `change` makes of it. Raises as `append`; InputError
        when they are so already.
        """
        return self._add(key_pem, self._next_settings(change))[0]

    def prepare_settings(self, change: Setting) -> bytes:
        """The bytes of that entry, to be signed where the federation key is. Nothing is written."""
        signed = decode_ledger(self._path.read_bytes())
        return self._next_settings(change)(signed, read_ledger(signed, self._federation))[0]

    def take_over(self, key_pem: str, registrar: str) -> tuple[bytes, Member]:
        """The ledger file with the entry that begins a term of this registrar."""
        return self._add(key_pem, lambda signed, ledger: begin_term(signed, ledger, registrar))

    def prepare_take_over(self, registrar: str) -> tuple[bytes, Member]:
        """The bytes of that entry, to be signed where the federation key is. Nothing is written."""
        signed = decode_ledger(self._path.read_bytes())
        return begin_term(signed, read_ledger(signed, self._federation), registrar)

    def put(self, entry: Signed) -> tuple[bytes, Member]:
        """The ledger file with an entry that was signed elsewhere. Refused when it is not signed by the federation key,
        or does not continue the ledger: another entry was appended since it was prepared.
        """
        with _alone(self._path.parent):
            data = encode_ledger(with_entry(decode_ledger(self._path.read_bytes()), entry))
            ledger_in(data, self._federation)
            write_private(self._path, data)
            return data, read_entry(entry.body).member

    def _add(self, key_pem: str, made: Callable[[SignedLedger, Ledger], tuple[bytes, Member]]) -> tuple[bytes, Member]:
        with _alone(self._path.parent):
            signed = decode_ledger(self._path.read_bytes())
            body, member = made(signed, read_ledger(signed, self._federation))
            data = encode_ledger(with_entry(signed, SigningKey(key_pem, LEDGER).sign(body)))
            ledger_in(data, self._federation)
            write_private(self._path, data)
            return data, member

    def _next(self, change: Change) -> Callable[[SignedLedger, Ledger], tuple[bytes, Member]]:
        def made(signed: SignedLedger, ledger: Ledger) -> tuple[bytes, Member]:
            check_registrar(ledger, self._own)
            member = change(ledger)
            return next_entry(signed, member, ledger.domain, ledger.term), member

        return made

    def _next_settings(self, change: Setting) -> Callable[[SignedLedger, Ledger], tuple[bytes, Member]]:
        def made(signed: SignedLedger, ledger: Ledger) -> tuple[bytes, Member]:
            check_registrar(ledger, self._own)
            settings, member = change(ledger), ledger.members[MemberName(self._own)]
            if settings == ledger.settings:
                raise InputError("the ledger has these settings already: nothing to change")
            return next_entry(signed, member, ledger.domain, ledger.term, settings=settings), member

        return made


def check_registrar(ledger: Ledger, own: str) -> None:
    """Refused (E109) when the role was moved away from us: what we append would be overruled."""
    if ledger.registrar != own:
        raise Refused(
            f'member "{own}" is not the registrar: since term {ledger.term} it is "{ledger.registrar}"; run this there',
            "E109",
        )


def begin_term(signed: SignedLedger, ledger: Ledger, registrar: str) -> tuple[bytes, Member]:
    """The entry that makes this member the registrar. Refused when it is none that could be."""
    member = next((one for one in ledger.active() if one.name == registrar), None)
    if member is None:
        known = ", ".join(one.name for one in ledger.active())
        raise Refused(f'registrar "{registrar}": is no active member; active: {known}', "E104")
    if ledger.registrar == registrar:
        raise Refused(f'member "{registrar}" is the registrar already, since term {ledger.term}', "E102")
    return next_entry(signed, member, ledger.domain, ledger.term + 1, registrar), member


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else who asks so writes in the folder during the block."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
