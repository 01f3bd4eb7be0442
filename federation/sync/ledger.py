"""The ledger in force here: read from disk, extended by the registrar's command or by a peer, verified each time."""

import logging
from pathlib import Path

from federation.files import write_private
from federation.model.errors import InputError, Refused
from federation.model.ledger import Ledger
from federation.registrar.ledger import SignedLedger, decode_ledger, encode_ledger, read_ledger
from federation.session.tree import Tree, tree_of

log = logging.getLogger("ledger")
TOPIC = "ledger"
KEY = "ledger"


class HeldLedger:
    """The signed ledger and what it says; `tree` is its form on the session."""

    def __init__(self, path: Path, federation: str) -> None:
        """InputError when there is no ledger yet; Refused when the file is not this federation's."""
        self._path = path
        self._federation = federation
        self._stamp = 0
        try:
            data = path.read_bytes()
        except OSError:
            raise InputError(f"{path} does not exist: take it over with `isthmus member accept`") from None
        self.signed: SignedLedger = decode_ledger(data)
        self._ledger = read_ledger(self.signed, federation)
        self.tree: Tree = tree_of({KEY: data})

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
            return self.extend(self._path.read_bytes(), save=False)
        except (OSError, Refused) as error:
            log.error("ledger file refused", extra={"error": str(error)})
            return False

    def extend(self, data: bytes, save: bool = True) -> bool:
        """Take a longer ledger; an older part of ours changes nothing. Refused (E109) when it is another than ours."""
        signed = decode_ledger(data)
        ledger = read_ledger(signed, self._federation)
        held = self.signed.entries
        common = min(len(signed.entries), len(held))
        if signed.entries[:common] != held[:common]:
            raise Refused(
                f"ledger of term {ledger.term}, index {ledger.index} does not continue ours "
                f"of term {self.ledger.term}, index {self.ledger.index}",
                "E109",
            )
        if len(signed.entries) <= len(held):
            return False
        if save:
            write_private(self._path, encode_ledger(signed))
        self.signed, self._ledger, self.tree = signed, ledger, tree_of({KEY: data})
        return True


def ledger_bytes(tree: Tree) -> bytes:
    """The ledger in a session's content. Refused (E120) when it holds none."""
    data = tree.get(KEY)
    if data is None:
        raise Refused("the ledger topic holds no ledger", "E120")
    return data
