"""Whose records we have had in any life of this controller, so that one that starts with less does not take a peer
that it has not heard yet for one that exports nothing.
"""

from collections.abc import Mapping

from federation.model.names import MemberName
from federation.ports import PeerState, Store

PREFIX = "heard/"
PATIENCE = 30.0
"""Seconds that the first publication waits for such records; nothing in our cluster is deleted before they are here."""


class Heard:
    """Kept in the store; the records themselves are kept on the disk of one replica, which may be lost."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heard = {MemberName(key.removeprefix(PREFIX)) for key in store.items(PREFIX)}

    def missing(self, states: Mapping[MemberName, PeerState]) -> list[MemberName]:
        """The active members whose record we once had, and now have not."""
        return [name for name, state in states.items() if state.head is None and name in self._heard]

    def note(self, states: Mapping[MemberName, PeerState]) -> None:
        """Remember who was heard; forget who is no member."""
        now = {name for name, state in states.items() if state.head is not None}
        for name in now - self._heard:
            self._store.put(PREFIX + name, b"")
        for name in self._heard - states.keys():
            self._store.drop(PREFIX + name)
        self._heard = {name for name in states if name in self._heard | now}
