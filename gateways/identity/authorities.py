"""Whose JWT-SVIDs count here: what each member's anchor says of its keys. Pure."""

from collections.abc import Iterable
from functools import lru_cache

from federation.link.statement import read_statement
from federation.model.errors import Refused
from federation.model.handout import ForeignBundle, JwtBundle
from federation.model.record import Signed
from federation.model.tokens import Authorities
from gateways.state import Anchor

STATEMENTS_KEPT = 1_024


def authorities_of(
    anchors: Iterable[Anchor], bundles: Iterable[JwtBundle], problems: list[str]
) -> tuple[Authorities, ...]:
    """The keys of each trust domain whose own anchor vouches for them; others are left out, with a problem."""
    by_member = {anchor.member: anchor for anchor in anchors}
    found = []
    for bundle in bundles:
        anchor = by_member.get(bundle.member)
        if anchor is None:
            continue
        try:
            found.append(_read(bundle.statement, anchor.pem, anchor.trust_domain))
        except Refused as error:
            problems.append(f"{error}; its JWT-SVIDs are refused here")
    return tuple(sorted(found, key=lambda one: one.trust_domain))


def outside(domain: str, bundles: Iterable[ForeignBundle], problems: list[str]) -> tuple[ForeignBundle, ...]:
    """The foreign bundles but those of names within our own federation: only the ledger speaks for its members."""
    found = []
    for bundle in bundles:
        if bundle.trust_domain == domain or bundle.trust_domain.endswith("." + domain):
            problems.append(
                f"E105 foreign bundle of {bundle.trust_domain}: the name lies in our own federation; left out"
            )
        else:
            found.append(bundle)
    return tuple(found)


@lru_cache(STATEMENTS_KEPT)
def _read(statement: Signed, anchors_pem: str, trust_domain: str) -> Authorities:
    return read_statement(statement, anchors_pem, trust_domain)
