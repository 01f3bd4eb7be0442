"""Why one client gets what it gets: the same choice that a query makes, said in words. Pure."""

from typing import Any

from federation.law.words import percent
from federation.model.errors import InputError
from gslb.locality import SCOPE
from gslb.steer import Choice, Client, Steering, client_of
from gslb.zone import AAAA, A

KINDS = {"A": A, "AAAA": AAAA}


def explain(steering: Steering | None, name: str, address: str, subnet: bool, now: int) -> dict[str, Any]:
    """Inputs, rules, shares and the picked member for a public name and a client, by type. InputError (E104) when the
    name is not steered here, E190 before the first handout."""
    if steering is None:
        raise InputError("this server has no handout yet: it needs its controller once", "E190")
    host = name.rstrip(".").lower()
    item = steering.table.steered.get(host)
    if item is None:
        known = ", ".join(sorted(steering.table.steered)[:10]) or "none"
        raise InputError(f'--name "{name}": no public name of this server; known: {known}', "E104")
    client = Client(client_of(address).address, subnet)
    bits = SCOPE[6 if ":" in client.address else 4]
    choices = {kind: steering.choose(host, number, client, now) for kind, number in KINDS.items()}
    return {
        "name": host,
        "client": f"{client.address}/{bits}",
        "as": "client subnet" if subnet else "resolver",
        "locality": steering.locality(client),
        "steering": item.name.steering,
        "ttl": item.name.ttl,
        "answers": {kind: _said(choice) for kind, choice in choices.items() if choice.addresses},
    }


def _said(choice: Choice) -> dict[str, Any]:
    return {
        "rules": list(choice.ruling.rules),
        "shares": {share.member: share.ppm for share in choice.ruling.shares},
        "picked": choice.member,
        "addresses": list(choice.addresses),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """An explanation for people."""
    said = [f"{found['name']} for {found['client']} ({found['as']}), which stands at {found['locality']}"]
    said.append(f"{found['steering']}, TTL {found['ttl']} s")
    for kind, answer in found["answers"].items():
        shares = ", ".join(f"{member} {percent(ppm)}" for member, ppm in answer["shares"].items())
        said += [f"{kind}:", *(f"  {rule}" for rule in answer["rules"])]
        said += [f"  shares: {shares}", f"  picked: {answer['picked']}, {', '.join(answer['addresses'])}"]
    return said
