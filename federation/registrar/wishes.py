"""The registrar's side of rotation and leaving: wishes from members' records become entries, while the federation key
is here.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from federation.config import Folder
from federation.model.errors import IsthmusError
from federation.model.ledger import Ledger
from federation.model.names import MemberName
from federation.model.record import Leave, Rotation
from federation.registrar.change import left
from federation.registrar.register import Appender, Change
from federation.registrar.rotate import asks, rotated

log = logging.getLogger("registrar")
Wish = Rotation | Leave
STANDING = timedelta(seconds=6)
"""For how long a wish to leave must stand in a session: its record from before, in which it was not taken back yet, is
replaced within a digest's period.
"""


class Wishes:
    """Grants what members want of the ledger. A refusal is logged once and kept in `refused`."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._own = folder.own()
        self._standing: dict[MemberName, tuple[Leave, datetime]] = {}
        self.refused: dict[MemberName, str] = {}

    def open(self, ledger: Ledger, said: Mapping[MemberName, Rotation]) -> dict[MemberName, Rotation]:
        """The wishes for other anchors that the ledger does not fulfil yet."""
        members = {member.name: member for member in ledger.active()}
        return {name: wish for name, wish in said.items() if name in members and asks(members[name], wish)}

    def leaving(self, ledger: Ledger, said: Mapping[MemberName, Leave]) -> dict[MemberName, Leave]:
        """Who wants to leave and is a member still."""
        numbers = {member.name: member.number for member in ledger.active()}
        return {name: wish for name, wish in said.items() if numbers.get(name) == wish.number}

    def grant(
        self,
        ledger: Ledger,
        anchors: Mapping[MemberName, Rotation],
        leaves: Mapping[MemberName, Leave],
        now: datetime,
    ) -> bool:
        """Append an entry for each wish that may be granted. True when one was.

        `leaves` are those that come to us in a session now; each must have stood for STANDING.
        """
        stood = self._stood(self.leaving(ledger, leaves), now)
        wishes: dict[MemberName, Wish] = {**self.open(ledger, anchors), **stood}
        self.refused = {name: text for name, text in self.refused.items() if name in wishes}
        if ledger.registrar != self._own.name or not self._folder.federation_key.exists():
            return False
        return any([self._grant(name, wish, now) for name, wish in wishes.items()])

    def _stood(self, leaving: Mapping[MemberName, Leave], now: datetime) -> dict[MemberName, Leave]:
        before = self._standing
        self._standing = {
            name: before[name] if name in before and before[name][0] == wish else (wish, now)
            for name, wish in leaving.items()
        }
        return {name: wish for name, (wish, since) in self._standing.items() if now - since >= STANDING}

    def _grant(self, name: MemberName, wish: Wish, now: datetime) -> bool:
        try:
            key = self._folder.registrar_key()
            Appender(self._folder.ledger, self._own.federation, self._own.name).append(
                key, self._change(name, wish, now)
            )
        except (IsthmusError, OSError) as error:
            if self.refused.get(name) != str(error):
                log.error("a member's wish is refused", extra={"member": name, "reason": str(error)})
            self.refused[name] = str(error)
            return False
        self.refused.pop(name, None)
        if isinstance(wish, Leave):
            log.info("a member left by its own wish", extra={"member": name})
        else:
            log.info("the ledger has other anchors of a member", extra={"member": name, "two": bool(wish.next_anchor)})
        return True

    def _change(self, name: MemberName, wish: Wish, now: datetime) -> Change:
        if isinstance(wish, Leave):
            return lambda ledger: left(ledger, name, self._own.name)
        return lambda ledger: rotated(ledger, name, wish, now)
