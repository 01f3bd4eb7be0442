"""Foreign trust domains: what is refused of an endpoint and of its bundle, and what then stays in force."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from federation.model.errors import IsthmusError, Refused, Unavailable
from federation.model.tokens import JwtKey
from federation.trust.bundle import Bundle, check_successor, read_bundle, write_bundle
from federation.trust.fetch import fetch
from federation.trust.foreign import Foreign, ForeignFolder, wait_for
from tests.unit.trust.test_authorities import good, rsa_key
from tests.worlds.bundle_server import Answer, serving, web_pair
from tests.worlds.odd_certificates import ODD
from tests.worlds.two_members import real

EU, AP = real("eu-central"), real("ap-south")
TD = EU.domain
ENDPOINT = EU.identity("isthmus", "controller")
KEY = good().keys[0]
HELD = Bundle(trust_domain=TD, anchors=(EU.anchor,), keys=(KEY,), sequence=7, refresh_hint=300)
DOC: dict[str, Any] = json.loads(write_bundle(HELD))


def test_a_bundle_survives_its_document() -> None:
    assert read_bundle(write_bundle(HELD), TD) == HELD
    x509_key, jwt_key = DOC["keys"]
    assert (x509_key["use"], len(x509_key["x5c"]), "kid" in x509_key) == ("x509-svid", 1, False)
    assert (jwt_key["use"], jwt_key["kid"], DOC["spiffe_sequence"], DOC["spiffe_refresh_hint"]) == (
        "jwt-svid",
        "k1",
        7,
        300,
    )


def test_no_keys_means_that_all_are_revoked_and_unknown_ones_are_left_out() -> None:
    assert read_bundle(b'{"keys": []}', TD) == Bundle(trust_domain=TD)
    strange = [{"use": "sig", "kty": "EC"}, {"kty": "EC"}, {"use": "jwt-svid", "kty": "OKP", "kid": "a"}]
    assert read_bundle(json.dumps(DOC | {"keys": [*strange, *DOC["keys"]]}).encode(), TD) == HELD


def document(*keys: dict[str, Any], **more: object) -> bytes:
    return json.dumps({"keys": list(keys)} | more).encode()


def anchor_of(pem: str) -> dict[str, Any]:
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    return {"use": "x509-svid", "kty": "EC", "x5c": [base64.b64encode(der).decode()]}


X, J = DOC["keys"]
BAD_DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "no JSON": (
        b"<html>",
        "E126 bundle of eu-central.acme.mesh (6 bytes) cannot be read: JSON is malformed: invalid character (byte 0)",
    ),
    "no keys": (
        b"{}",
        "E126 bundle of eu-central.acme.mesh (2 bytes) cannot be read: Object missing required field `keys`",
    ),
    "too long": (b" " * (1024 * 1024 + 1), "E126 bundle of eu-central.acme.mesh: more than 1048576 bytes"),
    "65 keys": (document(*[J] * 65), "E126 bundle of eu-central.acme.mesh: 65 keys > 64"),
    "a sequence below 0": (
        document(spiffe_sequence=-1),
        "E126 bundle of eu-central.acme.mesh: spiffe_sequence -1 is not 0 to 18446744073709551615",
    ),
    "another trust domain's anchor": (
        document(anchor_of(AP.anchor)),
        'E126 bundle of eu-central.acme.mesh: a certificate is of "spiffe://ap-south.acme.mesh"',
    ),
    "a leaf": (
        document(anchor_of(EU.leaf(ENDPOINT).chain)),
        "E126 bundle of eu-central.acme.mesh: a certificate is no CA",
    ),
    "two certificates in a key": (
        document(X | {"x5c": X["x5c"] * 2}),
        "E126 bundle of eu-central.acme.mesh: an x509-svid key does not carry exactly one certificate (x5c)",
    ),
    "a torn certificate": (
        document(X | {"x5c": ["AAAA"]}),
        "E126 bundle of eu-central.acme.mesh: a certificate cannot be read",
    ),
    **{
        f"a certificate with {kind}": (
            document(X | {"x5c": [base64.b64encode(der).decode()]}),
            "E126 bundle of eu-central.acme.mesh: a certificate cannot be read",
        )
        for kind, (der, _) in ODD.items()
    },
    "too deep": (
        b'{"keys": [{"a": ' + b"[" * 100_000,
        "E126 bundle of eu-central.acme.mesh (100016 bytes) cannot be read: "
        "maximum recursion depth exceeded while deserializing an object",
    ),
    "no id": (document({**J, "kid": ""}), "E126 bundle of eu-central.acme.mesh: a jwt-svid key has no id (kid)"),
    "one id twice": (document(J, J), "E126 bundle of eu-central.acme.mesh: a key id is used twice"),
    "a private key": (
        document(J | {"d": "AAAA"}),
        "E126 bundle of eu-central.acme.mesh: jwt-svid key 'k1' is a private key",
    ),
    "a point that is none": (
        document(J | {"y": J["x"]}),
        "E126 bundle of eu-central.acme.mesh: Unable to construct key from JWK: Invalid EC key. Point is not on the curve specified.",
    ),
}


@pytest.mark.parametrize("case", BAD_DOCUMENTS)
def test_a_document_is_refused(case: str) -> None:
    data, text = BAD_DOCUMENTS[case]
    with pytest.raises(Refused) as caught:
        read_bundle(data, TD)
    assert str(caught.value) == text


def test_an_rsa_key_may_sign() -> None:
    bundle = Bundle(trust_domain=TD, keys=(JwtKey("r", rsa_key()),))
    assert read_bundle(write_bundle(bundle), TD) == bundle


def bundle_at(sequence: int, *keys: JwtKey) -> Bundle:
    return Bundle(trust_domain=TD, anchors=(EU.anchor,), keys=keys or (KEY,), sequence=sequence)


def test_the_order_of_bundles() -> None:
    check_successor(None, bundle_at(0))
    check_successor(HELD, bundle_at(8))
    check_successor(HELD, bundle_at(7))
    check_successor(bundle_at(0), bundle_at(0, JwtKey("r", KEY.public)))
    for bad, text in (
        (
            bundle_at(6),
            "E109 bundle of eu-central.acme.mesh: sequence 6 is older than 7, which is held; last good kept",
        ),
        (
            bundle_at(0),
            "E109 bundle of eu-central.acme.mesh: sequence 0 is older than 7, which is held; last good kept",
        ),
        (
            bundle_at(7, JwtKey("r", KEY.public)),
            "E109 bundle of eu-central.acme.mesh: sequence 7 is held with other keys; last good kept",
        ),
    ):
        with pytest.raises(Refused) as caught:
            check_successor(HELD, bad)
        assert str(caught.value) == text


def web(url: str, ca: str = "") -> Foreign:
    return Foreign(trust_domain=TD, url=url, profile="https_web", ca=ca)


def spiffe(url: str) -> Foreign:
    return Foreign(trust_domain=TD, url=url, profile="https_spiffe", endpoint_id=str(ENDPOINT))


def outcome(
    make: Callable[[str], Foreign], certificate: str, key: str, answer: Answer, held: Bundle | None = HELD
) -> str:
    """What a look at this endpoint gives: the document or the error, with its port written as PORT."""
    with serving(certificate, key, answer) as url:
        try:
            return asyncio.run(fetch(make(url), held)).decode()
        except IsthmusError as error:
            return str(error).replace(url.split(":")[2].split("/")[0], "PORT")


PAIR, OLD = web_pair(), web_pair(days=-1)
LEAF, FORGED = EU.leaf(ENDPOINT), AP.leaf(AP.identity("isthmus", "controller"))
OTHER = EU.leaf(EU.identity("shop", "web"))
EXPIRED = EU.leaf_at(ENDPOINT, datetime.now(UTC) - timedelta(days=3))
WHERE = "bundle endpoint https://127.0.0.1:PORT/bundle.json"
BODY = Answer(b"document")


def trusting(url: str) -> Foreign:
    return web(url, PAIR.certificate)


ENDPOINTS: dict[str, tuple[Callable[[], str], str]] = {
    "web": (lambda: outcome(trusting, PAIR.certificate, PAIR.key, BODY), "document"),
    "spiffe": (lambda: outcome(spiffe, LEAF.chain, LEAF.key, BODY), "document"),
    "web, a CA that is not trusted": (
        lambda: outcome(web, PAIR.certificate, PAIR.key, BODY),
        f"E126 {WHERE}: its certificate is not good: self-signed certificate",
    ),
    "web, run out": (
        lambda: outcome(lambda url: web(url, OLD.certificate), OLD.certificate, OLD.key, BODY),
        f"E126 {WHERE}: its certificate is not good: certificate has expired",
    ),
    "web, another host": (
        lambda: outcome(lambda url: trusting(url.replace("127.0.0.1", "localhost")), PAIR.certificate, PAIR.key, BODY),
        f"E126 {WHERE.replace('127.0.0.1', 'localhost')}: its certificate is not good: Hostname mismatch, certificate is "
        "not valid for 'localhost'.",
    ),
    "spiffe, another trust domain's anchor": (
        lambda: outcome(spiffe, FORGED.chain, FORGED.key, BODY),
        f"E126 {WHERE}: its certificate is not good: unable to get local issuer certificate",
    ),
    "spiffe, a web certificate": (
        lambda: outcome(spiffe, PAIR.certificate, PAIR.key, BODY),
        f"E126 {WHERE}: its certificate is not good: self-signed certificate",
    ),
    "spiffe, another identity of the trust domain": (
        lambda: outcome(spiffe, OTHER.chain, OTHER.key, BODY),
        f"E105 {WHERE}: peer presented {EU.identity('shop', 'web')}, expected {ENDPOINT}; connection closed",
    ),
    "spiffe, run out": (
        lambda: outcome(spiffe, EXPIRED.chain, EXPIRED.key, BODY),
        f"E126 {WHERE}: its certificate is not good: certificate has expired",
    ),
    "spiffe, all keys revoked": (
        lambda: outcome(spiffe, LEAF.chain, LEAF.key, BODY, Bundle(trust_domain=TD)),
        "E126 bundle of eu-central.acme.mesh: none to trust its endpoint by; add it again",
    ),
    "a redirect": (
        lambda: outcome(trusting, PAIR.certificate, PAIR.key, Answer(b"", 302, "https://127.0.0.1/")),
        f"E126 {WHERE} answers with a redirect (302): none is followed",
    ),
    "not found": (
        lambda: outcome(trusting, PAIR.certificate, PAIR.key, Answer(b"", 404)),
        f"E190 {WHERE} answers with status 404",
    ),
    "too long": (
        lambda: outcome(trusting, PAIR.certificate, PAIR.key, Answer(b" " * (1024 * 1024 + 1))),
        f"E126 {WHERE}: more than 1048576 bytes",
    ),
    "nobody there": (
        lambda: outcome(lambda url: trusting("https://127.0.0.1:1/"), PAIR.certificate, PAIR.key, BODY),
        "E190 bundle endpoint https://127.0.0.1:1/ does not answer: Connection refused",
    ),
}


@pytest.mark.parametrize("case", ENDPOINTS)
def test_an_endpoint(case: str) -> None:
    look, text = ENDPOINTS[case]
    assert look() == text


BAD_DOMAINS: dict[str, tuple[dict[str, str], str]] = {
    "our federation": ({"trust_domain": "acme.mesh"}, 'E102 trust domain "acme.mesh" lies in our own federation acme.mesh: only the ledger speaks for members'),
    "a member of ours": ({"trust_domain": "eu.acme.mesh"}, 'E102 trust domain "eu.acme.mesh" lies in our own federation acme.mesh: only the ledger speaks for members'),
    "upper case": ({"trust_domain": "Other.org"}, 'E114 trust domain "Other.org": write 1 to 255 of a-z, 0-9, ".", "-" and "_"'),
    "a path": ({"trust_domain": "../x"}, 'E114 trust domain "../x": write 1 to 255 of a-z, 0-9, ".", "-" and "_"'),
    "plain HTTP": ({"url": "http://h/b"}, 'E122 --url "http://h/b": write https://HOST[:PORT]/PATH, without user or fragment'),
    "a user": ({"url": "https://u@h/b"}, 'E122 --url "https://u@h/b": write https://HOST[:PORT]/PATH, without user or fragment'),
    "a bad port": ({"url": "https://h:x/b"}, 'E122 --url "https://h:x/b": write https://HOST[:PORT]/PATH, without user or fragment'),
    "web with an id": ({"endpoint_id": str(ENDPOINT)}, "E125 --endpoint-id is for --profile https_spiffe: https_web checks the host name"),
    "spiffe without": ({"profile": "https_spiffe"}, "E125 --endpoint-id spiffe://… is missing: --profile https_spiffe pins it"),
    "spiffe with a CA": ({"profile": "https_spiffe", "ca": "x"}, "E125 --ca is for --profile https_web: https_spiffe trusts the bundle alone"),
    "another's endpoint": (
        {"profile": "https_spiffe", "endpoint_id": "spiffe://else.org/x"},
        'E125 --endpoint-id "spiffe://else.org/x" is not of other.org: only its own endpoint is polled',
    ),
    "no first bundle": (
        {"profile": "https_spiffe", "endpoint_id": "spiffe://other.org/x"},
        "E125 --bundle FILE is missing: --profile https_spiffe starts from a first bundle",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_DOMAINS)
def test_what_cannot_be_added(case: str, tmp_path: Path) -> None:
    fields, text = BAD_DOMAINS[case]
    named: dict[str, Any] = {"trust_domain": "other.org", "url": "https://h/b", "profile": "https_web"} | fields
    folder = ForeignFolder(tmp_path / "foreign", "acme.mesh")
    with pytest.raises(IsthmusError) as caught:
        folder.add(Foreign(**named), b"", 0)
    assert str(caught.value) == text
    assert folder.all() == {}


def test_adding_twice_and_removing_what_is_not_there(tmp_path: Path) -> None:
    folder = ForeignFolder(tmp_path / "foreign", "else.mesh")
    folder.add(web("https://h/b"), b"", 0)
    with pytest.raises(IsthmusError, match=f'E102 trust domain "{TD}" is there already; remove it first'):
        folder.add(web("https://h/b"), b"", 0)
    folder.remove(TD)
    with pytest.raises(IsthmusError, match=f'E104 trust domain "{TD}" is not there'):
        folder.remove(TD)


HINTS = {0: 300, 1: 10, 60: 60, 10**9: 86_400}


@pytest.mark.parametrize("hint", HINTS)
def test_the_hint_is_obeyed_within_bounds(hint: int) -> None:
    assert wait_for(Bundle(trust_domain=TD, refresh_hint=hint)) == HINTS[hint]


def test_an_endpoint_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.trust.fetch.TIMEOUT", 0.5)
    slow = Answer(b"x" * 100, drip=True)
    began = asyncio.run(elapsed(slow))
    assert began < 5


async def elapsed(answer: Answer) -> float:
    loop = asyncio.get_running_loop()
    with serving(PAIR.certificate, PAIR.key, answer) as url:
        began = loop.time()
        with pytest.raises(Unavailable, match="does not answer within 0 s"):
            await fetch(trusting(url), None)
        return loop.time() - began
