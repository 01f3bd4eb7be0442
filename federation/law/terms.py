"""Whom a term of a policy names, what a candidate costs, and who comes before whom. Pure."""

from federation.law.case import Case
from federation.model.handout import Candidate
from federation.model.policy import Policy, Price

MICROS = 1_000_000


def names(term: str, candidate: Candidate, region: str) -> bool:
    """True when the term (see `Policy.order`) names this candidate, for clients in this region."""
    if term.startswith("@"):
        return term == "@region" and candidate.region == region != ""
    kind, slash, rest = term.partition("/")
    if not slash:
        return candidate.region == term
    if kind == "member":
        return candidate.member == rest
    key, _, value = rest.partition("=")
    return kind == "label" and candidate.labels.get(key) == value


def place_in_order(candidate: Candidate, case: Case) -> int:
    """The index of the first term of the policy's order that names it; the number of terms when none does."""
    order = case.policy.order
    return next((at for at, term in enumerate(order) if names(term, candidate, case.region)), len(order))


def price_to(candidate: Candidate, case: Case) -> int:
    """Millionths of the currency for a gigabyte from it to the clients' region; 0 when no price is said."""
    return next((p.micros for p in case.policy.prices if _covers(p, candidate.region, case.region)), 0)


def _covers(price: Price, source: str, to: str) -> bool:
    return price.source in ("*", source) and price.to in ("*", to)


def price_cost(candidate: Candidate, case: Case) -> int:
    """What the price adds to the cost, in milliseconds; nothing for the clients' own member."""
    if not case.policy.prices or candidate.member == case.local:
        return 0
    return case.policy.price_ms * price_to(candidate, case) // MICROS


def rank(candidate: Candidate, case: Case) -> tuple[bool, int, int, str]:
    """Smaller is asked first: the own member, then the policy's order, cost, and name."""
    cost = candidate.cost + price_cost(candidate, case)
    return (candidate.member != case.local, place_in_order(candidate, case), cost, candidate.member)


def resides(candidate: Candidate, policy: Policy) -> bool:
    """True when the policy's residency lets requests go to it at all."""
    return not policy.residency or candidate.region in policy.residency
