"""Why one client gets what it gets: the same choice that a query makes, said in words. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from federation.law.words import percent, seconds
from federation.model.errors import InputError
from gslb.checks import Check, Finding, Findings
from gslb.locality import SCOPE
from gslb.steer import Choice, Client, Part, Steering, client_of
from gslb.zone import AAAA, A

KINDS = {"A": A, "AAAA": AAAA}
WORDS = {True: "up", False: "down", None: "unknown"}


Parts = Callable[[Check], Sequence[tuple[str, bool | None]]]
"""What each probe of a target is, and what it finds (None: nothing yet)."""


def explain(
    steering: Steering | None, findings: Findings, parts: Parts, name: str, address: str, subnet: bool, now: int
) -> dict[str, Any]:
    """Inputs, rules, shares and the picked member for a public name and a client, by type, and what our probes and
    other members say. InputError (E104) when the name is not steered here, E190 before the first handout."""
    if steering is None:
        raise InputError("this server has no handout yet: it needs its controller once", "E190")
    host = name.rstrip(".").lower()
    item = steering.table.steered.get(host)
    if item is None:
        known = ", ".join(sorted(steering.table.steered)[:10]) or "none"
        raise InputError(f'--name "{name}": no public name of this server; known: {known}', "E104")
    client = Client(client_of(address).address, subnet)
    bits = SCOPE[6 if ":" in client.address else 4]
    anew = steering.fresh()
    choices = {kind: anew.choose(host, number, client, now) for kind, number in KINDS.items()}
    return {
        "name": host,
        "client": f"{client.address}/{bits}",
        "as": "client subnet" if subnet else "resolver",
        "locality": steering.locality(client),
        "steering": item.name.steering,
        "ttl": item.name.ttl,
        "answers": {kind: _said(choice, choice.part) for kind, choice in choices.items() if choice.part},
        "evidence": [_found(check, one, parts(check), now) for check, one in findings.items() if check.host == host],
    }


def _said(choice: Choice, part: Part) -> dict[str, Any]:
    return {
        "rules": list(choice.outcome.ruling.rules),
        "shares": {share.member: share.ppm for share in choice.outcome.ruling.shares},
        "picked": ", ".join(part.members),
        "addresses": list(part.addresses),
    }


def _found(check: Check, one: Finding, parts: Sequence[tuple[str, bool | None]], now: int) -> dict[str, Any]:
    return {
        "member": check.member,
        "type": next(kind for kind, number in KINDS.items() if number == check.kind),
        "probes": WORDS[one.own.up if one.known else None],
        "parts": [{"probe": words, "says": WORDS[up]} for words, up in parts],
        "for_ms": now - one.own.since if one.own.since else 0,
        "others": one.others,
        "cut_off": one.isolated,
        "held_ms": max(0, one.held - now),
        "gone": not one.way.up,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """An explanation for people."""
    said = [f"{found['name']} for {found['client']} ({found['as']}), which stands at {found['locality']}"]
    said.append(f"{found['steering']}, TTL {found['ttl']} s")
    for kind, answer in found["answers"].items():
        shares = ", ".join(f"{member} {percent(ppm)}" for member, ppm in answer["shares"].items())
        said += [f"{kind}:", *(f"  {rule}" for rule in answer["rules"])]
        said += [f"  shares: {shares}", f"  picked: {answer['picked']}, {', '.join(answer['addresses'])}"]
    return said + [_line(one) for one in found["evidence"] if one["probes"] != "up" or one["others"]]


def _line(one: dict[str, Any]) -> str:
    since = f" since {seconds(one['for_ms'])}" if one["for_ms"] else ""
    others = f"{one['others']} other member{'s' * (one['others'] != 1)} find it down"
    parts = ", ".join(f"{part['probe']} {part['says']}" for part in one["parts"])
    own = f"our probes say {one['probes']}{since}" + (f" ({parts})" if parts else "")
    return f"evidence: {one['member']} {one['type']}: {own}; {others}; {_fate(one)}"


def _fate(one: dict[str, Any]) -> str:
    if one["gone"]:
        return "taken out of answers"
    if one["cut_off"]:
        return "we are cut off"
    held = one["held_ms"]
    return f"held back for {seconds(held)}: so much of the name went of late" if held else "answered"
