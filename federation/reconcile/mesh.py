"""Everything of our record and handouts that is about no service: ourselves, gateways, peers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from federation.model.ledger import Member
from federation.model.local import Outside
from federation.model.names import MemberName
from federation.model.overlay import SLOTS, rail_key
from federation.model.record import Gateway, Resource, key_of
from federation.model.report import NodeReport
from federation.plan import mesh
from federation.ports import PeerState
from federation.wire.keyed import encode

if TYPE_CHECKING:
    from federation.reconcile.loop import Loop

VERSION = "0.1.0"
EVIDENCE_SECONDS = 60.0


def plan_mesh(loop: Loop, states: Mapping[MemberName, PeerState]) -> tuple[dict[str, Resource], dict[str, Struct]]:
    """What our record and our agents' handouts say of it, by key."""
    ledger = loop.parts.ledger.ledger
    own = ledger.members[loop.parts.own.name]
    reports = {name: state.node for name, state in loop.parts.agents.states().items()}
    record: dict[str, Resource] = {
        "about": mesh.about(own, VERSION, loop.moves.leaves().get(own.name), loop.parts.labels)
    }
    evidence = loop.links.evidence()
    names = [name for name, one in loop.programs.enrolments.items() if one.role == "gateway"]
    rails = loop.allocations.rails(names, {name: mesh.rails_wanted(one) for name, one in reports.items() if one})
    gateways = _gateways(loop, own, reports, rails, names)
    ours: list[Resource] = [*gateways, *loop.links.distances(), *evidence]
    ours += [*loop.links.sightings({one.node: one.rail for one in gateways}), *loop.trust.record]
    enrolled = loop.programs.enrolments
    ours.append(mesh.seen(ledger.mark, {name: reports.get(name) for name in (*enrolled, *loop.programs.unread)}))
    record |= {key_of(item): item for item in ours} | loop.bundles.record()
    ids = {name: loop.allocations.gateway(name) for name in names}
    record |= loop.flat.record(ledger.members) | loop.egress.record(own)
    site = structs.replace(
        mesh.site(own, ledger, ids, rails, loop.programs.zones, loop.trust.issuer),
        images=loop.flat.images(own),
        egress=loop.egress.site(own),
    )
    handout: dict[str, Struct] = {"site": site}
    handout |= loop.inner.handout(own, ids, enrolled, reports, site.images, loop.egress.behind)
    handout[f"place/{own.name}"] = mesh.place(own, loop.links.costs, own=True)
    handout |= mesh.own_witnesses(own.name, evidence)
    hosts = loop.desired.steered.keys()
    for name in states:
        member, about = ledger.members[name], loop.index.about(name)
        told, pair = about.values(), loop.flat.pair(own, member, about)
        handout[f"peer/{name}"] = mesh.peer(member, ledger, told, pair.ranges)
        handout[f"place/{name}"] = mesh.place(member, mesh.distances(told, ledger.members.keys()))
        if _fresh(states[name]):
            handout |= mesh.witnesses(name, told, ledger.members.keys(), hosts)
    said = {ledger.members[name].number: loop.index.about(name).values() for name in states}
    handout |= mesh.sighted(said, states.keys(), own)
    handout["orders"] = loop.moves.told
    handout |= {f"confined/{name}": one for name, one in loop.parts.cluster.confined.items()}
    return record, handout | loop.bundles.handout(states)


def _gateways(
    loop: Loop,
    own: Member,
    reports: Mapping[str, NodeReport | None],
    rails: Mapping[str, int],
    names: Iterable[str],
) -> list[Gateway]:
    """Each gateway with a rail as last reported: an agent that is not connected now is unknown, not gone."""
    found = []
    store = loop.parts.store
    for name in names:
        report = reports.get(name)
        further = _further(loop, name, report)
        gateway = mesh.own_gateway(own, loop.allocations.gateway(name), rails, report, further) if report else None
        known = _known_gateway(store.get(f"known/{name}"), rails)
        if gateway is not None and gateway != known:
            store.put(f"known/{name}", encode(gateway))
        if gateway or known:
            found.append(gateway or known)
    return [gateway for gateway in found if gateway is not None]


def _further(loop: Loop, name: str, report: NodeReport | None) -> tuple[str, ...]:
    if report is None or not report.gateway_endpoint:
        return ()
    outside = loop.programs.outside.get(name, Outside())
    ledger = loop.parts.ledger.ledger
    return mesh.further_endpoints(ledger.members[loop.parts.own.name], report, outside, ledger)


def _known_gateway(kept: bytes | None, rails: Mapping[str, int]) -> Gateway | None:
    """The gateway that was written down, while it has its rail. None for nothing, or for what another version wrote."""
    with contextlib.suppress(msgspec.MsgspecError):
        gateway = None if kept is None else msgspec.msgpack.decode(kept, type=Gateway)
        if gateway is not None and gateway.rail in (rails.get(rail_key(gateway.node, slot)) for slot in range(SLOTS)):
            return gateway
    return None


def _fresh(state: PeerState) -> bool:
    """True while what a peer finds down still counts: its record may be old, its evidence may not."""
    return state.connected or (state.age is not None and state.age < EVIDENCE_SECONDS)
