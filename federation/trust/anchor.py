"""A member's anchor: a self-signed CA whose critical name constraints permit its own SPIFFE trust domain and nothing
else.

RFC 5280 section 4.2.1.10: permitted URI host = own; excluded dNSName "", IPv4 0/0 and IPv6 ::/0, so that the CA
cannot name a host either. pathlen 0: no CA below it.
"""

from datetime import datetime, timedelta
from ipaddress import ip_network

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from federation.link.unreadable import UNREADABLE
from federation.model.errors import Refused

LIFE = timedelta(days=3650)
BACKDATE = timedelta(minutes=5)
ANCHOR_MAX = 2_048
"""Bytes of PEM; that of the longest trust domain takes 1.8 KB. Every anchor stays in the ledger for ever."""


def constraints_for(trust_domain: str) -> x509.NameConstraints:
    """What an anchor of this trust domain must carry, critically."""
    return x509.NameConstraints(
        permitted_subtrees=[x509.UniformResourceIdentifier(trust_domain)],
        excluded_subtrees=[
            x509.DNSName(""),
            x509.IPAddress(ip_network("0.0.0.0/0")),
            x509.IPAddress(ip_network("::/0")),
        ],
    )


def make_anchor(trust_domain: str, now: datetime) -> tuple[str, str]:
    """A fresh anchor for this trust domain: (private key PEM, certificate PEM). Subject and key ids are distinct."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, f"isthmus anchor {serial:x}"[:64]),
        ]
    )
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(constraints_for(trust_domain), critical=True)
        .add_extension(subject_key, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key_pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_id(pem: str) -> str:
    """The subject key id (hex) of an anchor: what the leaves that it signs name as their issuer."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


def check_anchor(pem: str, trust_domain: str, member: str, now: datetime) -> None:
    """Refused (E107, E108, E117) unless this is exactly one CA with the form of `make_anchor` for this trust domain,
    which is valid now.
    """
    certificate = check_form(pem, trust_domain, member)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused(
            f"CA certificate of member {member} is valid from {certificate.not_valid_before_utc:%Y-%m-%dT%H:%MZ} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%MZ}, local time {now:%Y-%m-%dT%H:%MZ}: "
            "clock skew suspected",
            "E108",
        )


def check_form(pem: str, trust_domain: str, member: str) -> x509.Certificate:
    """The one CA in this PEM; all of it can be read. Refused (E107, E117) unless it has the form of `make_anchor` for
    this trust domain.
    """
    if len(pem) > ANCHOR_MAX:
        raise Refused(f"anchor of member {member} has {len(pem)} bytes > {ANCHOR_MAX}", "E117")
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        wrong = _wrong(certificates[0], trust_domain)
    except UNREADABLE as error:
        raise Refused(f"anchor of member {member} cannot be read: {error}", "E107") from None
    if len(certificates) != 1:
        raise Refused(f"anchor of member {member} holds {len(certificates)} certificates, must be 1", "E107")
    if wrong:
        raise Refused(f"CA certificate of member {member} {wrong}", "E107")
    return certificates[0]


def _wrong(certificate: x509.Certificate, trust_domain: str) -> str | None:
    if not certificate.subject.rdns:
        return "has no subject"
    if certificate.not_valid_before_utc >= certificate.not_valid_after_utc:
        return "is valid at no time"
    found = {extension.oid: extension for extension in certificate.extensions}
    basic = found.get(x509.BasicConstraints.oid)
    if basic is None or basic.value != x509.BasicConstraints(ca=True, path_length=0):
        return "is not a CA with path length 0"
    limits = found.get(x509.NameConstraints.oid)
    if limits is None or not limits.critical or limits.value != constraints_for(trust_domain):
        return f"lacks critical name constraints (URI permitted: {trust_domain})"
    if x509.SubjectKeyIdentifier.oid not in found or x509.AuthorityKeyIdentifier.oid not in found:
        return "lacks subject or authority key identifiers"
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature) as error:
        return f"is not self-signed: {type(error).__name__}"
    return None
