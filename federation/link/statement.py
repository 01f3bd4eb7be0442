"""Which keys sign a member's JWT-SVIDs, said by its anchor: no controller and no peer can name keys for another.

The anchor signs exact bytes behind a prefix that no certificate begins with (a TBSCertificate is a DER SEQUENCE), so
neither can pass for the other.
"""

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from federation.link.unreadable import UNREADABLE
from federation.model.errors import Refused
from federation.model.record import Signed
from federation.model.tokens import KEYS_MAX, Authorities

PURPOSE = b"isthmus jwt authorities v1\x00"
KID_MAX = 64
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Authorities)


def make_statement(authorities: Authorities, anchor_key_pem: str) -> Signed:
    """The statement of these authorities, signed by the anchor (ECDSA with SHA-256)."""
    key = serialization.load_pem_private_key(anchor_key_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    body = _encoder.encode(authorities)
    return Signed(body, key.sign(PURPOSE + body, ec.ECDSA(hashes.SHA256())))


def read_statement(statement: Signed, anchors_pem: str, trust_domain: str) -> Authorities:
    """The authorities in this statement. Refused (E105 not of one of these anchors or for another trust domain, E120
    form).
    """
    what = f"JWT keys of {trust_domain}"
    if not any(_signed_by(anchor, statement) for anchor in x509.load_pem_x509_certificates(anchors_pem.encode())):
        raise Refused(f"{what}: the statement is not signed by an anchor of this trust domain", "E105")
    try:
        authorities = _decoder.decode(statement.body)
    except msgspec.MsgspecError as error:
        raise Refused(f"{what} ({len(statement.body)} bytes): {error}", "E120") from None
    if authorities.trust_domain != trust_domain:
        named = authorities.trust_domain[:255]
        raise Refused(f'{what}: the statement is for trust domain "{named}"', "E105")
    wrong = _wrong_keys(authorities)
    if wrong:
        raise Refused(f"{what}: {wrong}", "E120")
    return authorities


def constrained_to(anchor_pem: str) -> str:
    """The trust domain that this anchor's name constraints permit: the registrar admits no other form of anchor."""
    anchor = x509.load_pem_x509_certificate(anchor_pem.encode())
    limits = anchor.extensions.get_extension_for_class(x509.NameConstraints).value
    assert limits.permitted_subtrees
    return str(limits.permitted_subtrees[0].value)


def _signed_by(anchor: x509.Certificate, statement: Signed) -> bool:
    key = anchor.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(statement.signature, PURPOSE + statement.body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _wrong_keys(authorities: Authorities) -> str | None:
    kids = [key.kid for key in authorities.keys]
    if len(kids) > KEYS_MAX:
        return f"{len(kids)} keys > {KEYS_MAX}"
    if len(set(kids)) != len(kids):
        return "a key id is used twice"
    for key in authorities.keys:
        if not (key.kid.isascii() and key.kid.isprintable()) or not 1 <= len(key.kid) <= KID_MAX:
            return f"key id {key.kid[:80]!r} is not 1 to {KID_MAX} printable ASCII characters"
        try:
            public = serialization.load_der_public_key(key.public)
        except UNREADABLE:
            return f"key {key.kid} cannot be read"
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            return f"key {key.kid} is not P-256"
    return None
