"""What our own cluster is told of the federation as a whole: its members, its name, and what came of each Drain
and EgressPolicy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from federation.model.imported import CLUSTER_ID, CLUSTERSET, ClusterObject, Condition, MemberObject, Property, Said
from federation.model.ledger import Member
from federation.model.moves import Leaving
from federation.model.names import MemberName
from federation.plan.conditions import EGRESS, known_members
from federation.ports import PeerState

if TYPE_CHECKING:
    from federation.reconcile.loop import Loop

EXPORTS_EVERY = 10.0
"""Seconds for which the number of a member's exports stands: a rollout moves it many times a second."""


class Members:
    """Remembers since when a member is away, so that its object stays the same while it is, and how many exports were
    said last, and when (monotonic seconds).
    """

    def __init__(self) -> None:
        self._last_heard: dict[MemberName, int] = {}
        self._exports: dict[MemberName, tuple[int, float]] = {}

    def objects(self, loop: Loop, draining: Mapping[MemberName, Leaving]) -> tuple[ClusterObject, ...]:
        """What shall stand in our cluster."""
        own, ledger = loop.parts.own, loop.parts.ledger.ledger
        states = loop.parts.peers.states()
        members = ledger.seen_from(own.name)
        made: list[ClusterObject] = [Property(CLUSTER_ID, own.name), Property(CLUSTERSET, ledger.domain)]
        for member in members:
            state = states.get(member.name)
            exports = loop.desired.exporting if state is None else loop.index.exports(member.name)
            heard = 0 if state is None else self._heard(member.name, state, loop.parts.clock.wall())
            made.append(
                MemberObject(
                    member=member.name,
                    number=member.number,
                    region=member.region,
                    addresses=(*member.reachable, *member.local),
                    connected=state is None or state.connected,
                    last_heard=heard,
                    exports=self._counted(member.name, exports, loop.parts.clock.monotonic()),
                    conditions=_conditions(member, state, member.name in draining),
                )
            )
        known = {member.name: member for member in members}
        return (*made, *_drains(loop, known), *_egress(loop, known))

    def _counted(self, member: MemberName, exports: int, now: float) -> int:
        said, at = self._exports.get(member, (-1, now - EXPORTS_EVERY))
        if said == exports or now - at < EXPORTS_EVERY:
            return said
        self._exports[member] = (exports, now)
        return exports

    def _heard(self, member: MemberName, state: PeerState, now: float) -> int:
        if state.connected or state.age is None:
            self._last_heard.pop(member, None)
            return 0
        return self._last_heard.setdefault(member, int(now - state.age))


def _conditions(member: Member, state: PeerState | None, draining: bool) -> tuple[Condition, ...]:
    if state is None:
        ready, reachable = Condition("Ready", True, "Self", "This cluster."), None
    elif state.head is None:
        ready = Condition("Ready", False, "NoRecord", "Nothing was ever heard of its services.")
        reachable = _reachable(state)
    else:
        ready = Condition("Ready", True, "RecordHeld", "Its services are known.")
        reachable = _reachable(state)
    text = "It gets no requests while another is ready." if draining else "It gets its share of requests."
    drain = Condition("Draining", draining, "Drained" if draining else "NotDrained", text)
    return tuple(one for one in (ready, reachable, drain) if one)


def _reachable(state: PeerState) -> Condition:
    if state.connected:
        return Condition("Reachable", True, "Connected", "Its controller has a session with ours.")
    if state.via:
        return Condition("Reachable", True, "Relayed", f"Its record comes through {state.via}.")
    return Condition("Reachable", False, "Away", "No session with its controller; its last record is in force.")


def _drains(loop: Loop, members: Mapping[MemberName, Member]) -> list[Said]:
    """What is said of each Drain: in force, or of nobody."""
    found = []
    for name, drain in sorted((loop.parts.cluster.drains or {}).items()):
        member = drain.member or loop.parts.own.name
        if name in loop.moves.waiting:
            text = f"No move begins while moves are frozen ({loop.moves.frozen}); it begins when they are not."
            condition = Condition("Accepted", False, "Frozen", text)
        elif member in members:
            condition = Condition("Accepted", True, "Accepted", f'Member "{member}" is drained.')
        else:
            known = ", ".join(sorted(members))
            text = f'field "spec.member": there is no member "{member}"; known: {known}'
            condition = Condition("Accepted", False, "Invalid", text)
        found.append(Said(kind="Drain", namespace="", name=name, generation=drain.generation, conditions=(condition,)))
    return found


def _egress(loop: Loop, members: Mapping[MemberName, Member]) -> list[Said]:
    """What is said of each EgressPolicy: in force, or what is wrong with it; whether it names members that are none."""
    cluster = loop.parts.cluster
    refused, found = cluster.refused(EGRESS), []
    standing = {(one.namespace, one.name): one for one in cluster.confined.values()}
    for place in sorted(standing.keys() | refused.keys()):
        one = standing.get(place)
        generation = cluster.generation((EGRESS, *place))
        conditions = [Condition("Accepted", True, "Accepted", "In force as written.")]
        if place in refused:
            text, generation = refused[place]
            stays = "it is not in force" if one is None else "the last good one stays in force"
            conditions = [Condition("Accepted", False, "Invalid", f"{text}; {stays}")]
        if one is not None:
            conditions.append(known_members(one.members, members))
        found.append(
            Said(kind=EGRESS, namespace=place[0], name=place[1], generation=generation, conditions=tuple(conditions))
        )
    return found
