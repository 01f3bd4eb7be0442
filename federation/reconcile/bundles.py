"""Which keys sign JWT-SVIDs: our own for our record, every member's for our node agents."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from federation.model.handout import JwtBundle
from federation.model.names import MemberName
from federation.model.record import JwtKeys, Resource, Signed
from federation.ports import PeerState, Store
from federation.wire.keyed import encode

OWN = "jwt/own"


def keep_own(store: Store, statement: Signed) -> bool:
    """Keep our signer's statement: it stands until there is another. True when it is new."""
    data = encode(statement)
    if store.get(OWN) == data:
        return False
    store.put(OWN, data)
    return True


def own_keys(store: Store) -> dict[str, Resource]:
    """What our record says of our keys; nothing before the signer ever answered."""
    data = store.get(OWN)
    return {} if data is None else {"jwt": JwtKeys(msgspec.msgpack.decode(data, type=Signed))}


def jwt_bundles(own: MemberName, store: Store, states: Mapping[MemberName, PeerState]) -> dict[str, Struct]:
    """The bundle of each member that states its keys, as our node agents read it."""
    found = {own: own_keys(store).get("jwt"), **{name: state.view.get("jwt") for name, state in states.items()}}
    return {f"jwt/{name}": JwtBundle(name, said.statement) for name, said in found.items() if isinstance(said, JwtKeys)}
