"""The keys that sign a member's JWT-SVIDs: made, published, used and forgotten by age.

A key is made for publication and signs only AHEAD seconds later, five refresh hints, so that every reader has it by
then (SPIFFE Trust Domain and Bundle section 4.3). After its successor took over it stays published until its last
token has run out. The first key of all signs at once: there is none before it.
"""

import secrets
from pathlib import Path

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from federation.files import write_private
from federation.link.leaf import new_key
from federation.model.errors import InputError, Refused
from federation.model.spiffe import parse_spiffe
from federation.model.tokens import TOKEN_SECONDS, Authorities, JwtKey, TokenRequest, check_audiences
from federation.trust.bundle import REFRESH_HINT

LIFE = 24 * 3_600
AHEAD = 5 * REFRESH_HINT
LEEWAY = 60
"""Seconds by which a reader's clock may be behind ours."""


class Authority(Struct, frozen=True):
    """One key (PEM) with its id, and the Unix second from which it signs."""

    kid: str
    key: str
    signs_from: int


def moved_on(held: tuple[Authority, ...], now: int) -> tuple[Authority, ...]:
    """The authorities, oldest first, as they shall be at this Unix second: a successor in time, none that is over."""
    if not held:
        return (_made(now),)
    if held[-1].signs_from + LIFE - AHEAD <= now:
        held = (*held, _made(max(now + AHEAD, held[-1].signs_from + LIFE)))
    over = [later.signs_from + TOKEN_SECONDS + LEEWAY <= now for later in held[1:]]
    return tuple(one for one, gone in zip(held, [*over, False], strict=True) if not gone)


def _made(signs_from: int) -> Authority:
    return Authority(secrets.token_hex(8), new_key(), signs_from)


class AuthorityKeys:
    """The authorities of one trust domain, kept in a file that only its owner may read."""

    def __init__(self, path: Path, trust_domain: str) -> None:
        """InputError when the file is there and cannot be read."""
        self._path = path
        self._trust_domain = trust_domain
        self._held: tuple[Authority, ...] = ()
        if path.exists():
            try:
                self._held = msgspec.json.decode(path.read_bytes(), type=tuple[Authority, ...])
            except (OSError, msgspec.MsgspecError) as error:
                raise InputError(f"{path}: {error}; move it away to start with a new JWT key", "E122") from None

    def published(self, now: int) -> Authorities:
        """What to publish at this Unix second. New keys are on disk before. OSError when the disk does not take it."""
        moved = moved_on(self._held, now)
        if moved != self._held:
            write_private(self._path, msgspec.json.encode(moved))
            self._held = moved
        return Authorities(self._trust_domain, tuple(JwtKey(one.kid, _public(one)) for one in moved))

    def sign(self, request: TokenRequest, now: int) -> str:
        """A JWT-SVID (ES256, TOKEN_SECONDS long). Refused (E105) for an identity that is not `/ns/N/sa/A` in our trust
        domain, (E125) for audiences out of bounds.
        """
        self._check(request)
        if not self._held:
            self.published(now)
        active = max((one for one in self._held if one.signs_from <= now), key=lambda one: one.signs_from, default=None)
        if active is None:
            raise Refused(f"no JWT key of {self._trust_domain} signs yet: this clock went back", "E105")
        claims = {"sub": request.identity, "aud": list(request.audiences), "iat": now, "exp": now + TOKEN_SECONDS}
        return jwt.encode(claims, active.key, algorithm="ES256", headers={"kid": active.kid})

    def _check(self, request: TokenRequest) -> None:
        check_audiences(request.audiences)
        try:
            identity = parse_spiffe(request.identity)
        except InputError as error:
            raise Refused(f"token request: {error.text}", "E105") from None
        if identity.trust_domain != self._trust_domain:
            raise Refused(f"token request for {identity}: this signer issues only for {self._trust_domain}", "E105")
        if len(identity.segments) != 4 or identity.segments[0::2] != ("ns", "sa"):
            raise Refused(f"token request for {identity}: the path must be /ns/NAMESPACE/sa/ACCOUNT", "E105")


def _public(one: Authority) -> bytes:
    key = serialization.load_pem_private_key(one.key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
