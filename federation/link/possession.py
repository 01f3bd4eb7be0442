"""Proof that a member holds the private key of the WireGuard key that its record names.

An X25519 key cannot sign. So a gateway's WireGuard key is made from an Ed25519 one: both have the same private scalar
(RFC 8032 section 5.1.5, RFC 7748 section 5), and whoever reads the Ed25519 public key computes the WireGuard public
key from it by the birational map of RFC 7748 section 4.1. The signature names member and node: a copy in another's
record is worth nothing.
"""

from hashlib import sha512

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

PURPOSE = b"isthmus wireguard key v1\x00"
PRIME = 2**255 - 19
KEY_BYTES = 32


class WireGuardKey(Struct, frozen=True):
    """A gateway's key pair, raw, and the proof for one node of one member."""

    private: bytes
    public: bytes
    proof: bytes


def wireguard_key(seed: bytes, member: str, node: str) -> WireGuardKey:
    """The key pair of this 32-byte seed."""
    signer = Ed25519PrivateKey.from_private_bytes(seed)
    edwards = signer.public_key().public_bytes_raw()
    public = _montgomery(edwards)
    proof = edwards + signer.sign(_statement(member, node, public))
    return WireGuardKey(clamped(sha512(seed).digest()[:KEY_BYTES]), public, proof)


def proves(proof: bytes, public: bytes, member: str, node: str) -> bool:
    """True when the proof shows that this member's node holds the private key of this WireGuard public key."""
    edwards, signature = proof[:KEY_BYTES], proof[KEY_BYTES:]
    try:
        if _montgomery(edwards) != public:
            return False
        Ed25519PublicKey.from_public_bytes(edwards).verify(signature, _statement(member, node, public))
    except (InvalidSignature, ValueError):
        return False
    return True


def clamped(key: bytes) -> bytes:
    """The private key in the form that WireGuard keeps and gives back (RFC 7748 section 5)."""
    return bytes((key[0] & 248, *key[1:31], key[31] & 127 | 64))


def _montgomery(edwards: bytes) -> bytes:
    """The X25519 public key of the same scalar: u = (1 + y) / (1 - y). ValueError when there is none."""
    y = int.from_bytes(edwards, "little") & ((1 << 255) - 1)
    return ((1 + y) * pow(1 - y, -1, PRIME) % PRIME).to_bytes(KEY_BYTES, "little")


def _statement(member: str, node: str, public: bytes) -> bytes:
    return PURPOSE + f"{member}\x00{node}\x00".encode() + public
