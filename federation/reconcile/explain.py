"""The law explained for one locality and one service or public name: now, or at a moment that the journal remembers."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, structs

from federation.health.merge import gone
from federation.law.case import case_of
from federation.law.places import UNMEASURED, policy_of, seen_from
from federation.law.room import staying
from federation.law.shares import Case, rule, rule_live
from federation.law.terms import price_cost
from federation.law.words import percent
from federation.model.confine import kept_from
from federation.model.errors import InputError
from federation.model.handout import Candidate, Import, Place, Steered
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy
from federation.model.standing import Standing
from federation.plan import mesh
from federation.reconcile.loop import Loop
from federation.reconcile.memory import Paths, Suspicion, Suspicions

ONLY_DNS = "how far a target is on its way back is known to each DNS server: isthmus dns explain"


class Asked(Struct, frozen=True):
    """What to explain: a service or a host, for clients of which member, at which Unix millisecond (0: now)."""

    what: ServiceKey | str
    member: str
    at: int = 0


def explain(loop: Loop, asked: Asked) -> dict[str, Any]:
    """The law's inputs, the rules applied and the shares, as clients in this member see them. InputError (E104)."""
    _check_member(loop, asked)
    now = asked.at or int(loop.parts.clock.wall() * 1_000)
    if isinstance(asked.what, ServiceKey):
        return _service(loop, asked.what, now, asked)
    return _name(loop, asked.what, now, asked)


def _check_member(loop: Loop, asked: Asked) -> None:
    own = loop.parts.own.name
    known = [member.name for member in loop.parts.ledger.ledger.seen_from(own)]
    if asked.member not in known:
        text = f'--from "{asked.member}": no such member; known: {", ".join(known)}'
        raise InputError(text, "E104")
    if isinstance(asked.what, ServiceKey) and asked.member != own:
        text = f'--from "{asked.member}": this controller answers for "{own}"; ask the one of "{asked.member}"'
        raise InputError(text, "E104")


def _service(loop: Loop, service: ServiceKey, now: int, asked: Asked) -> dict[str, Any]:
    if asked.at:
        merged = _found(loop, f"import/{service}", asked.at, Import)
        paths = (_found(loop, "paths", asked.at, Paths) or Paths({})).paths
    else:
        held = loop.desired.plans[service].handout.get(f"import/{service}") if service in loop.desired.plans else None
        merged = held if isinstance(held, Import) else None
        paths = loop.links.paths()
    if merged is None:
        raise InputError(f'service "{service}" is not imported here{_then(asked)}: no member exports it', "E104")
    ports = [f"{p.name or p.port}:{p.port}/{p.protocol} via {p.listener}" for p in merged.ports]
    told: dict[str, Any] = {
        "service": str(service),
        "host": service.host,
        "clusterset_ips": merged.addresses,
        "ports": ports,
    }
    if not asked.at:
        told["levels"] = dict(loop.desired.plans[service].levels)
    region = loop.parts.ledger.ledger.members[loop.parts.own.name].region
    case = case_of(merged, asked.member, region, paths, now)
    return (
        told
        | _ruled(merged.candidates, case)
        | {"notes": [] if asked.at else [*loop.notes(service), *_kept(loop, service)]}
    )


def _kept(loop: Loop, service: ServiceKey) -> list[str]:
    kept = kept_from(loop.parts.cluster.confined.values(), service)
    return [f"clients {', '.join(kept)} stay at home: no EgressPolicy for them lists it"] if kept else []


def _name(loop: Loop, host: str, now: int, asked: Asked) -> dict[str, Any]:
    if asked.at:
        item = _found(loop, f"steered/{host}", asked.at, Steered)
        down = (_found(loop, "targets", asked.at, Suspicions) or Suspicions({})).hosts.get(host, {})
    else:
        item, down = loop.desired.steered.get(host), loop.links.targets_down().get(host, {})
    if item is None:
        known = ", ".join(sorted(loop.desired.steered)) or "none"
        raise InputError(f'name "{host}" is not served{_then(asked)}; names served now: {known}', "E104")
    members, place = loop.parts.ledger.ledger.members, _place(loop, asked)
    found = [(target.candidate, members[target.candidate.member].number) for target in item.targets]
    candidates = tuple(seen_from(candidate, number, place.member, place.costs) for candidate, number in found)
    told = {"name": host, "service": str(item.name.service), "ttl": item.name.ttl, "defined_by": item.owner}
    told["addresses"] = {t.candidate.member: list(t.addresses) for t in item.targets}
    case = structs.replace(_case(loop, asked.member, policy_of(item.name), down, now), region=place.region)
    return told | _ruled(candidates, case, live=True) | {"notes": [ONLY_DNS]}


def _case(loop: Loop, member: str, policy: Policy, down: dict[str, Suspicion], now: int) -> Case:
    paths = {}
    for about, one in down.items():
        standing = Standing(up=False, since=one.since)
        if gone(standing, one.others, about != loop.parts.own.name, now):
            paths[about] = standing
    return Case(member, policy, paths, now)


def _place(loop: Loop, asked: Asked) -> Place:
    """The member as a place, as it was then; before it is known, without distances."""
    if asked.at:
        found = _found(loop, f"place/{asked.member}", asked.at, Place)
    else:
        found = next((place for place in loop.desired.places() if place.member == asked.member), None)
    members = loop.parts.ledger.ledger.members
    return found or mesh.place(members[MemberName(asked.member)], {})


def _ruled(candidates: tuple[Candidate, ...], case: Case, live: bool = False) -> dict[str, Any]:
    ruling = rule_live(candidates, case) if live else rule(candidates, case)
    return {
        "from": case.local,
        "at": case.now,
        "demand": case.demand,
        "shifts": [msgspec.to_builtins(shift) for shift in case.shifts],
        "inputs": [_input(candidate, case) for candidate in candidates],
        "policy": msgspec.to_builtins(case.policy),
        "rules": list(ruling.rules),
        "shares": [{"member": s.member, "ppm": s.ppm, "percent": percent(s.ppm)} for s in ruling.shares],
        "standby": list(ruling.standby),
        "fallback": ruling.fallback,
    }


def _input(candidate: Candidate, case: Case) -> dict[str, Any]:
    path = case.path(candidate.member)
    own = candidate.member == case.local
    by = "own member" if own else "not measured" if candidate.cost >= UNMEASURED else "round trip, ms"
    return {
        "member": candidate.member,
        "region": candidate.region,
        "cost": candidate.cost,
        "cost_from": by,
        "price_cost": price_cost(candidate, case),
        "ready": candidate.ready,
        "total": candidate.total,
        "floor": candidate.floor,
        "since": candidate.since,
        "capacity": candidate.capacity,
        "grant": candidate.grant,
        "labels": candidate.labels,
        "staying": staying(candidate, case.now),
        "up": path.up,
        "path_since": path.since,
        "loss": path.loss,
    }


def _then(asked: Asked) -> str:
    return " at that time, or the journal does not reach back so far" if asked.at else ""


def _found(loop: Loop, key: str, at: int, kind: Any) -> Any:
    data = loop.parts.journal.find(key, at)
    return None if data is None else msgspec.json.decode(data, type=kind)
