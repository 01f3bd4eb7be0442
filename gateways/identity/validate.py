"""Is this JWT-SVID good (SPIFFE JWT-SVID standard, sections 3 to 5)? Pure.

Which keys count follows from the trust domain in `sub`, which algorithm from the key: a token chooses neither. The
signature is checked before any claim but `sub` counts.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jwt
from jwt.types import Options

from federation.link.jwks import algorithms_of, load_key
from federation.model.errors import InputError, Refused
from federation.model.spiffe import SpiffeId, parse_spiffe
from federation.model.tokens import JwtKey

TOKEN_MAX = 16 * 1024
TYPES = ("JWT", "JOSE")
Authorities = Mapping[str, tuple[JwtKey, ...]]
_UNVERIFIED: Options = {"verify_signature": False}
_OURS: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["sub", "aud", "exp"]}


def validated(token: str, audience: str, authorities: Authorities, now: datetime) -> dict[str, Any]:
    """The claims of this token. `authorities` are by trust domain. Refused (E105) when it is not good for this
    audience, with the reason and nothing of the token but its names.
    """
    if not audience:
        raise Refused("JWT-SVID: name the audience that it must be for", "E125")
    if len(token) > TOKEN_MAX:
        raise Refused(f"JWT-SVID of {len(token)} characters, limit {TOKEN_MAX}", "E105")
    try:
        header = jwt.get_unverified_header(token)
        subject = _subject(jwt.decode(token, options=_UNVERIFIED))
        claims = _verified(token, header, audience, _key(header, subject, authorities))
    except jwt.InvalidAudienceError:
        raise Refused(f'JWT-SVID is not for the audience "{audience[:80]}"', "E105") from None
    except jwt.InvalidSignatureError:
        raise Refused(f"JWT-SVID is not signed by a key of {subject.trust_domain}", "E105") from None
    except jwt.PyJWTError as error:
        raise Refused(f"JWT-SVID: {error}", "E105") from None
    _check_times(claims, now)
    return claims


def _subject(claims: dict[str, Any]) -> SpiffeId:
    subject = claims.get("sub")
    try:
        return parse_spiffe(subject if isinstance(subject, str) else "")
    except InputError as error:
        raise Refused(f"JWT-SVID: sub {error.text}", "E105") from None


def _key(header: dict[str, Any], subject: SpiffeId, authorities: Authorities) -> JwtKey:
    kid, known = header.get("kid"), authorities.get(subject.trust_domain)
    if known is None:
        raise Refused(f"JWT-SVID of {subject}: no keys of {subject.trust_domain} are known", "E105")
    found = next((key for key in known if key.kid == kid), None)
    if found is None:
        raise Refused(f'JWT-SVID of {subject}: {subject.trust_domain} has no key "{str(kid)[:80]}"', "E105")
    return found


def _verified(token: str, header: dict[str, Any], audience: str, key: JwtKey) -> dict[str, Any]:
    public = load_key(key.public)
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if algorithm not in algorithms_of(public):
        raise Refused(f'JWT-SVID: alg "{str(algorithm)[:20]}" is not one of its key', "E105")
    if kind not in TYPES:
        raise Refused(f'JWT-SVID: typ "{str(kind)[:20]}" is neither JWT nor JOSE', "E105")
    claims: dict[str, Any] = jwt.decode(token, public, algorithms=[str(algorithm)], audience=audience, options=_OURS)
    return claims


def _check_times(claims: dict[str, Any], now: datetime) -> None:
    for name in ("exp", "nbf"):
        if name in claims and not (type(claims[name]) in (int, float) and abs(claims[name]) < 1 << 40):
            raise Refused(f"JWT-SVID: {name} is no time", "E105")
    if claims["exp"] <= now.timestamp():
        raise Refused(
            f"JWT-SVID ran out at {datetime.fromtimestamp(claims['exp'], now.tzinfo):%Y-%m-%dT%H:%M:%SZ}", "E105"
        )
    if claims.get("nbf", 0) > now.timestamp():
        raise Refused("JWT-SVID is not good yet (nbf)", "E105")
