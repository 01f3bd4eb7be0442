"""Which keys sign JWT-SVIDs: our own for our record, every member's for our node agents; and foreign bundles."""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from federation.model.handout import ForeignBundle, JwtBundle
from federation.model.names import MemberName
from federation.model.record import JwtKeys, Resource, Signed
from federation.ports import ForeignState, PeerState, Store
from federation.wire.keyed import encode

OWN = "jwt/own"


def own_statement(store: Store) -> Signed | None:
    """Our signer's last statement of its keys; None before it ever answered."""
    data = store.get(OWN)
    return None if data is None else msgspec.msgpack.decode(data, type=Signed)


class Bundles:
    """What the signer and the pollers said last. `changed` is called when it is another."""

    def __init__(self, own: MemberName, store: Store, changed: Callable[[], None]) -> None:
        self._own = own
        self._store = store
        self._changed = changed
        self.foreign: tuple[ForeignState, ...] = ()

    def put_own(self, statement: Signed) -> None:
        """The signer states these keys: they stand, over restarts, until there is another statement."""
        if statement != own_statement(self._store):
            self._store.put(OWN, encode(statement))
            self._changed()

    def put_foreign(self, states: tuple[ForeignState, ...]) -> None:
        """What is known of foreign trust domains."""
        self.foreign = states
        self._changed()

    def record(self) -> dict[str, Resource]:
        """What our record says of our keys."""
        statement = own_statement(self._store)
        return {} if statement is None else {"jwt": JwtKeys(statement)}

    def handout(self, states: Mapping[MemberName, PeerState]) -> dict[str, Struct]:
        """The keys of each member that states them, and each foreign bundle, as our node agents read them."""
        said = {self._own: self.record().get("jwt"), **{name: state.view.get("jwt") for name, state in states.items()}}
        members = {f"jwt/{name}": JwtBundle(name, of.statement) for name, of in said.items() if isinstance(of, JwtKeys)}
        foreign = {
            f"foreign/{one.trust_domain}": ForeignBundle(one.trust_domain, one.anchors, one.keys)
            for one in self.foreign
            if one.fetched
        }
        return {**members, **foreign}
