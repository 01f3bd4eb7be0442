"""What the registrar may change of a member's anchors: what the member proves that it wants. Pure.

A member has one anchor, or two while it is rotated. From one to two, from two to the new one, from two back to the old
one: nothing else. A name stays bound to its anchors, because the key that the ledger has must sign each step.
"""

from datetime import datetime

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import structs

from federation.model.errors import InputError, Refused
from federation.model.ledger import Ledger, Member
from federation.model.names import MemberName
from federation.model.record import Rotation
from federation.model.spiffe import trust_domain
from federation.trust.anchor import check_anchor, key_id
from federation.trust.slots import proof_text


def asks(held: Member, wish: Rotation) -> bool:
    """True when the member wants other anchors than the ledger has."""
    return (wish.anchor, wish.next_anchor) != (held.anchor, held.next_anchor)


def rotated(ledger: Ledger, name: str, wish: Rotation, now: datetime) -> Member:
    """The member with the anchors that it wishes. InputError when it has them; Refused (E102, E105, E107, E108) when
    it may not have them.
    """
    held = ledger.members.get(MemberName(name))
    if held is None or held.state != "active":
        raise Refused(f'member "{name}" is not active in the ledger: its anchors are not changed', "E102")
    if not asks(held, wish):
        raise InputError(f'member "{name}" has these anchors already: nothing to change')
    domain = trust_domain(name, ledger.domain)
    new = _new_anchor(held, wish)
    if new and not held.next_anchor:
        check_anchor(new, domain, name, now)
        _check_distinct(new, ledger, name)
    text = proof_text(domain, wish.anchor, wish.next_anchor)
    _check_proof(held.anchor, wish.by_anchor, text, name, "the anchor that the ledger has")
    if new:
        _check_proof(new, wish.by_next, text, name, "its new anchor")
    return structs.replace(held, anchor=wish.anchor, next_anchor=wish.next_anchor)


def _new_anchor(held: Member, wish: Rotation) -> str:
    """The anchor that this step brings in or puts in force; "" when it takes the new one back."""
    match (wish.anchor, wish.next_anchor):
        case (held.anchor, new) if new and not held.next_anchor:
            return new
        case (held.next_anchor, "") if held.next_anchor:
            return held.next_anchor
        case (held.anchor, "") if held.next_anchor:
            return ""
    raise Refused(
        f'anchors of member "{held.name}": one may become two, and two become one of them; this is no such step', "E102"
    )


def _check_distinct(new: str, ledger: Ledger, name: str) -> None:
    """With one subject or key id for two anchors every verifier fails while both are trusted."""
    subject = x509.load_pem_x509_certificate(new.encode()).subject
    for other in ledger.members.values():
        for pem in filter(None, (other.anchor, other.next_anchor)):
            same = x509.load_pem_x509_certificate(pem.encode()).subject == subject
            if same or key_id(pem) == key_id(new):
                raise Refused(
                    f'new anchor of member "{name}" has the subject or key id of one of member "{other.name}"',
                    "E107",
                )


def _check_proof(pem: str, signature: bytes, text: bytes, name: str, whose: str) -> None:
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, AssertionError):
        raise Refused(f'rotation of member "{name}" does not prove possession of {whose}', "E105") from None


def read_wish(data: bytes) -> Rotation:
    """The wish in these bytes. Refused (E120) when they are none."""
    try:
        return msgspec.msgpack.decode(data, type=Rotation)
    except msgspec.MsgspecError as error:
        raise Refused(f"rotation ({len(data)} bytes) cannot be read: {error}", "E120") from None
