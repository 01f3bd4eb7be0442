"""Which JWT-SVIDs are good: the table of those that are not, with the exact words."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from federation.link.jwks import jwk
from federation.model.errors import Refused
from federation.model.tokens import JwtKey
from federation.trust.authorities import AHEAD, LIFE
from gateways.identity.validate import validated
from tests.worlds.jwt_signers import JwtSigner
from tests.worlds.two_members import real

US, EU, AP = real("us-east"), real("eu-central"), real("ap-south")
T = 1_800_000_000
WEB = US.identity("shop", "web")


class Bench:
    """Two members' signers, whose keys are known, and a third's, whose are not."""

    def __init__(self, folder: Path) -> None:
        self.us, self.eu, self.ap = (JwtSigner(member, folder, T) for member in (US, EU, AP))
        self.known = {one.member.domain: one.keys.published(T).keys for one in (self.us, self.eu)}
        self.secret = self.us.keys._held[0]

    def check(self, token: str, audience: str = "db", now: int = T) -> dict[str, object]:
        return validated(token, audience, self.known, datetime.fromtimestamp(now, UTC))

    def own(self, header: dict[str, object] | None = None, **claims: object) -> str:
        """A token of us-east's real key with what a test wants in it."""
        body = {"sub": str(WEB), "aud": ["db"], "exp": T + 300} | claims
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, self.secret.key, algorithm="ES256", headers={"kid": self.secret.kid} | (header or {}))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def with_claims(token: str, **changed: object) -> str:
    header, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{header}.{part(claims | changed)}.{signature}"


def unsigned(bench: Bench) -> str:
    return f"{part({'alg': 'none', 'kid': bench.secret.kid})}.{bench.own().split('.')[1]}."


def hmac_with_public_key(bench: Bench) -> str:
    """HS256 with the public key's bytes as the secret."""
    text = f"{part({'alg': 'HS256', 'kid': bench.secret.kid})}.{bench.own().split('.')[1]}"
    made = hmac.new(bench.known[US.domain][0].public, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def by_eu(bench: Bench, kid: str) -> str:
    """us-east's name under eu-central's key."""
    key = bench.eu.keys._held[0]
    return jwt.encode(
        {"sub": str(WEB), "aud": ["db"], "exp": T + 300}, key.key, algorithm="ES256", headers={"kid": kid}
    )


BAD: dict[str, tuple[Callable[[Bench], str], str]] = {
    "another audience": (lambda b: b.own(aud=["cache"]), 'E105 JWT-SVID is not for the audience "db"'),
    "no audience": (lambda b: b.own(aud=None), 'E105 JWT-SVID: Token is missing the "aud" claim'),
    "ran out": (lambda b: b.own(exp=T), "E105 JWT-SVID ran out at 2027-01-15T08:00:00Z"),
    "never runs out": (lambda b: b.own(exp=None), 'E105 JWT-SVID: Token is missing the "exp" claim'),
    "an exp that is a text": (lambda b: b.own(exp="soon"), "E105 JWT-SVID: exp is no time"),
    "an exp without end": (lambda b: b.own(exp=1e300), "E105 JWT-SVID: exp is no time"),
    "not good yet": (lambda b: b.own(nbf=T + 1), "E105 JWT-SVID is not good yet (nbf)"),
    "another trust domain's key, our kid": (
        lambda b: by_eu(b, b.secret.kid),
        "E105 JWT-SVID is not signed by a key of us-east.acme.mesh",
    ),
    "another trust domain's key, its kid": (
        lambda b: by_eu(b, "its"),
        'E105 JWT-SVID of spiffe://us-east.acme.mesh/ns/shop/sa/web: us-east.acme.mesh has no key "its"',
    ),
    "a trust domain that nobody knows": (
        lambda b: b.ap.token(AP.identity("shop", "web"), "db"),
        "E105 JWT-SVID of spiffe://ap-south.acme.mesh/ns/shop/sa/web: no keys of ap-south.acme.mesh are known",
    ),
    "alg none": (unsigned, 'E105 JWT-SVID: alg "none" is not one of its key'),
    "HS256 with the public key": (hmac_with_public_key, 'E105 JWT-SVID: alg "HS256" is not one of its key'),
    "changed claims": (
        lambda b: with_claims(b.own(), aud=["db", "all"]),
        "E105 JWT-SVID is not signed by a key of us-east.acme.mesh",
    ),
    "no kid": (
        lambda b: ".".join((part({"alg": "ES256"}), *b.own().split(".")[1:])),
        'E105 JWT-SVID of spiffe://us-east.acme.mesh/ns/shop/sa/web: us-east.acme.mesh has no key "None"',
    ),
    "another type": (lambda b: b.own({"typ": "at+jwt"}), 'E105 JWT-SVID: typ "at+jwt" is neither JWT nor JOSE'),
    "a critical header": (lambda b: b.own({"crit": ["x"], "x": 1}), "E105 JWT-SVID: Unsupported critical extension: x"),
    "no subject": (lambda b: b.own(sub=None), 'E105 JWT-SVID: sub "" is not a SPIFFE ID'),
    "a subject that is no SPIFFE ID": (lambda b: b.own(sub="web"), 'E105 JWT-SVID: sub "web" is not a SPIFFE ID'),
    "a subject in upper case": (
        lambda b: b.own(sub="spiffe://US-EAST.acme.mesh/ns/shop/sa/web"),
        'E105 JWT-SVID: sub "spiffe://US-EAST.acme.mesh/ns/shop/sa/web" is not a SPIFFE ID',
    ),
    "no token": (lambda b: "", "E105 JWT-SVID: Not enough segments"),
    "very long": (lambda b: "x" * 16_385, "E105 JWT-SVID of 16385 characters, limit 16384"),
}


def test_a_good_token_gives_its_claims(bench: Bench) -> None:
    assert bench.check(bench.own(extra={"a": [1]})) == {
        "sub": str(WEB), "aud": ["db"], "exp": T + 300, "extra": {"a": [1]},
    }  # fmt: skip
    assert bench.check(bench.own(aud="db"))["aud"] == "db"
    assert bench.check(bench.eu.token(EU.identity("shop", "web"), "db"))["sub"] == str(EU.identity("shop", "web"))


@pytest.mark.parametrize("case", BAD)
def test_a_bad_token_is_refused(bench: Bench, case: str) -> None:
    make, text = BAD[case]
    with pytest.raises(Refused) as caught:
        bench.check(make(bench))
    assert str(caught.value) == text


def test_a_token_must_be_validated_for_somebody(bench: Bench) -> None:
    with pytest.raises(Refused, match="E125 JWT-SVID: name the audience that it must be for"):
        bench.check(bench.own(), "")


def test_tokens_stay_good_through_a_rotation_and_a_key_that_is_over_is_not_known(bench: Bench) -> None:
    bench.known[US.domain] = bench.us.keys.published(T + LIFE - AHEAD).keys
    bench.us.now = T + LIFE - 1
    last = bench.us.token(WEB, "db")
    bench.us.now = T + LIFE
    first = bench.us.token(WEB, "db")
    assert jwt.get_unverified_header(last)["kid"] != jwt.get_unverified_header(first)["kid"]
    for token in (last, first):
        bench.check(token, now=T + LIFE)
    bench.known[US.domain] = bench.us.keys.published(T + LIFE + 3_600).keys
    with pytest.raises(Refused, match="has no key"):
        bench.check(last, now=T + LIFE)


def test_a_key_as_a_jwk_is_what_it_was(bench: Bench) -> None:
    key = bench.known[US.domain][0]
    made = jwk(key)
    assert (made["use"], made["kid"], made["kty"], made["crv"]) == ("jwt-svid", key.kid, "EC", "P-256")
    assert set(made) == {"use", "kid", "kty", "crv", "x", "y"}
    again = jwt.PyJWK(made).key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert JwtKey(key.kid, again) == key
