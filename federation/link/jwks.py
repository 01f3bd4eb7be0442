"""Keys of JWT-SVIDs as a JWK set (RFC 7517; SPIFFE Trust Domain and Bundle section 4)."""

from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from federation.model.tokens import JwtKey

USE = "jwt-svid"
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
BY_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
BY_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
RSA_BITS_MIN = 2048


def load_key(public: bytes) -> PublicKey:
    """The key in this DER SubjectPublicKeyInfo. ValueError when it is of no kind that may sign JWT-SVIDs."""
    key = serialization.load_der_public_key(public)
    if isinstance(key, PublicKey) and algorithms_of(key):
        return key
    raise ValueError(f"a key of kind {type(key).__name__} may not sign JWT-SVIDs")


def algorithms_of(key: PublicKey) -> tuple[str, ...]:
    """The algorithms that a signature of this key may name (JWT-SVID section 3.1): no token chooses."""
    if isinstance(key, rsa.RSAPublicKey):
        return BY_RSA if key.key_size >= RSA_BITS_MIN else ()
    named = BY_CURVE.get(key.curve.name)
    return () if named is None else (named,)


def jwk(key: JwtKey) -> dict[str, Any]:
    """One key as a JWK."""
    return {"use": USE, "kid": key.kid, **public_jwk(load_key(key.public))}


def public_jwk(key: PublicKey) -> dict[str, Any]:
    """Kind and numbers of a public key (RFC 7518 section 6)."""
    if isinstance(key, rsa.RSAPublicKey):
        made = RSAAlgorithm.to_jwk(key, as_dict=True)
    else:
        made = ECAlgorithm.to_jwk(key, as_dict=True)
    return {name: made[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in made}


def jwk_set(keys: Iterable[JwtKey]) -> dict[str, Any]:
    """A JWK set of these keys; without any, all are revoked."""
    return {"keys": [jwk(key) for key in keys]}
