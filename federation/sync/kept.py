"""Records of other members on disk: what a restart finds."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from federation.lkg.disk import Disk
from federation.lkg.ring import Ring, newest
from federation.model.errors import Refused
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.sync.held import HeldRecord


class KeptRecords:
    """Of each member two rings: its record as it came, and what stands for the parts of it that are refused."""

    def __init__(self, lkg: Path) -> None:
        self._lkg = lkg
        self._disk = Disk()
        self._rings: dict[MemberName, tuple[Ring, Ring]] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What the disk did not take."""
        return self._disk.problems

    def load(self, member: Member, reader: Member) -> HeldRecord:
        """The record as it was kept last, as far as it still passes."""
        held = HeldRecord(member, reader)
        kept = newest(self._lkg, f"record-{member.name}")
        if kept is not None:
            with suppress(Refused):
                held.take(kept.head, kept.tree)
        good = newest(self._lkg, f"good-{member.name}")
        if good is not None:
            held.recall(good.tree)
        return held

    def keeping(self, held: HeldRecord) -> Callable[[], bool]:
        """The write of what is held now; True when the disk took it. It may run in a thread of its own."""
        name, now = held.member.name, int(time.time())
        signed, tree, good = held.signed, held.tree, held.last_good()
        records, goods = self._rings.setdefault(
            name, (Ring(self._lkg, f"record-{name}"), Ring(self._lkg, f"good-{name}"))
        )

        def write() -> None:
            records.keep(signed, tree, now)
            goods.keep(b"", good, now)

        return lambda: self._disk.keep(f'the record of member "{name}"', write)

    def forget(self, name: MemberName) -> None:
        """Its record will not be written any more; it stays on disk."""
        self._rings.pop(name, None)
