"""C3: a member's record names keys of JWT-SVIDs for its own trust domain only, by its own anchor's word."""

from collections.abc import Callable

import pytest

from federation.link.statement import make_statement
from federation.model.record import JwtKeys, Resource
from federation.model.tokens import Authorities, JwtKey
from tests.worlds.odd_certificates import odd_key
from tests.worlds.reader import Reader

EU, US = "eu-central.acme.mesh", "us-east.acme.mesh"


def said(reader: Reader, domain: str = EU, by: str = "eu-central") -> JwtKeys:
    return JwtKeys(make_statement(Authorities(domain, ()), reader.acme.keys[by].anchor_key))


def test_its_own_keys_by_its_own_anchor_are_taken() -> None:
    reader = Reader()
    good = said(reader)
    reader.take(good)
    assert reader.held.refusals == {}
    assert reader.held.view["jwt"] == good


def of_unknown_kind(reader: Reader) -> JwtKeys:
    authorities = Authorities(EU, (JwtKey("k1", odd_key()),))
    return JwtKeys(make_statement(authorities, reader.acme.keys["eu-central"].anchor_key))


BAD: dict[str, tuple[Callable[[Reader], Resource], str]] = {
    "us-east's trust domain by its own anchor": (
        lambda reader: said(reader, US),
        f'E105 JWT keys of {EU}: the statement is for trust domain "{US}"; last good kept',
    ),
    "us-east's own statement": (
        lambda reader: said(reader, US, "us-east"),
        f"E105 JWT keys of {EU}: the statement is not signed by an anchor of this trust domain; last good kept",
    ),
    "its trust domain by another's anchor": (
        lambda reader: said(reader, EU, "us-east"),
        f"E105 JWT keys of {EU}: the statement is not signed by an anchor of this trust domain; last good kept",
    ),
    "a key of a kind that nobody knows": (
        of_unknown_kind,
        f"E120 JWT keys of {EU}: key k1 cannot be read; last good kept",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_other_keys_are_refused_and_the_last_good_stay(case: str) -> None:
    make, text = BAD[case]
    reader = Reader()
    good = said(reader)
    reader.take(good)
    reader.take(make(reader))
    assert [str(error) for error in reader.held.refusals.values()] == [text]
    assert reader.held.view["jwt"] == good
