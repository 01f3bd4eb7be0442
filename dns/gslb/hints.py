"""SVCB and HTTPS records (RFC 9460) whose address hints follow the law: who goes by hints would defeat it. Pure."""

import re
from collections.abc import Iterable

from msgspec import structs

from federation.law.room import soonest
from federation.model.public import GlobalName
from gslb.answered import Answered
from gslb.client import Client
from gslb.steer import Choice, Steering
from gslb.zone import AAAA, HTTPS, SVCB, A, Row, as_held

SVCB_KINDS = (SVCB, HTTPS)
_HINTS = {"ipv4hint": A, "ipv6hint": AAAA}
_HINT = re.compile(r' (ipv[46]hint)="[^"]*"')


def https_row(name: GlobalName) -> Row:
    """The HTTPS record of a public name that says which protocols it speaks, with room for hints."""
    return (name.host, HTTPS, name.ttl, f'1 . alpn="{",".join(name.alpn)}" ipv4hint="" ipv6hint=""')


def has_hints(row: Row) -> bool:
    """True when this record has hints of addresses."""
    return _HINT.search(row[3]) is not None


def hinted(steering: Steering, found: Answered, client: Client, now: int) -> Answered:
    """The answer with the hints of each record that leads to a steered name as this client gets it. Without one place
    where the client stands, for several names, it is not for keeping.
    """
    rows, used = [], list[Choice]()
    for row in found.records:
        host = _target(row)
        if host not in steering.table.steered or not has_hints(row):
            rows.append(row)
            continue
        chosen = {hint: steering.choose(host, kind, client, now) for hint, kind in _HINTS.items()}
        used += chosen.values()
        rows.append(_with(row, chosen))
    if not used:
        return found
    scope, until = max(one.scope for one in used), soonest([one.outcome.until for one in used])
    stand = used[0].stand if len(set(map(_target, found.records))) == 1 else None
    return structs.replace(found, records=tuple(rows), scope=scope, until=until, stand=stand)


def _target(row: Row) -> str:
    return as_held(row[3].split()[1]) or row[0]


def _with(row: Row, chosen: dict[str, Choice]) -> Row:
    owner, kind, ttl, text = row

    def put(hint: re.Match[str]) -> str:
        addresses = _addresses(chosen[hint[1]])
        return f' {hint[1]}="{",".join(addresses)}"' if addresses else ""

    return (owner, kind, min([ttl, *(one.outcome.ttl for one in chosen.values())]), _HINT.sub(put, text))


def _addresses(choice: Choice) -> Iterable[str]:
    return choice.part.addresses if choice.part else ()
