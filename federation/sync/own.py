"""Our own record: its signed head moves on with every change of content, and never back."""

import msgspec
from msgspec import Struct

from federation.model.names import MemberName
from federation.model.record import Head, Signed
from federation.ports import Clock, Store
from federation.registrar.signing import SigningKey
from federation.session.tree import Tree

KEPT = "record/own"
_encoder = msgspec.msgpack.Encoder()


class _Kept(Struct, frozen=True):
    epoch: int
    generation: int
    root: bytes
    signed: Signed


class OwnRecord:
    """Signs the content that the plan wants published. A store that was lost starts a later epoch."""

    def __init__(self, member: MemberName, key: SigningKey, store: Store, clock: Clock) -> None:
        self._member = member
        self._key = key
        self._store = store
        data = store.get(KEPT)
        self._kept = None if data is None else msgspec.msgpack.decode(data, type=_Kept)
        self._epoch = self._kept.epoch if self._kept else int(clock.wall())
        self.tree = Tree()

    @property
    def order(self) -> tuple[int, int]:
        """(epoch, generation) of the last head."""
        return (self._epoch, self._kept.generation if self._kept else 0)

    def head(self, tree: Tree) -> bytes:
        """The encoded signed head for this content; a new generation when the content is new."""
        self.tree = tree
        if self._kept is None or self._kept.root != tree.root:
            generation = self.order[1] + 1
            body = Head(member=self._member, epoch=self._epoch, generation=generation, root=tree.root)
            signed = self._key.sign(_encoder.encode(body))
            kept = _Kept(self._epoch, generation, tree.root, signed)
            self._store.put(KEPT, _encoder.encode(kept))
            self._kept = kept
        return _encoder.encode(self._kept.signed)
