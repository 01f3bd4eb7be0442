"""What the controller says of itself: status for people and tools, and the law explained for one service."""

from __future__ import annotations

from typing import Any

from federation.law.shares import Case, rule
from federation.law.words import percent
from federation.model.errors import InputError
from federation.model.handout import Import
from federation.model.names import ServiceKey
from federation.reconcile.loop import UNMEASURED, Loop


def status(loop: Loop) -> dict[str, Any]:
    """Per member and node: what is wanted, what is reached, and why not."""
    parts = loop.parts
    epoch, generation = parts.record.order
    return {
        "member": parts.own.name,
        "domain": parts.own.domain,
        "revision": loop.revision,
        "record": {"epoch": epoch, "generation": generation},
        "ledger": {"term": parts.ledger.ledger.term, "index": parts.ledger.ledger.index},
        "cluster": {"certainty": parts.cluster.certainty, "problems": list(parts.cluster.problems)},
        "members": _members(loop),
        "nodes": _nodes(loop),
        "links": _links(loop),
        "services": [_service(key, loop) for key in sorted(loop.desired.plans)],
        "held": [loop.held.reason, *map(str, loop.held.services)] if loop.held else [],
        "problem": loop.problem,
        "unplanned": [f"{key}: {text}" for key, text in sorted(loop.unplanned.items())],
    }


def _members(loop: Loop) -> list[dict[str, Any]]:
    states = loop.parts.peers.states()
    rows = []
    for member in loop.parts.ledger.ledger.active():
        row: dict[str, Any] = {"member": member.name, "number": member.number, "region": member.region}
        state = states.get(member.name)
        if state is None:
            row |= {"state": "self", "session": "up", "age": 0.0, "refusals": []}
        else:
            row |= {
                "state": "fresh" if state.connected else "stale",
                "session": "up" if state.connected else "down",
                "age": None if state.age is None else round(state.age, 3),
                "record": {"epoch": state.head.epoch, "generation": state.head.generation} if state.head else None,
                "refusals": [str(error) for error in state.refusals],
            }
        rows.append(row)
    return rows


def _nodes(loop: Loop) -> list[dict[str, Any]]:
    states = loop.parts.agents.states()
    rows = []
    for name, enrolment in sorted(loop.enrolments.items()):
        state = states.get(name)
        node = state.node if state else None
        reached = node.reached if node else b""
        wanted = state.wanted if state else b""
        rows.append(
            {
                "node": name,
                "role": enrolment.role,
                "session": "up" if state and state.connected else "down",
                "wanted": wanted.hex()[:12],
                "reached": reached.hex()[:12],
                "current": bool(wanted) and wanted == reached,
                "problems": [
                    *(node.problems if node else ()),
                    *([state.refused] if state and state.refused else []),
                ],
            }
        )
    return rows


def _links(loop: Loop) -> list[dict[str, Any]]:
    return [
        {
            "node": name,
            "member": link.member,
            "gateway": link.gateway,
            "handshake_age": link.handshake_age,
            "rx": link.rx,
            "tx": link.tx,
            "rtt_us": link.rtt_us,
        }
        for name, state in sorted(loop.parts.agents.states().items())
        for link in sorted(state.links, key=lambda item: (item.member, item.gateway))
    ]


def _service(key: ServiceKey, loop: Loop) -> dict[str, Any]:
    plan = loop.desired.plans[key]
    merged = plan.handout.get(f"import/{key}")
    row: dict[str, Any] = {"service": str(key), "exported": bool(plan.record), "notes": list(plan.notes)}
    if isinstance(merged, Import):
        ruling = rule(merged.candidates, Case(loop.parts.own.name, merged.policy))
        row |= {
            "address": merged.address,
            "shares": [{"member": share.member, "ppm": share.ppm} for share in ruling.shares],
        }
    return row


def explain(loop: Loop, service: ServiceKey, member: str) -> dict[str, Any]:
    """The law's inputs, the rules applied and the shares, as clients in this member see them. InputError (E104)."""
    own = loop.parts.own.name
    if member != own:
        known = ", ".join(m.name for m in loop.parts.ledger.ledger.active())
        if member in loop.parts.ledger.ledger.members:
            raise InputError(
                f'--from "{member}": this controller answers for "{own}"; ask the one of "{member}"', "E104"
            )
        raise InputError(f'--from "{member}": no such member; known: {known}', "E104")
    plan = loop.desired.plans.get(service)
    merged = plan.handout.get(f"import/{service}") if plan else None
    if plan is None or not isinstance(merged, Import):
        raise InputError(f'service "{service}" is not imported here: no member exports it', "E104")
    ruling = rule(merged.candidates, Case(own, merged.policy))
    return {
        "service": str(service),
        "host": service.host,
        "from": own,
        "address": merged.address,
        "ports": [f"{p.name or p.port}:{p.port}/{p.protocol} via {p.listener}" for p in merged.ports],
        "inputs": [
            {
                "member": c.member,
                "cost": c.cost,
                "cost_from": "own member"
                if c.member == own
                else "not measured"
                if c.cost > UNMEASURED
                else "round trip, ms",
                "ready": c.ready,
                "total": c.total,
            }
            for c in merged.candidates
        ],
        "rules": list(ruling.rules),
        "shares": [{"member": s.member, "ppm": s.ppm, "percent": percent(s.ppm)} for s in ruling.shares],
        "notes": list(plan.notes),
    }
