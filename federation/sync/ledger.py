"""The ledger in force here: read from disk, extended by the registrar's command or by a peer; each entry is verified
once.

On the session it is a tree: `key` is the federation's public key, `entry/<index>` one signed entry.
"""

import logging
from pathlib import Path

import msgspec

from federation.files import write_private
from federation.lkg.disk import Disk
from federation.model.errors import InputError, Refused
from federation.model.ledger import Ledger
from federation.model.record import Signed
from federation.registrar.ledger import SignedLedger, decode_ledger, encode_ledger, read_ledger, read_on
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
        try:
            data = path.read_bytes()
        except OSError:
            raise InputError(f"{path} does not exist: take it over with `isthmus member accept`") from None
        self.signed: SignedLedger = decode_ledger(data)
        self._ledger = read_ledger(self.signed, federation)
        self.tree: Tree = ledger_tree(self.signed)

    @property
    def problems(self) -> tuple[str, ...]:
        """What the disk did not take."""
        return self._disk.problems

    @property
    def ledger(self) -> Ledger:
        """The ledger as verified last."""
        return self._ledger

    def reload(self) -> bool:
        """Take over what a command wrote to the file since; True when the ledger moved on."""
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
        """
        change = compare(self.tree, tree)
        held, ours = self.signed, self._ledger
        new = [_entry_key(index) for index in range(ours.index + 1, ours.index + 1 + len(change.changed))]
        if change.changed.keys() != set(new) or (new and change.removed):
            raise Refused(
                f"ledger of {len(tree) - 1} entries does not continue ours of term {ours.term}, index {ours.index}",
                "E109",
            )
        if not new:
            return False
        more = tuple(_signed(key, change.changed[key]) for key in new)
        ledger = read_on(ours, held, more)
        signed = SignedLedger(held.key, (*held.entries, *more))
        if save:
            self._disk.keep("the ledger", lambda: write_private(self._path, encode_ledger(signed)))
        self.signed, self._ledger, self.tree = signed, ledger, self.tree.apply(change.changed)
        return True


def ledger_tree(signed: SignedLedger) -> Tree:
    """The ledger as content of a session."""
    entries = {_entry_key(index): _encoder.encode(entry) for index, entry in enumerate(signed.entries, start=1)}
    return tree_of({KEY: signed.key, **entries})


def _entry_key(index: int) -> str:
    return f"entry/{index}"


def _signed(key: str, data: bytes) -> Signed:
    try:
        return _signed_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise Refused(f"ledger {key} ({len(data)} bytes) cannot be read: {error}", "E120") from None
