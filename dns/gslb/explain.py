"""Why one client gets what it gets: the same choice that a query makes, said in words. Pure."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from itertools import accumulate
from typing import Any

from msgspec import Struct

from federation.law.words import percent, seconds
from federation.model.errors import InputError
from gslb.checks import Check, Finding, Findings
from gslb.client import Client, behind, client_of
from gslb.steer import Choice, Part, Steering
from gslb.zone import AAAA, A

KINDS = {"A": A, "AAAA": AAAA}
WORDS = {True: "up", False: "down", None: "unknown"}


Parts = Callable[[Check], Sequence[tuple[str, bool | None]]]
"""What each probe of a target is, and what it finds (None: nothing yet)."""


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """What `isthmus dns explain` asks: for this resolver's address, with this client subnet ("": none), under the
    handout of this revision (0: now).
    """

    name: str
    client: str
    ecs: str = ""
    at: int = 0


class Moment(Struct, frozen=True):
    """What answers were made from."""

    steering: Steering
    findings: Mapping[str, Findings]


def explain(moment: Moment | None, question: Question, now: int, parts: Parts | None = None) -> dict[str, Any]:
    """Inputs, rules, shares and the picked members for a public name and a client, by type, and what our probes and
    other members say. InputError (E104) when the name is not steered here, E190 before the first handout."""
    if moment is None:
        raise InputError("this server has no handout yet: it needs its controller once", "E190")
    steering, host = moment.steering, question.name.rstrip(".").lower()
    item = steering.table.steered.get(host)
    if item is None:
        known = ", ".join(sorted(steering.table.steered)[:10]) or "none"
        raise InputError(f'name "{question.name}": no public name of this server; known: {known}', "E104")
    client = _client(question)
    anew = steering.fresh()
    choices = {kind: anew.choose(host, number, client, now) for kind, number in KINDS.items()}
    stand, name = choices["A"].stand, item.name
    return {
        "name": host,
        "revision": steering.table.serial,
        "client": client.address,
        "as": "client subnet" if client.subnet else "resolver",
        "locality": stand.locality,
        "steering": "routing" if name.routing else name.steering,
        "guides": list(anew.said(host, stand)),
        "answers": {kind: _said(choice, choice.part) for kind, choice in choices.items() if choice.part},
        "evidence": [_found(*one, parts, now) for one in moment.findings.get(host, {}).items()],
    }


def _client(question: Question) -> Client:
    if not question.ecs:
        return client_of(question.client)
    network = ip_network(question.ecs, strict=False)
    return behind(str(network.network_address), client_of(question.client).address)


def _said(choice: Choice, part: Part) -> dict[str, Any]:
    outcome = choice.outcome
    return {
        "rules": list(outcome.ruling.rules),
        "shares": {share.member: share.ppm for share in outcome.ruling.shares},
        "parts": [{"ppm": one.ppm, "members": list(one.members)} for one in outcome.parts],
        "bucket": choice.bucket,
        "scope": choice.scope,
        "ttl": outcome.ttl,
        "moves": bool(outcome.until),
        "picked": ", ".join(part.members),
        "addresses": list(part.addresses),
    }


def _found(check: Check, one: Finding, parts: Parts | None, now: int) -> dict[str, Any]:
    return {
        "member": check.member,
        "type": next(kind for kind, number in KINDS.items() if number == check.kind),
        "probes": WORDS[one.own.up if one.known else None],
        "parts": [{"probe": words, "says": WORDS[up]} for words, up in (parts(check) if parts else ())],
        "for_ms": now - one.own.since if one.own.since else 0,
        "others": one.others,
        "cut_off": one.isolated,
        "held_ms": max(0, one.held - now),
        "gone": not one.way.up,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """An explanation for people."""
    said = [f"{found['name']} for {found['client']} ({found['as']}), which stands at {found['locality']}"]
    said.append(f"{found['steering']}, revision {found['revision']}")
    said += [f"  {line}" for line in found["guides"]]
    for kind, answer in found["answers"].items():
        shares = ", ".join(f"{member or 'no address'} {percent(ppm)}" for member, ppm in answer["shares"].items())
        why = "something is under way" if answer["moves"] else "nothing moves"
        said += [f"{kind}:", *(f"  {rule}" for rule in answer["rules"]), f"  shares: {shares}"]
        if len(answer["parts"]) > 1:
            said.append(
                f"  bucket {answer['bucket']} of 1000000, the same for its /{answer['scope']}: {_parts(answer)}"
            )
        said += [f"  TTL {answer['ttl']} s ({why}), scope /{answer['scope']}"]
        said += [f"  picked: {answer['picked'] or 'no address'}{''.join(f', {one}' for one in answer['addresses'])}"]
    return said + [_line(one) for one in found["evidence"] if one["probes"] != "up" or one["others"]]


def _parts(answer: dict[str, Any]) -> str:
    """Where each answer ends among the buckets."""
    ends = accumulate(one["ppm"] for one in answer["parts"])
    named = (" and ".join(one["members"]) or "no address" for one in answer["parts"])
    return ", ".join(f"{name} below {end}" for name, end in zip(named, ends, strict=True))


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
