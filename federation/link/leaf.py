"""A leaf certificate with its key, on disk and as a signing request (X509-SVID, SPIFFE standard)."""

import contextlib
from functools import lru_cache
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from federation.files import write_private
from federation.model.spiffe import SpiffeId


class Leaf(Struct, frozen=True, kw_only=True):
    """A leaf in force. `key` and `chain` are PEM; times are Unix seconds."""

    id: str
    key: str
    chain: str
    not_before: int
    not_after: int

    def renew_at(self, jitter: float) -> float:
        """Half of the life, moved by `jitter` (-1 to 1) times 10 % of the life (design section 4)."""
        life = self.not_after - self.not_before
        return self.not_before + life * (0.5 + 0.1 * jitter)


def new_key() -> str:
    """A fresh P-256 private key as PEM (PKCS #8)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def signing_request(key_pem: str, identity: SpiffeId) -> bytes:
    """A DER PKCS #10 request that proves possession of the key; the identity is its only URI SAN."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(identity))])
    request = builder.add_extension(names, critical=True).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def leaf_of(identity: SpiffeId, key_pem: str, chain_pem: str) -> Leaf:
    """The leaf in this chain, with its times."""
    certificate = x509.load_pem_x509_certificate(chain_pem.encode())
    return Leaf(
        id=str(identity),
        key=key_pem,
        chain=chain_pem,
        not_before=int(certificate.not_valid_before_utc.timestamp()),
        not_after=int(certificate.not_valid_after_utc.timestamp()),
    )


@lru_cache(1_024)
def issuer_of(chain_pem: str) -> str:
    """The key id (hex) of the anchor that signed this leaf (RFC 5280 section 4.2.1.1); "" when it names none."""
    try:
        certificate = x509.load_pem_x509_certificate(chain_pem.encode())
        named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except (ValueError, x509.ExtensionNotFound):
        return ""
    return (named.key_identifier or b"").hex()


def save_leaf(path: Path, leaf: Leaf) -> None:
    """Keep a leaf on disk, key included (0600)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, msgspec.json.encode(leaf))


def load_leaf(path: Path) -> Leaf | None:
    """The leaf kept in this file; None when there is none or it cannot be read."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=Leaf)
    return None
