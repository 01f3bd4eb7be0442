"""The registrar's side of a rotation: wishes from members' records become entries, while the federation key is here."""

import logging
from collections.abc import Mapping
from datetime import datetime

from federation.config import Folder
from federation.model.errors import IsthmusError
from federation.model.ledger import Ledger
from federation.model.names import MemberName
from federation.model.record import Rotation
from federation.registrar.register import Appender
from federation.registrar.rotate import asks, rotated

log = logging.getLogger("registrar")


class Wishes:
    """Grants what members prove that they want of their anchors. A refusal is logged once and kept in `refused`."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._own = folder.own()
        self.refused: dict[MemberName, str] = {}

    def open(self, ledger: Ledger, said: Mapping[MemberName, Rotation]) -> dict[MemberName, Rotation]:
        """The wishes that the ledger does not fulfil yet."""
        members = {member.name: member for member in ledger.active()}
        return {name: wish for name, wish in said.items() if name in members and asks(members[name], wish)}

    def grant(self, ledger: Ledger, said: Mapping[MemberName, Rotation], now: datetime) -> bool:
        """Append an entry for each wish that may be granted. True when one was."""
        wishes = self.open(ledger, said)
        self.refused = {name: text for name, text in self.refused.items() if name in wishes}
        if ledger.registrar != self._own.name or not self._folder.federation_key.exists():
            return False
        return any([self._grant(name, wish, now) for name, wish in wishes.items()])

    def _grant(self, name: MemberName, wish: Rotation, now: datetime) -> bool:
        try:
            key = self._folder.registrar_key()
            ledger = Appender(self._folder.ledger, self._own.federation, self._own.name)
            ledger.append(key, lambda ledger: rotated(ledger, name, wish, now))
        except (IsthmusError, OSError) as error:
            self._refuse(name, str(error))
            return False
        except Exception as error:  # whatever stands in a member's record must end neither us nor the others' wishes
            self._refuse(name, f"{type(error).__name__}: {error}")
            return False
        self.refused.pop(name, None)
        log.info("the ledger has other anchors of a member", extra={"member": name, "two": bool(wish.next_anchor)})
        return True

    def _refuse(self, name: MemberName, reason: str) -> None:
        if self.refused.get(name) != reason:
            log.error("change of anchors refused", extra={"member": name, "reason": reason})
        self.refused[name] = reason
