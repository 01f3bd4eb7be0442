"""What a peer may say of steering: rates of demand and grants, and what it hints of its exports. Pure.

A refused resource keeps its last good form. What is said of members that we do not know is no fault: the ledger may be
older here than there.
"""

import re
from typing import get_args

from federation.model import policy as limits
from federation.model.errors import Refused
from federation.model.ledger import Member
from federation.model.metadata import MEMBER_LABELS_MAX, is_key, is_value
from federation.model.names import is_label
from federation.model.record import About, Demand, Export, Granted, key_of
from federation.model.resilience import Resilience, RetryOn
from federation.model.wish import HINTED, Wish, in_force

RPS = limits.Range(0, 1_000_000_000)
MEMBERS_MAX = 4_096
TEXT_MAX = 64
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
"""The name of a header or a cookie (RFC 9110 5.6.2, RFC 6265 4.1.1)."""

RETRY_WORDS = frozenset(get_args(RetryOn))

Number = tuple[str, int, limits.Range]


def check_rates(resource: Demand | Granted, member: Member) -> None:
    """Refused: E118 too many members, E114 no name or the owner's own, E120 a rate that cannot be."""
    where = f'resource "{key_of(resource)[:160]}" of member "{member.name}"'
    rates = resource.wants if isinstance(resource, Demand) else resource.grants
    if len(rates) > MEMBERS_MAX:
        raise Refused(f"{where}: names {len(rates)} members > {MEMBERS_MAX}; last good kept", "E118")
    for name in rates:
        if not is_label(name) or name == member.name:
            raise Refused(f"{where}: {name[:80]!r} is not another member; last good kept", "E114")
    said = [(f'requests per second for member "{name}"', rate, RPS) for name, rate in rates.items()]
    if isinstance(resource, Demand):
        said.append(("requests per second", resource.rps, RPS))
    _check_numbers(said, where)


def check_about(about: About) -> None:
    """Refused: E118 too many labels, E114 one that is none, E120 texts of any length: each import carries them."""
    where = f'resource "about" of member "{about.member}"'
    if len(about.labels) > MEMBER_LABELS_MAX:
        raise Refused(f"{where}: {len(about.labels)} labels, limit {MEMBER_LABELS_MAX}; last good kept", "E118")
    for key, value in about.labels.items():
        if not (is_key(key) and is_value(value)):
            raise Refused(f"{where}: label {key[:80]!r} = {value[:80]!r} is none; last good kept", "E114")
    if max(len(about.region), len(about.version)) > TEXT_MAX:
        raise Refused(f"{where}: region or version is longer than {TEXT_MAX} characters; last good kept", "E120")


def check_hint(export: Export, member: Member) -> None:
    """Refused (E120) when it says what is the caller's to say, or a number that cannot be."""
    where, hint = f"service {export.service} of member {member.name}", export.hint
    foreign = next((name for name in Wish.__struct_fields__ if _said(hint, name) and name not in HINTED), None)
    if foreign is not None:
        raise Refused(f'{where}: its hint says "{foreign}", which is the caller\'s to say; last good kept', "E120")
    policy = in_force([("hint", hint)]).policy
    numbers = [] if hint.capacity is None else [("capacity", hint.capacity, limits.CAPACITY)]
    if hint.ramp is not None:
        numbers.append(("return percent", hint.ramp.percent, limits.RETURN_PERCENT))
        numbers.append(("return seconds", hint.ramp.seconds, limits.RETURN_SECONDS))
    if hint.affinity is not None:
        numbers.append(("affinity seconds", hint.affinity.seconds, limits.AFFINITY_SECONDS))
        if hint.affinity.by == "source" and hint.affinity.name:
            raise Refused(f"{where}: affinity by source has a name; last good kept", "E120")
        if not TOKEN.fullmatch(hint.affinity.name) and hint.affinity.by != "source":
            name = hint.affinity.name[:80]
            raise Refused(f"{where}: {hint.affinity.by} {name!r} is no name; last good kept", "E120")
    numbers.append(("words to retry on", len(policy.resilience.retries.on), limits.Range(0, len(RETRY_WORDS))))
    odd = next((word for word in policy.resilience.retries.on if word not in RETRY_WORDS), None)
    if odd is not None:
        raise Refused(f"{where}: {odd[:80]!r} is nothing to retry on; last good kept", "E120")
    _check_numbers([*numbers, *_resilience(policy.resilience)], where)


def _said(hint: Wish, name: str) -> bool:
    return getattr(hint, name) is not None


def _resilience(said: Resilience) -> list[Number]:
    times, retries, breakers = said.timeouts, said.retries, said.breakers
    found = [
        *_all(times, "timeout", limits.WAIT_MS),
        *((f"retry {name}", getattr(retries, name), limits.WAIT_MS) for name in ("per_try", "base", "most")),
        ("retry attempts", retries.attempts, limits.ATTEMPTS),
        ("retry budget", retries.budget, limits.PERCENT),
        ("retry least", retries.least, limits.COUNT),
        *_all(breakers, "breaker", limits.COUNT),
        ("connection seconds", said.connection_seconds, limits.Range(0, limits.SECONDS.high)),
    ]
    if said.outlier is not None:
        found += [(f"outlier {name}", getattr(said.outlier, name), limits.WAIT_MS) for name in ("base", "most")]
        found.append(("outlier errors", said.outlier.errors, limits.COUNT))
        found.append(("outlier percent", said.outlier.percent, limits.PERCENT))
    if said.slow_start is not None:
        found.append(("slow start seconds", said.slow_start.seconds, limits.RETURN_SECONDS))
        found.append(("slow start percent", said.slow_start.percent, limits.RETURN_PERCENT))
    if said.rate_limit is not None:
        found.append(("rate limit", said.rate_limit.rps, limits.CAPACITY))
        found.append(("rate limit burst", said.rate_limit.burst, limits.COUNT))
    return found


def _all(part: object, what: str, allowed: limits.Range) -> list[Number]:
    names: tuple[str, ...] = getattr(part, "__struct_fields__", ())
    return [(f"{what} {name}", getattr(part, name), allowed) for name in names]


def _check_numbers(numbers: list[Number], where: str) -> None:
    for what, value, allowed in numbers:
        if not allowed.low <= value <= allowed.high:
            raise Refused(f"{where}: {what} {value} is not {allowed.low} to {allowed.high}; last good kept", "E120")
