"""Issuing leaves: what a request must be, and the certificate that answers it (X509-SVID, SPIFFE standard).

Nothing is taken from the request but its public key and its one SPIFFE ID; every other field of the certificate is
ours.
"""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from federation.link.unreadable import UNREADABLE
from federation.model.errors import InputError, Refused
from federation.model.spiffe import SpiffeId, parse_spiffe
from federation.trust.anchor import BACKDATE

LEAF_LIFE = timedelta(hours=24)


def requested_identity(request_der: bytes) -> tuple[SpiffeId, ec.EllipticCurvePublicKey]:
    """The identity and key that a PKCS #10 request asks for. Refused (E105) unless it proves possession of a P-256
    key.
    """
    try:
        request = x509.load_der_x509_csr(request_der)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        key = request.public_key()
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise Refused(f"signing request cannot be read: {error}", "E105") from None
    if not request.is_signature_valid:
        raise Refused("signing request does not prove possession of its key", "E105")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused("signing request carries a key that is not P-256", "E105")
    if len(list(names)) != 1 or len(uris) != 1:
        raise Refused(f"signing request carries {len(list(names))} names, must be one SPIFFE ID", "E105")
    try:
        return parse_spiffe(uris[0]), key
    except InputError as error:
        raise Refused(f"signing request: {error.text}", "E105") from None


def sign_leaf(anchor_key_pem: str, anchor_pem: str, request_der: bytes, trust_domain: str, now: datetime) -> str:
    """The leaf (PEM) for this request. Refused (E105) for an identity outside our trust domain or not `/ns/N/sa/A`."""
    identity, key = requested_identity(request_der)
    if identity.trust_domain != trust_domain:
        raise Refused(f"signing request for {identity}: this signer issues only for {trust_domain}", "E105")
    if len(identity.segments) != 4 or identity.segments[0::2] != ("ns", "sa"):
        raise Refused(f"signing request for {identity}: the path must be /ns/NAMESPACE/sa/ACCOUNT", "E105")
    issuer = x509.load_pem_x509_certificate(anchor_pem.encode())
    anchor_key = serialization.load_pem_private_key(anchor_key_pem.encode(), None)
    assert isinstance(anchor_key, ec.EllipticCurvePrivateKey)
    until = min(now + LEAF_LIFE, issuer.not_valid_after_utc)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(identity))])
    ski = x509.SubjectKeyIdentifier.from_public_key(anchor_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(names, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
        .sign(anchor_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
