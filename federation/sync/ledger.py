"""The ledger in force here: read from disk, extended by the registrar's command or by a peer; each entry is verified
once.

On the session it is a tree: `key` is the federation's public key, `entry/<index>` one signed entry.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec

from federation.files import write_private
from federation.lkg.disk import Disk
from federation.model.errors import InputError, Refused
from federation.model.ledger import Ledger
from federation.model.record import Signed
from federation.registrar.ledger import (
    SignedLedger,
    decode_ledger,
    encode_ledger,
    read_entry,
    read_ledger,
    read_on,
)
from federation.session.tree import Tree, compare, tree_of

log = logging.getLogger("ledger")
TOPIC = "ledger"
KEY = "key"

_encoder = msgspec.msgpack.Encoder()
_signed_decoder = msgspec.msgpack.Decoder(Signed)


class HeldLedger:
    """The signed ledger and what it says; `tree` is its form on the session."""

    def __init__(self, path: Path, federation: str) -> None:
        """InputError when there is no ledger yet; Refused when the file is not this federation's."""
        self._path = path
        self._federation = federation
        self._stamp = 0
        self._disk = Disk()
        self._unsaved = False
        self._overruled: tuple[str, ...] = ()
        try:
            data = path.read_bytes()
        except OSError:
            raise InputError(f"{path} does not exist: take it over with `isthmus member accept`") from None
        self.signed: SignedLedger = decode_ledger(data)
        self._ledger = read_ledger(self.signed, federation)
        self.tree: Tree = ledger_tree(self.signed)

    @property
    def problems(self) -> tuple[str, ...]:
        """What the disk did not take, and what was overruled."""
        return (*self._disk.problems, *self._overruled)

    @property
    def ledger(self) -> Ledger:
        """The ledger as verified last."""
        return self._ledger

    def reload(self) -> bool:
        """Take over what a command wrote to the file since, and write again what the disk did not take; True when the
        ledger moved on.
        """
        self._save()
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            return self.extend(ledger_tree(decode_ledger(self._path.read_bytes())), save=False)
        except (OSError, Refused) as error:
            log.error("ledger file refused", extra={"error": str(error)})
            return False

    def extend(self, tree: Tree, save: bool = True) -> bool:
        """Take a longer ledger; an older part of ours changes nothing. Refused (E109) when it is another than ours, and
        for what `read_on` refuses. The cost is that of the entries which are new.

        Where two registrars appended at once, the entries of the later term stand: what the earlier wrote after the
        role was moved away from it is overruled, and that is said.
        """
        change = compare(self.tree, tree)
        known = len(self.signed.entries)
        first = min((_index(key) for key in (*change.changed, *change.removed)), default=known + 1)
        more = tuple(_entries(tree, first))
        if first <= known and not change.changed:
            return False
        begun = SignedLedger(self.signed.key, self.signed.entries[: first - 1]) if first <= known else self.signed
        if first < 2 or len(tree) != first + len(more):
            raise self._other(tree)
        ledger = read_on(read_ledger(begun, self._federation) if first <= known else self._ledger, begun, more)
        overruled = self.signed.entries[first - 1 :]
        if overruled and ledger.term <= self._ledger.term:
            raise self._other(tree)
        if not more:
            return False
        self._overruled += tuple(_told(entry, ledger) for entry in overruled)
        signed = SignedLedger(begun.key, (*begun.entries, *more))
        self.signed, self._ledger, self.tree = signed, ledger, tree
        self._unsaved = save
        self._save()
        return True

    def _save(self) -> None:
        if self._unsaved:
            data = encode_ledger(self.signed)
            self._unsaved = not self._disk.keep("the ledger", lambda: write_private(self._path, data))

    def _other(self, tree: Tree) -> Refused:
        ours = self._ledger
        text = f"ledger of {len(tree) - 1} entries does not continue ours of term {ours.term}, index {ours.index}"
        return Refused(text, "E109")


def ledger_tree(signed: SignedLedger) -> Tree:
    """The ledger as content of a session."""
    entries = {_entry_key(index): _encoder.encode(entry) for index, entry in enumerate(signed.entries, start=1)}
    return tree_of({KEY: signed.key, **entries})


def _entry_key(index: int) -> str:
    return f"entry/{index}"


def _index(key: str) -> int:
    """The index in such a key; 0 for any other."""
    number = key.removeprefix("entry/")
    return int(number) if number.isascii() and number.isdigit() and _entry_key(int(number)) == key else 0


def _entries(tree: Tree, first: int) -> Iterator[Signed]:
    """The entries from this index on."""
    index = first
    while (data := tree.get(_entry_key(index))) is not None:
        try:
            yield _signed_decoder.decode(data)
        except msgspec.MsgspecError as error:
            text = f"ledger {_entry_key(index)} ({len(data)} bytes) cannot be read: {error}"
            raise Refused(text, "E120") from None
        index += 1


def _told(entry: Signed, ledger: Ledger) -> str:
    lost = read_entry(entry.body)
    text = (
        f'ledger entry {lost.index} of term {lost.term} about member "{lost.member.name}" ({lost.member.state}) was '
        f'overruled by term {ledger.term}; if it still matters, do it again at the registrar "{ledger.registrar}"'
    )
    log.error("ledger entry overruled", extra={"code": "E109", "reason": text})
    return text
