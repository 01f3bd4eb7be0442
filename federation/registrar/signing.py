"""Ed25519 signatures over exact bytes, each with a prefix that names what is signed."""

from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from federation.model.record import Signed

LEDGER = b"isthmus ledger entry v1\x00"
RECORD = b"isthmus record head v1\x00"
REQUEST = b"isthmus join request v1\x00"


def new_signing_key() -> str:
    """A fresh Ed25519 private key as PEM."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


class SigningKey:
    """An Ed25519 private key for one purpose."""

    def __init__(self, pem: str, purpose: bytes) -> None:
        key = serialization.load_pem_private_key(pem.encode(), None)
        assert isinstance(key, Ed25519PrivateKey)
        self._key = key
        self._purpose = purpose
        self.public = key.public_key().public_bytes_raw()

    def sign(self, body: bytes) -> Signed:
        """These bytes with our signature."""
        return Signed(body, self._key.sign(self._purpose + body))


def verified(signed: Signed, public: bytes, purpose: bytes) -> bool:
    """True when the signature over the body is of this key and for this purpose."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed.signature, purpose + signed.body)
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public: bytes) -> str:
    """How a key is named to people and in tokens: `sha256:<hex>`."""
    return "sha256:" + sha256(public).hexdigest()
