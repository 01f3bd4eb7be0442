"""Whether a caller of another member may call what we export, and by which AccessPolicy: as the gateway decides it."""

from __future__ import annotations

from typing import Any

from federation.model.access import Call, opened_to
from federation.model.errors import InputError
from federation.model.flat import Egress
from federation.model.handout import Offer
from federation.model.names import MemberName, ServiceKey
from federation.model.spiffe import parse_spiffe
from federation.plan.access import Verdict, judged
from federation.reconcile.loop import Loop


def access(loop: Loop, service: ServiceKey, source: str, method: str, path: str) -> dict[str, Any]:
    """The answer for each port of the service. InputError (E104, E105)."""
    own = loop.parts.own
    identity = parse_spiffe(source)
    members = {f"{member.name}.{own.domain}": member.name for member in loop.parts.ledger.ledger.seen_from(own.name)}
    member = members.get(identity.trust_domain)
    if member is None:
        raise InputError(f'--source "{source}": no member has this trust domain; known: {", ".join(members)}', "E104")
    if member == own.name:
        raise InputError(f'--source "{source}": is of this member, whose own clients no AccessPolicy is for', "E104")
    plan = loop.desired.plans.get(service)
    offer = None if plan is None else plan.handout.get(f"offer/{service}")
    if not isinstance(offer, Offer):
        raise InputError(f'service "{service}" is not exported by "{own.name}": nobody can call it there', "E104")
    found = judged(offer.ports, offer.access, own.domain, Call(identity, method, path))
    return {
        "service": str(service),
        "member": own.name,
        "source": source,
        "method": method,
        "path": path,
        "ports": [_row(verdict) for verdict in found],
        "notes": [*loop.notes(service), *_by_address(loop, offer, member)],
    }


def _by_address(loop: Loop, offer: Offer, member: MemberName) -> list[str]:
    """What this member's pods may open in flat mode, whoever they are; nothing while that is not in force."""
    members, own = loop.parts.ledger.ledger.members, loop.parts.own.name
    if loop.flat.pair(members[own], members[member], loop.index.about(member)).why:
        return []
    spaces = {one.namespace for one in loop.index.about(member).values() if isinstance(one, Egress)}
    opened: dict[str, list[str]] = {}
    for port in offer.ports:
        for source in opened_to(port, offer.access):
            if source.member in ("", member) and source.namespace in ("", *spaces):
                opened.setdefault(source.namespace, []).append(f"{port.name or port.port}/{port.protocol}")
    what = f"may open {', '.join(opened[''])}" if "" in opened else "may open none of its ports"
    why = "packets show no account, method or path, so rules that name one open none, nor do those for other namespaces"
    further = [f"those of its namespace {name} {', '.join(ports)}" for name, ports in sorted(opened.items()) if name]
    listed = "; ".join((f"any pod there {what} by address", *further))
    return [f"flat mode is in force with {member}: {listed}; {why}"]


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "port": verdict.port.name or str(verdict.port.port),
        "http": verdict.http,
        "admitted": verdict.admitted,
        "status": verdict.status,
        "why": verdict.why,
    }
