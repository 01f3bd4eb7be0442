"""Certificates that load, and cannot be read when something in them is looked at."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.worlds.acme import NOW

P256, UNKNOWN_KIND = bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d0209")
ONE, TWO = (x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{n}"), b"\x05\x00") for n in (4, 5))
KEY = ec.generate_private_key(ec.SECP256R1())


def _certificate(*extensions: x509.ExtensionType) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "odd")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def _torn(kind: type[x509.ExtensionType], value: bytes) -> bytes:
    return _certificate(x509.UnrecognizedExtension(kind.oid, value))


ODD: dict[str, tuple[bytes, str]] = {
    "torn constraints": (_torn(x509.NameConstraints, b"\xff\xff"), "error parsing asn1 value"),
    "an extension twice": (
        _certificate(ONE, TWO).replace(bytes([6, 3, 0x2A, 3, 5]), bytes([6, 3, 0x2A, 3, 4])),
        "Duplicate 1.2.3.4 extension found",
    ),
    "a name of no kind": (
        _torn(x509.SubjectAlternativeName, bytes([0x30, 4, 0xA3, 2, 5, 0])),
        "x400Address/EDIPartyName are not supported types",
    ),
    "version 2": (_certificate(ONE).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"), "1 is not a valid X509 version"),
}  # fmt: skip
"""What it is, as DER, and how the words begin that say so."""


def odd_key() -> bytes:
    """A public key (DER) of a kind that nobody knows."""
    return KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).replace(P256, UNKNOWN_KIND)
