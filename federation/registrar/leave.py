"""The leaver's side of leaving: the wish, kept over restarts until the ledger has it or it is taken back."""

from __future__ import annotations

from typing import Any

from federation.model.errors import Refused
from federation.model.ledger import FORMER, Member
from federation.model.names import MemberName
from federation.model.record import Leave
from federation.ports import LedgerSource, Peers, Store
from federation.registrar.change import check_may_leave

KEPT = "registrar/leave"


class Leaving:
    """Whether we want to leave. The wish is bound to our number in the ledger: who joins again does not leave again."""

    def __init__(self, own: MemberName, ledger: LedgerSource, peers: Peers, store: Store) -> None:
        self._own = own
        self._ledger = ledger
        self._peers = peers
        self._store = store

    @property
    def wish(self) -> Leave | None:
        """What our record says of it; None where there is nothing to ask, or no more."""
        member = self._member()
        asked = self._store.get(KEPT) == str(member.number).encode()
        return Leave(member.number) if asked and member.state == "active" else None

    async def begin(self) -> None:
        """Ask to leave; again is the same. Refused (E102) for the registrar and a revoked one, Unavailable."""
        member = self._member()
        if member.state == "left":
            return
        self._check_not_revoked(member)
        check_may_leave(self._own, self._ledger.ledger.registrar)
        self._store.put(KEPT, str(member.number).encode())
        await self._store.flush()

    async def abort(self) -> None:
        """Take the wish back. Refused (E102) when there is none, or the ledger has it."""
        member = self._member()
        self._check_not_revoked(member)
        if member.state == "left":
            raise Refused(
                f'member "{self._own}" has left already; it comes back with new keys and a token made with --rejoin',
                "E102",
            )
        if self.wish is None:
            raise Refused(f'member "{self._own}" does not ask to leave: nothing to abort', "E102")
        self._store.drop(KEPT)
        await self._store.flush()

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person should know: for whom the wish waits, or that we are no member."""
        member = self._member()
        if member.state != "active":
            said = f"this member {FORMER[member.state]}: it serves its own cluster alone"
            return (f"{said}; it comes back with new keys and a token made with --rejoin",)
        return (self._waits(),) if self.wish else ()

    def status(self) -> dict[str, Any]:
        """As JSON: `state` is active, asks to leave, left or revoked."""
        state = "asks to leave" if self.wish else self._member().state
        return {"member": self._own, "state": state, "problems": list(self.problems)}

    def _waits(self) -> str:
        registrar = MemberName(self._ledger.ledger.registrar)
        state = self._peers.states().get(registrar)
        session = "" if state is not None and state.connected else "no session with it; without one, or "
        return (
            f'asks to leave: waits for the registrar "{registrar}": {session}'
            f"where the federation key is kept offline, run `isthmus member leave {self._own}` there"
        )

    def _check_not_revoked(self, member: Member) -> None:
        if member.state == "revoked":
            raise Refused(f'member "{self._own}" is revoked already', "E102")

    def _member(self) -> Member:
        return self._ledger.ledger.members[self._own]
