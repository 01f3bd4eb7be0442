"""Anchors of a good form that have something of another anchor."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def alike(key_pem: str, anchor: str, subject_of: str = "", key_id_of: str = "") -> str:
    """Another certificate of this anchor over its key, with the subject and the key id (PEM) of these anchors; for ""
    with another subject, or the key id that it has.
    """
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    model = x509.load_pem_x509_certificate(anchor.encode())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "another")])
    name = x509.load_pem_x509_certificate(subject_of.encode()).subject if subject_of else name
    identifier = _identifier(key_id_of or anchor)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(9).not_valid_before(model.not_valid_before_utc)
    builder = builder.not_valid_after(model.not_valid_after_utc)
    for extension in model.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectKeyIdentifier):
            value = identifier
        if isinstance(value, x509.AuthorityKeyIdentifier):
            value = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = builder.add_extension(value, extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _identifier(pem: str) -> x509.SubjectKeyIdentifier:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
