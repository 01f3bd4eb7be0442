"""The keys of JWT-SVIDs: published long before they sign, kept until their last token ran out; who gets which token."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from federation.link.statement import constrained_to, make_statement, read_statement
from federation.model.errors import InputError, Refused
from federation.model.record import Signed
from federation.model.tokens import TOKEN_SECONDS, Authorities, JwtKey, TokenRequest
from federation.trust.authorities import AHEAD, LEEWAY, LIFE, AuthorityKeys, moved_on
from federation.trust.signer import KEYS, TOKEN, Signer, ask_signer, ask_statement, requested_subject
from tests.worlds.signer import slots_of
from tests.worlds.two_members import real

US, EU = real("us-east"), real("eu-central")
WEB = US.identity("shop", "web")
T = 1_800_000_000


def kids(held: tuple[object, ...]) -> list[str]:
    return [one.kid for one in held]  # type: ignore[attr-defined]


def test_a_key_is_published_five_refresh_hints_before_it_signs_and_until_its_last_token_ran_out() -> None:
    first = moved_on((), T)
    assert [one.signs_from for one in first] == [T]
    assert moved_on(first, T + LIFE - AHEAD - 1) == first
    both = moved_on(first, T + LIFE - AHEAD)
    assert both[:1] == first
    assert both[1].signs_from == T + LIFE
    over = T + LIFE + TOKEN_SECONDS + LEEWAY
    assert moved_on(both, over - 1) == both
    assert moved_on(both, over) == both[1:]


def test_a_signer_that_slept_still_publishes_a_key_before_it_signs() -> None:
    late = T + 10 * LIFE
    both = moved_on(moved_on((), T), late)
    assert [one.signs_from for one in both] == [T, late + AHEAD]
    assert len(kids(both)) == len(set(kids(both))) == 2


def test_every_token_is_good_under_what_was_published_a_refresh_hint_ago(tmp_path: Path) -> None:
    keys = AuthorityKeys(tmp_path / "jwt.json", US.domain)
    published: list[Authorities] = []
    signed_with = set()
    for now in range(T, T + 3 * LIFE, 300):
        published.append(keys.published(now))
        token = keys.sign(TokenRequest(str(WEB), ("db",)), now)
        kid = jwt.get_unverified_header(token)["kid"]
        signed_with.add(kid)
        for seen in published[-5:]:
            assert kid in kids(seen.keys)
    assert len(signed_with) == 3


def test_a_restarted_signer_has_the_same_keys_in_a_file_that_only_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "jwt.json"
    before = AuthorityKeys(path, US.domain).published(T)
    assert AuthorityKeys(path, US.domain).published(T + 60) == before
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("[")
    with pytest.raises(InputError) as caught:
        AuthorityKeys(path, US.domain)
    assert str(caught.value) == f"E122 {path}: Input data was truncated; move it away to start with a new JWT key"


def test_the_form_of_a_token(tmp_path: Path) -> None:
    keys = AuthorityKeys(tmp_path / "jwt.json", US.domain)
    (key,) = keys.published(T).keys
    token = keys.sign(TokenRequest(str(WEB), ("db", "cache")), T)
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": key.kid, "typ": "JWT"}
    public = serialization.load_der_public_key(key.public)
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, public, algorithms=["ES256"], audience="db", options=options)  # type: ignore[arg-type]
    assert claims == {"sub": str(WEB), "aud": ["db", "cache"], "iat": T, "exp": T + 300}


REFUSED_TOKENS: dict[str, tuple[TokenRequest, str]] = {
    "another member": (
        TokenRequest(str(EU.identity("shop", "web")), ("db",)),
        "E105 token request for spiffe://eu-central.acme.mesh/ns/shop/sa/web: this signer issues only for us-east.acme.mesh",
    ),
    "another path": (
        TokenRequest("spiffe://us-east.acme.mesh/admin", ("db",)),
        "E105 token request for spiffe://us-east.acme.mesh/admin: the path must be /ns/NAMESPACE/sa/ACCOUNT",
    ),
    "upper case": (
        TokenRequest("spiffe://US-EAST.acme.mesh/ns/a/sa/b", ("db",)),
        'E105 token request: "spiffe://US-EAST.acme.mesh/ns/a/sa/b" is not a SPIFFE ID',
    ),
    "no audience": (TokenRequest(str(WEB), ()), "E125 JWT-SVID for 0 audiences, must be 1 to 8"),
    "nine audiences": (TokenRequest(str(WEB), ("db",) * 9), "E125 JWT-SVID for 9 audiences, must be 1 to 8"),
    "an empty audience": (
        TokenRequest(str(WEB), ("db", "")),
        "E125 JWT-SVID for an audience that is not 1 to 256 bytes long",
    ),
    "a long audience": (
        TokenRequest(str(WEB), ("x" * 257,)),
        "E125 JWT-SVID for an audience that is not 1 to 256 bytes long",
    ),
}


@pytest.mark.parametrize("case", REFUSED_TOKENS)
def test_the_signer_refuses_tokens(case: str, tmp_path: Path) -> None:
    request, text = REFUSED_TOKENS[case]
    with pytest.raises(Refused) as caught:
        AuthorityKeys(tmp_path / "jwt.json", US.domain).sign(request, T)
    assert str(caught.value) == text


def good() -> Authorities:
    return Authorities(US.domain, (JwtKey("k1", public_of(US.leaf(WEB).key)),))


def public_of(key_pem: str) -> bytes:
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def rsa_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return (
        rsa.generate_private_key(65537, 2048)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def stated(*keys: JwtKey, domain: str = US.domain) -> Callable[[], Signed]:
    return lambda: make_statement(Authorities(domain, keys), US.anchor_key)


def altered() -> Signed:
    made = make_statement(good(), US.anchor_key)
    return Signed(made.body.replace(b"k1", b"k2"), made.signature)


REFUSED_STATEMENTS: dict[str, tuple[Callable[[], Signed], str]] = {
    "another anchor": (
        lambda: make_statement(good(), EU.anchor_key),
        "E105 JWT keys of us-east.acme.mesh: the statement is not signed by an anchor of this trust domain",
    ),
    "changed": (
        altered,
        "E105 JWT keys of us-east.acme.mesh: the statement is not signed by an anchor of this trust domain",
    ),
    "another trust domain": (
        stated(*good().keys, domain=EU.domain),
        'E105 JWT keys of us-east.acme.mesh: the statement is for trust domain "eu-central.acme.mesh"',
    ),
    "one id twice": (
        stated(*good().keys, *good().keys),
        "E120 JWT keys of us-east.acme.mesh: a key id is used twice",
    ),
    "nine keys": (
        stated(*(JwtKey(f"k{i}", b"") for i in range(9))),
        "E120 JWT keys of us-east.acme.mesh: 9 keys > 8",
    ),
    "no id": (
        stated(JwtKey("", b"")),
        "E120 JWT keys of us-east.acme.mesh: key id '' is not 1 to 64 printable ASCII characters",
    ),
    "no key": (stated(JwtKey("k1", b"?")), "E120 JWT keys of us-east.acme.mesh: key k1 cannot be read"),
    "RSA": (lambda: stated(JwtKey("k1", rsa_key()))(), "E120 JWT keys of us-east.acme.mesh: key k1 is not P-256"),
}


@pytest.mark.parametrize("case", REFUSED_STATEMENTS)
def test_a_statement_is_refused(case: str) -> None:
    make, text = REFUSED_STATEMENTS[case]
    with pytest.raises(Refused) as caught:
        read_statement(make(), US.anchor, US.domain)
    assert str(caught.value) == text


def test_any_of_several_anchors_may_state_the_keys() -> None:
    assert constrained_to(US.anchor) == US.domain
    stated = good()
    assert read_statement(make_statement(stated, US.anchor_key), EU.anchor + US.anchor, US.domain) == stated


def test_the_signer_process_states_keys_and_gives_tokens_that_these_verify(tmp_path: Path) -> None:
    async def main() -> None:
        socket = tmp_path / "signer.sock"
        signer = Signer(slots_of(tmp_path, (US.anchor_key, US.anchor)), tmp_path / "jwt.json")
        task = asyncio.create_task(signer.serve(socket))
        async with asyncio.timeout(5):
            await signer.listening.wait()
        request = msgspec.msgpack.encode(TokenRequest(str(WEB), ("db",)))
        assert requested_subject(request) == WEB
        token = await ask_signer(socket, TOKEN + request)
        statement = await ask_statement(socket)
        assert await ask_statement(socket) == statement
        (key,) = read_statement(statement, US.anchor, US.domain).keys
        claims = jwt.decode(token, serialization.load_der_public_key(key.public), algorithms=["ES256"], audience="db")  # type: ignore[arg-type]
        assert claims["sub"] == str(WEB)
        with pytest.raises(Refused, match="E105 token request cannot be read"):
            await ask_signer(socket, TOKEN + b"?")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        secret = json.loads((tmp_path / "jwt.json").read_bytes())[0]["key"]
        assert secret not in repr(statement)

    asyncio.run(main())


def test_the_anchor_that_signs_now_states_the_same_keys(tmp_path: Path) -> None:
    slots = slots_of(tmp_path, (US.anchor_key, US.anchor))
    signer = Signer(slots, tmp_path / "jwt.json")

    def stated() -> Signed:
        return msgspec.msgpack.decode(signer.answer(KEYS)[1:], type=Signed)

    before = stated()
    slots.prepare(datetime.now(UTC))
    assert slots.next is not None
    following = slots.next.slot.anchor
    assert stated() == before
    slots.activate(following)
    assert stated().body == before.body
    keys = read_statement(stated(), following, US.domain)
    assert keys == read_statement(before, US.anchor + following, US.domain)
    with pytest.raises(Refused, match="not signed by an anchor of this trust domain"):
        read_statement(before, following, US.domain)
