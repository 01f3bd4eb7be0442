"""No two anchors alike, and no key of before under a name that comes back."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from federation.model.errors import Refused
from federation.model.ledger import Had, Ledger
from federation.trust.anchor import key_id


def check_distinct(new: str, ledger: Ledger, name: str) -> None:
    """Refused (E107) when this anchor (PEM, of good form) is like one that the ledger has: with one subject or key id
    for two anchors every verifier fails while both are trusted.
    """
    subject, identifier, key = _subject(new), key_id(new), _key(new)
    for other in ledger.members.values():
        for pem in filter(None, (other.anchor, other.next_anchor)):
            if _subject(pem) == subject or key_id(pem) == identifier or _key(pem) == key:
                raise Refused(
                    f'new anchor of member "{name}" has the subject, key id or public key of one of member '
                    f'"{other.name}"',
                    "E107",
                )


def had_key(had: Had, anchor: str, record_key: bytes) -> bool:
    """True when one of these keys was a name's before, in this certificate or another."""
    return record_key in had.record_keys or _key(anchor) in map(_key, had.anchors)


def _subject(pem: str) -> x509.Name:
    return x509.load_pem_x509_certificate(pem.encode()).subject


def _key(pem: str) -> bytes:
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
