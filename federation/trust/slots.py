"""The anchor keys on the signer's disk: the one in force and, while the anchor is rotated, the next one beside it.

`ca/next.json` (0600) is the only thing that changes before a rotation ends, and is replaced whole, so that a signer
that dies at any moment starts with one key in force: the next one when it was activated, else the first.
"""

from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct, structs

from federation.config import private_text
from federation.files import write_private
from federation.model.errors import InputError, Refused
from federation.trust.anchor import make_anchor

ROTATION = b"isthmus anchor rotation v1\x00"


class Slot(Struct, frozen=True):
    """One anchor (PEM) with its key (PEM)."""

    key: str
    anchor: str


class Next(Struct, frozen=True):
    """The anchor that follows; `active` when the signer signs with it."""

    slot: Slot
    active: bool = False


class Slots:
    """The keys of one trust domain. Every operation may be repeated: what is so already stays so."""

    def __init__(self, key: Path, anchor: Path, following: Path, trust_domain: str) -> None:
        """InputError when a file is missing, is open to others, or holds something else."""
        self.trust_domain = trust_domain
        self._key, self._anchor, self._following = key, anchor, following
        self.first = Slot(private_text(key), anchor.read_text())
        self.next: Next | None = None
        if following.exists():
            try:
                self.next = msgspec.json.decode(private_text(following), type=Next)
            except msgspec.MsgspecError as error:
                raise InputError(f"{following}: {error}") from None
        if self.next is not None and self.next.active and self.first.anchor == self.next.slot.anchor:
            self.finish(self.next.slot.anchor)

    @property
    def signing(self) -> Slot:
        """The anchor that signs now."""
        return self.next.slot if self.next is not None and self.next.active else self.first

    def prepare(self, now: datetime) -> None:
        """Make the next anchor, when there is none."""
        if self.next is None:
            self._put(Next(Slot(*make_anchor(self.trust_domain, now))))

    def activate(self, anchor: str) -> None:
        """Sign with the next anchor from now on. Refused when this is not it."""
        held = self._is_next(anchor)
        if held is not None and not held.active:
            self._put(structs.replace(held, active=True))

    def abort(self) -> None:
        """Forget the next anchor. Refused (E102) when it signs already."""
        if self.next is not None and self.next.active:
            raise Refused("the next anchor signs already: its key is not removed", "E102")
        self._following.unlink(missing_ok=True)
        self.next = None

    def finish(self, anchor: str) -> None:
        """Forget the old anchor: the next one, which must sign by now, takes its place. Refused when this is not it."""
        held = self._is_next(anchor)
        if held is None:
            return
        if not held.active:
            raise Refused("the next anchor does not sign yet: the old key is not removed", "E102")
        write_private(self._anchor, held.slot.anchor.encode())
        write_private(self._key, held.slot.key.encode())
        self._following.unlink(missing_ok=True)
        self.first, self.next = held.slot, None

    def prove(self, anchor: str, next_anchor: str) -> tuple[bytes, bytes]:
        """Signatures of the first and the next anchor (empty without one) under the wish for these anchors."""
        text = proof_text(self.trust_domain, anchor, next_anchor)
        return _signed(self.first, text), b"" if self.next is None else _signed(self.next.slot, text)

    def _is_next(self, anchor: str) -> Next | None:
        """The next slot when it has this anchor; None when this is the first already. Refused (E102) otherwise."""
        if self.next is not None and self.next.slot.anchor == anchor:
            return self.next
        if self.next is None and self.first.anchor == anchor:
            return None
        raise Refused("the signer does not hold the key of this anchor", "E102")

    def _put(self, following: Next) -> None:
        write_private(self._following, msgspec.json.encode(following))
        self.next = following


def proof_text(trust_domain: str, anchor: str, next_anchor: str) -> bytes:
    """What is signed for a wish; the prefix keeps it apart from anything else that an anchor's key signs."""
    return ROTATION + msgspec.msgpack.encode((trust_domain, anchor, next_anchor))


def _signed(slot: Slot, text: bytes) -> bytes:
    key = serialization.load_pem_private_key(slot.key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(text, ec.ECDSA(hashes.SHA256()))
