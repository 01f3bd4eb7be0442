"""What the controller says of itself: status for people and tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from federation.law.case import Paths, case_of
from federation.law.shares import rule
from federation.model.handout import Import, Steered
from federation.model.names import ServiceKey
from federation.model.wish import Wish
from federation.reconcile.flattening import pairs_of
from federation.reconcile.loop import Loop
from federation.reconcile.memory import Suspicion
from federation.reconcile.underway import under_way
from federation.reconcile.wishes import wishes


def status(loop: Loop) -> dict[str, Any]:
    """Per member and node: what is wanted, what is reached, and why not."""
    parts = loop.parts
    epoch, generation = parts.record.order
    paths = loop.links.paths()
    return {
        "member": parts.own.name,
        "domain": parts.own.domain,
        "revision": loop.out.revision,
        "record": {"epoch": epoch, "generation": generation},
        "ledger": {
            "term": parts.ledger.ledger.term,
            "index": parts.ledger.ledger.index,
            "registrar": parts.ledger.ledger.registrar,
        },
        "cluster": {"certainty": parts.cluster.certainty, "problems": [*parts.cluster.problems, *_regions(loop)]},
        "store": {"problems": list(parts.store.problems)},
        "disk": {
            "problems": [
                *parts.ledger.problems,
                *parts.peers.problems,
                *parts.journal.problems,
                *parts.disk.problems,
                *_unread(loop),
            ]
        },
        "members": _members(loop),
        "former": [
            {"member": member.name, "number": member.number, "state": member.state}
            for member in parts.ledger.ledger.members.values()
            if member.state != "active"
        ],
        "nodes": _nodes(loop),
        "links": _links(loop),
        "services": [_service(key, loop, paths) for key in sorted(loop.desired.plans) if _is_told(key, loop)],
        "names": _names(loop),
        "moves": under_way(loop),
        "flat": pairs_of(loop),
        "foreign": _foreign(loop),
        "held": [loop.held.reason, *map(str, loop.held.services)] if loop.held else [],
        "problem": loop.problem,
        "trust": loop.trust.told,
        "membership": list(loop.trust.membership),
        "unplanned": [f"{key}: {text}" for key, text in sorted(loop.unplanned.items())],
    }


def _regions(loop: Loop) -> list[str]:
    """What nodes say of their region, held against the ledger."""
    own = loop.parts.ledger.ledger.members.get(loop.parts.own.name)
    others = sorted(loop.parts.cluster.regions - {own.region}) if own else []
    return [f'nodes are in region "{name}", the ledger has this member in "{own.region}"' for name in others if own]


def _unread(loop: Loop) -> list[str]:
    folder, said = loop.parts.folder.agents, "the program counts as enrolled, and is waited for, until it is removed"
    return [f"{folder / name}.json cannot be read: {why}; {said}" for name, why in sorted(loop.programs.unread.items())]


def _members(loop: Loop) -> list[dict[str, Any]]:
    states = loop.parts.peers.states()
    rows = []
    for member in loop.parts.ledger.ledger.seen_from(loop.parts.own.name):
        row: dict[str, Any] = {"member": member.name, "number": member.number, "region": member.region}
        state = states.get(member.name)
        if state is None:
            row |= {"state": "self", "session": "up", "age": 0.0, "refusals": []}
        else:
            row |= {
                "state": "fresh" if state.connected else "relayed" if state.via else "stale",
                "via": state.via,
                "session": "up" if state.connected else "down",
                "age": None if state.age is None else round(state.age, 3),
                "record": {"epoch": state.head.epoch, "generation": state.head.generation} if state.head else None,
                "refusals": [str(error) for error in state.refusals],
            }
        rows.append(row | {"notes": wishes(loop, member)})
    return rows


def _nodes(loop: Loop) -> list[dict[str, Any]]:
    states = loop.parts.agents.states()
    rows = []
    for name, enrolment in sorted(loop.programs.enrolments.items()):
        state = states.get(name)
        node = state.node if state else None
        reached = node.reached if node else b""
        wanted = state.wanted if state else b""
        rows.append(
            {
                "node": name,
                "role": enrolment.role,
                "packet_path": node.packet_path if node else "",
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
            "jitter_us": link.jitter_us,
            "up": link.up,
            "since": link.since,
            "loss": link.loss,
            "mtu": link.mtu,
            "heard": link.heard,
            "relay": link.relay,
        }
        for name, state in sorted(loop.parts.agents.states().items())
        for link in sorted(state.links, key=lambda item: (item.member, item.gateway))
    ]


def _is_told(key: ServiceKey, loop: Loop) -> bool:
    """Whether there is anything to tell of a service; of some only a policy for the namespace has the name."""
    plan = loop.desired.plans[key]
    return bool(plan.record or plan.handout or plan.exporters or plan.kept.wish != Wish() or loop.notes(key))


def _service(key: ServiceKey, loop: Loop, paths: Paths) -> dict[str, Any]:
    plan = loop.desired.plans[key]
    merged = plan.handout.get(f"import/{key}")
    row: dict[str, Any] = {"service": str(key), "exported": plan.exported, "notes": list(loop.notes(key))}
    if isinstance(merged, Import):
        now = int(loop.parts.clock.wall() * 1_000)
        own = loop.parts.ledger.ledger.members[loop.parts.own.name]
        ruling = rule(merged.candidates, case_of(merged, own.name, own.region, paths, now))
        row |= {
            "clusterset_ips": merged.addresses,
            "shares": [{"member": share.member, "ppm": share.ppm} for share in ruling.shares],
        }
    return row


def _names(loop: Loop) -> list[dict[str, Any]]:
    down = loop.links.targets_down()
    return [_name(item, down.get(host, {})) for host, item in sorted(loop.desired.steered.items())]


def _foreign(loop: Loop) -> list[dict[str, Any]]:
    now = int(loop.parts.clock.wall())
    return [
        {
            "trust_domain": one.trust_domain,
            "url": one.url,
            "profile": one.profile,
            "sequence": one.sequence,
            "age": max(0, now - one.fetched) if one.fetched else None,
            "problem": one.problem,
        }
        for one in loop.bundles.foreign
    ]


def _name(item: Steered, down: Mapping[str, Suspicion]) -> dict[str, Any]:
    return {
        "host": item.name.host,
        "service": str(item.name.service),
        "defined_by": item.owner,
        "zone": item.zone,
        "ttl": item.name.ttl,
        "targets": [
            {
                "member": target.candidate.member,
                "addresses": list(target.addresses),
                "ready": target.candidate.ready,
                "total": target.candidate.total,
                "down": down[target.candidate.member].since if target.candidate.member in down else None,
            }
            for target in item.targets
        ],
    }
