"""The bundle of a trust domain as a document: a JWK set with a sequence number (SPIFFE Trust Domain and Bundle). Pure.

A key of a use or kind that we do not know is left out, as the standard asks; one that is wrong refuses the document.
"""

import base64
from typing import Any

import jwt
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from federation.link.jwks import PublicKey, algorithms_of, jwk_set, public_jwk
from federation.link.unreadable import UNREADABLE
from federation.model.errors import Refused
from federation.model.tokens import JwtKey

REFRESH_HINT = 300
SIZE_MAX = 1024 * 1024
KEYS_MAX = 64
SEQUENCE_MAX = 2**64 - 1


class Bundle(Struct, frozen=True, kw_only=True):
    """What to trust for one trust domain. `anchors` are PEM; without any key, all were revoked.

    `sequence` orders its bundles (0: not said), `refresh_hint` is in seconds (0: not said).
    """

    trust_domain: str
    anchors: tuple[str, ...] = ()
    keys: tuple[JwtKey, ...] = ()
    sequence: int = 0
    refresh_hint: int = 0


class _Document(Struct):
    keys: list[dict[str, Any]]
    spiffe_sequence: int = 0
    spiffe_refresh_hint: int = 0


_decoder = msgspec.json.Decoder(_Document)


def write_bundle(bundle: Bundle) -> bytes:
    """The document of this bundle; one certificate a key, and no key id with it (section 4.2.1)."""
    certificates = [x509.load_pem_x509_certificate(pem.encode()) for pem in bundle.anchors]
    keys = [*map(_x509_jwk, certificates), *jwk_set(bundle.keys)["keys"]]
    counts = {"spiffe_sequence": bundle.sequence, "spiffe_refresh_hint": bundle.refresh_hint}
    return msgspec.json.encode({"keys": keys} | counts)


def _x509_jwk(certificate: x509.Certificate) -> dict[str, Any]:
    key = certificate.public_key()
    assert isinstance(key, PublicKey)
    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
    return {"use": "x509-svid", **public_jwk(key), "x5c": chain}


def read_bundle(data: bytes, trust_domain: str) -> Bundle:
    """The bundle in this document. Refused (E126) when it is none, or not one of this trust domain."""
    what = f"bundle of {trust_domain}"
    if len(data) > SIZE_MAX:
        raise Refused(f"{what}: more than {SIZE_MAX} bytes", "E126")
    try:
        document = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{what} ({len(data)} bytes) cannot be read: {error}", "E126") from None
    if len(document.keys) > KEYS_MAX:
        raise Refused(f"{what}: {len(document.keys)} keys > {KEYS_MAX}", "E126")
    for name, number in (("sequence", document.spiffe_sequence), ("refresh_hint", document.spiffe_refresh_hint)):
        if not 0 <= number <= SEQUENCE_MAX:
            raise Refused(f"{what}: spiffe_{name} {number} is not 0 to {SEQUENCE_MAX}", "E126")
    try:
        anchors = [_anchor(key, trust_domain) for key in document.keys if key.get("use") == "x509-svid"]
        keys = [
            _jwt_key(key) for key in document.keys if key.get("use") == "jwt-svid" and key.get("kty") in ("EC", "RSA")
        ]
    except (*UNREADABLE, TypeError, jwt.PyJWTError) as error:
        raise Refused(f"{what}: {error}", "E126") from None
    if len({key.kid for key in keys}) != len(keys):
        raise Refused(f"{what}: a key id is used twice", "E126")
    return Bundle(
        trust_domain=trust_domain,
        anchors=tuple(anchors),
        keys=tuple(keys),
        sequence=document.spiffe_sequence,
        refresh_hint=document.spiffe_refresh_hint,
    )


def check_successor(held: Bundle | None, new: Bundle) -> None:
    """Refused (E109) when the new bundle is older than what is held, or beside it (section 4.1.2)."""
    if held is None or (held.sequence, new.sequence) == (0, 0):
        return
    what = f"bundle of {new.trust_domain}: sequence {new.sequence}"
    if new.sequence < held.sequence:
        raise Refused(f"{what} is older than {held.sequence}, which is held; last good kept", "E109")
    if new.sequence == held.sequence and (new.anchors, new.keys) != (held.anchors, held.keys):
        raise Refused(f"{what} is held with other keys; last good kept", "E109")


def _anchor(key: dict[str, Any], trust_domain: str) -> str:
    """The PEM of the one CA in this key. ValueError says what is wrong with it."""
    chain = key.get("x5c")
    if not isinstance(chain, list) or len(chain) != 1 or not isinstance(chain[0], str):
        raise ValueError("an x509-svid key does not carry exactly one certificate (x5c)")
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))
        found = {extension.oid: extension.value for extension in certificate.extensions}
    except UNREADABLE:
        raise ValueError("a certificate cannot be read") from None
    basic = found.get(x509.BasicConstraints.oid)
    if not isinstance(basic, x509.BasicConstraints) or not basic.ca:
        raise ValueError("a certificate is no CA")
    names = found.get(x509.SubjectAlternativeName.oid)
    uris = (
        names.get_values_for_type(x509.UniformResourceIdentifier)
        if isinstance(names, x509.SubjectAlternativeName)
        else []
    )
    other = next((uri for uri in uris if uri not in (f"spiffe://{trust_domain}", f"spiffe://{trust_domain}/")), None)
    if other is not None:
        raise ValueError(f'a certificate is of "{other[:255]}"')
    return certificate.public_bytes(Encoding.PEM).decode()


def _jwt_key(key: dict[str, Any]) -> JwtKey:
    kid = key.get("kid")
    if not isinstance(kid, str) or not 1 <= len(kid) <= 255:
        raise ValueError("a jwt-svid key has no id (kid)")
    if "d" in key:
        raise ValueError(f"jwt-svid key {kid!r} is a private key")
    public = jwt.PyJWK(key).key
    if not isinstance(public, PublicKey) or not algorithms_of(public):
        raise ValueError(f"jwt-svid key {kid!r} is too weak or of a kind that may not sign")
    return JwtKey(kid, public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
