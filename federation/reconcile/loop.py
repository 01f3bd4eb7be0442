"""The loop of one member's controller.

An event only marks what must be looked at again; each pass plans those services from what stands now, and a full
pass every few minutes finds the same when every event was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

import msgspec
from msgspec import Struct
from prometheus_client import Counter, Gauge, Histogram

from federation.config import Enrolment, Enrolments
from federation.model.errors import InputError, IsthmusError
from federation.model.handout import NodeReport, Place
from federation.model.ledger import Member
from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Gateway, Resource, key_of
from federation.plan import mesh
from federation.plan.guard import Held, judge
from federation.plan.service import (
    Offered,
    ServiceInputs,
    ServicePlan,
    own_export,
    plan_service,
    wanted_listeners,
    without_failing,
)
from federation.plan.steering import Bounds
from federation.ports import PeerState, Store
from federation.reconcile.allocations import Allocations
from federation.reconcile.bundles import Bundles
from federation.reconcile.desired import NOTHING, Desired, told
from federation.reconcile.links import Links
from federation.reconcile.memory import Memory
from federation.reconcile.names import OwnNames
from federation.reconcile.observed import PeerIndex, Rank
from federation.reconcile.parts import Parts
from federation.reconcile.publish import Batch, Publications
from federation.reconcile.trust import Trust
from federation.session.tree import Change
from federation.wire.keyed import encode

log = logging.getLogger("reconcile")
passes_total = Counter("isthmus_reconcile_passes_total", "Passes of the loop")
pass_seconds = Histogram("isthmus_reconcile_pass_seconds", "Duration of a pass in seconds")
services_gauge = Gauge("isthmus_services", "Services imported here")
held_gauge = Gauge("isthmus_guard_held", "Services whose withdrawal the guard holds")

TICK = 1.0
REST, REST_MAX = 3, 0.25
"""After a pass the sessions are given so many times as long as it took, and no more seconds than that."""
RESYNC = 300.0
VERSION = "0.1.0"
EXPORTED = "exported"
TOLD = ("import/", "steered/")
EVIDENCE_SECONDS = 60.0
MESH_KEYS = ("gateway/", "distance/", "evidence/", "jwt")


class Loop:
    """Observe, plan, apply, report; one instance per controller."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.desired = Desired()
        self.index = PeerIndex()
        self.memory = Memory(parts.store)
        self.names = OwnNames(parts.own.name, parts.ledger, self.memory)
        self.links = Links(parts.own.name, parts.agents, parts.peers, parts.journal, parts.clock)
        self.held: Held | None = None
        self.out = Publications(parts.own.name, parts.peers, parts.agents, parts.record, parts.store, parts.clock)
        self.trust = Trust()
        self.problem = ""
        self.unplanned: dict[ServiceKey, str] = {}
        self.allocations = Allocations(parts.own, parts.store)
        self.bundles = Bundles(parts.own.name, parts.store, self._mesh_changed)
        self._enrolled = Enrolments(parts.folder.agents)
        self.enrolments: dict[str, Enrolment] = {}
        self.unread: dict[str, str] = {}
        self._held_since: float | None = None
        self._dirty: set[ServiceKey] = set()
        self._all = True
        self._mesh = True
        self._reported = False
        self._wake = asyncio.Event()
        self._failing: dict[ServiceKey, frozenset[str]] = {}
        self._before = _kept_exports(parts.store)

    def wake(self, key: ServiceKey | None) -> None:
        """This service of our cluster changed (None: look at all)."""
        if key is None:
            self._all = True
        else:
            self._dirty.add(key)
        self._wake.set()

    def peer_changed(self, member: MemberName, change: Change | None) -> None:
        """This member's record changed (None: the ledger moved, look at all)."""
        states = self.parts.peers.states()
        if change is None or member not in states:
            self._all = self._mesh = True
        else:
            keys = [*change.changed, *change.removed]
            self._dirty |= self.index.note(member, keys, states[member].view)
            self._dirty |= self.names.hosts.follow(member, keys, states[member].view)
            self._mesh = self._mesh or any(key.startswith(MESH_KEYS) for key in keys)
        self._wake.set()

    def _mesh_changed(self) -> None:
        self._mesh = True
        self._wake.set()

    def agent_reported(self, name: str) -> None:
        """An agent said something new, came or went."""
        self._reported = True
        self._mesh_changed()

    def trust_moved(self, trust: Trust) -> None:
        """The rotation of our anchor moved on."""
        self.trust = trust
        self._mesh_changed()

    def _follow_reports(self) -> None:
        """Mark the services of whose endpoints our agents now think otherwise."""
        if not self._reported:
            return
        self._reported = False
        failing = self.links.failing()
        moved = {key for key in failing.keys() | self._failing.keys() if failing.get(key) != self._failing.get(key)}
        self._dirty |= moved
        self._failing = failing

    async def run(self) -> None:
        """Loop until cancelled."""
        resync = self.parts.clock.monotonic() + RESYNC
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._wake.wait()
            self._wake.clear()
            if self.parts.clock.monotonic() >= resync:
                resync = self.parts.clock.monotonic() + RESYNC
                self._all = self._mesh = True
            began = self.parts.clock.monotonic()
            await self.step()
            await asyncio.sleep(min(REST_MAX, REST * (self.parts.clock.monotonic() - began)))

    async def step(self) -> None:
        """One pass over what is marked. A failure is kept as `problem` and the pass is due again in full."""
        try:
            if self.parts.own.name not in self.parts.ledger.ledger.members:
                return
            self._follow_enrolments()
            self._follow_reports()
            if self.parts.cluster.certainty == "unknown" or not (self._all or self._dirty or self._mesh or self.held):
                return
            passes_total.inc()
            with pass_seconds.time():
                batch = self._pass()
                await self.parts.store.flush()
                if batch is not None:
                    self.out.send(batch)
            self.problem = ""
        except (IsthmusError, OSError) as error:
            self._all = self._mesh = True
            if self.problem != str(error):
                log.error("pass failed", extra={"reason": str(error)})
            self.problem = str(error)

    def _pass(self) -> Batch | None:
        """Plan, and write down what must be durable before what is returned may be published; None: nothing may be."""
        everything, mesh_dirty, dirty = self._all, self._mesh, self._dirty
        self._all = self._mesh = False
        self._dirty = set()
        states = self.parts.peers.states()
        views = {name: state.view for name, state in states.items()}
        if everything:
            self._reindex(states)
            dirty = {*self.parts.cluster.services(), *self.index.services(), *self.desired.plans, *self._before}
        self._measure_costs(dirty)
        near = self.parts.ledger.ledger.seen_from(self.parts.own.name)
        rank = {m.name: Rank(m.number, self.links.cost(m), m.region) for m in near}
        facts = [
            without_failing(local, self._failing.get(local.key, frozenset()))
            for local in self.names.facts(dirty, self.parts.cluster)
        ]
        plans = self._plan_services([(local, self.index.offered(local.key, views, rank)) for local in facts])
        held = self._hold(plans)
        if held and not self.out.started:
            self._all = True
            return None
        for key in (*held, *self.names.restore(held)):
            plans.pop(key, None)
            self._dirty.add(key)
        self._note(plans)
        hosts = set(self.desired.steered)
        for key, plan in plans.items():
            self.desired.put_service(key, plan)
            self.memory.keep(key, plan.kept)
            if not plan.handout:
                self.allocations.release(key)
        self._remember_exports(plans)
        if mesh_dirty or everything or hosts != self.desired.steered.keys():
            self._plan_mesh(states)
        services_gauge.set(len(self.desired.plans))
        return self.out.batch(self.desired.record, self.desired.roles, self.enrolments)

    def _plan_services(self, services: list[tuple[LocalFacts, tuple[Offered, ...]]]) -> dict[ServiceKey, ServicePlan]:
        """The plan of each service, our own exports first. One that cannot be planned keeps its last, says why, and
        holds up no other.
        """
        plans = {}
        members = {member.name: member for member in self.parts.ledger.ledger.seen_from(self.parts.own.name)}
        ingress, bounds = {name: member.ingress for name, member in members.items()}, self.names.bounds()
        for local, offered in services:
            key = local.key
            try:
                plans[key] = plan_service(self._inputs(local, offered, members, ingress, bounds))
            except InputError as error:
                if self.unplanned.get(key) != str(error):
                    log.error("service cannot be planned", extra={"service": str(key), "reason": str(error)})
                self.unplanned[key] = str(error)
                if key not in self.desired.plans:
                    self.allocations.release(key)
            else:
                self.unplanned.pop(key, None)
        return plans

    def _inputs(
        self,
        local: LocalFacts,
        peers: tuple[Offered, ...],
        members: dict[MemberName, Member],
        ingress: dict[MemberName, tuple[str, ...]],
        bounds: Bounds,
    ) -> ServiceInputs:
        key = local.key
        imported = bool(peers) or own_export(local) is not None
        marks = wanted_listeners(local, peers) if imported else ()
        own = members[self.parts.own.name]
        return ServiceInputs(
            own=own.name,
            region=own.region,
            order=own.number,
            local=local,
            peers=peers,
            address=self.allocations.address(key) if imported else "",
            listeners={mark: self.allocations.listener(key, mark) for mark in marks},
            bounds=bounds,
            names=self.names.accepted(key),
            definitions=self.names.hosts.won(key, members),
            ingress=ingress,
            kept=self.memory.of(key),
            now=int(self.parts.clock.wall() * 1_000),
        )

    def _hold(self, plans: dict[ServiceKey, ServicePlan]) -> tuple[ServiceKey, ...]:
        """The services whose withdrawal must wait; they are looked at again in the next pass."""
        now = self.parts.clock.monotonic()
        held = self.held.services if self.held else ()
        offered = self.desired.offering
        withdrawn = [key for key, plan in plans.items() if not plan.offers and self.desired.offers(key)]
        withdrawn += [key for key in held if key not in plans and self.desired.offers(key)]
        if not self.out.started:
            offered = len(self._before)
            withdrawn = [key for key in self._before if key not in plans or not plans[key].offers]
        since = now if self._held_since is None else self._held_since
        self.held = judge(offered, withdrawn, now - since)
        self._held_since = since if self.held else None
        held_gauge.set(len(self.held.services) if self.held else 0)
        if self.held is None:
            return ()
        self._dirty.update(self.held.services)
        return self.held.services

    def _remember_exports(self, plans: dict[ServiceKey, ServicePlan]) -> None:
        """Keep which services our record offers: a restart must not take a sudden emptiness for the truth."""
        new = {key for key, plan in plans.items() if plan.offers} - self._before
        gone = {key for key, plan in plans.items() if not plan.offers} & self._before
        if new or gone:
            self._before = (self._before - gone) | new
            self.parts.store.put(EXPORTED, msgspec.msgpack.encode(sorted(self._before)))

    def _plan_mesh(self, states: dict[MemberName, PeerState]) -> None:
        ledger = self.parts.ledger.ledger
        own = ledger.members[self.parts.own.name]
        reports = {name: state.node for name, state in self.parts.agents.states().items()}
        gateways = self._own_gateways(own, reports)
        record: dict[str, Resource] = {"about": mesh.about(own, VERSION)}
        ours: list[Resource] = [*gateways, *self.links.distances(), *self.links.evidence(), *self.trust.record]
        ours.append(mesh.seen(ledger.mark, {name: reports.get(name) for name in (*self.enrolments, *self.unread)}))
        record |= {key_of(item): item for item in ours} | self.bundles.record()
        ids = {name: self.allocations.gateway(name) for name, e in self.enrolments.items() if e.role == "gateway"}
        handout: dict[str, Struct] = {"site": mesh.site(own, ledger, ids, self.trust.issuer)}
        handout[f"place/{own.name}"] = mesh.place(own, self.links.costs, own=True)
        hosts = self.desired.steered.keys()
        for name in states:
            member, said = ledger.members[name], self.index.about(name).values()
            handout[f"peer/{name}"] = mesh.peer(member, ledger, said)
            handout[f"place/{name}"] = mesh.place(member, mesh.distances(said, ledger.members.keys()))
            if _fresh(states[name]):
                handout |= mesh.witnesses(name, said, ledger.members.keys(), hosts)
        handout |= self.bundles.handout(states)
        self._note_places(handout)
        self.desired.put_mesh(record, handout)
        self.links.write_down()

    def _own_gateways(self, own: Member, reports: Mapping[str, NodeReport | None]) -> list[Gateway]:
        """Each enrolled gateway as last reported: an agent that is not connected now is unknown, not gone."""
        found = []
        for name, enrolment in self.enrolments.items():
            if enrolment.role != "gateway":
                continue
            number = self.allocations.gateway(name)
            report = reports.get(name)
            gateway = mesh.own_gateway(own, number, report) if report else None
            known = _known_gateway(self.parts.store.get(f"known/{name}"))
            if gateway is not None and gateway != known:
                self.parts.store.put(f"known/{name}", encode(gateway))
            if gateway or known:
                found.append(gateway or known)
        return [gateway for gateway in found if gateway is not None]

    def _follow_enrolments(self) -> None:
        self._enrolled.look()
        found, unread = self._enrolled.known, dict(self._enrolled.unread)
        if found is self.enrolments and unread == self.unread:
            return
        for name in self.enrolments.keys() - found.keys():
            self.out.forget(name)
            self.parts.store.drop(f"known/{name}")
        self.enrolments, self.unread = found, unread
        self._mesh = True

    def _reindex(self, states: dict[MemberName, PeerState]) -> None:
        self.index = PeerIndex()
        self.names.forget()
        for name, state in states.items():
            self.index.note(name, state.view, state.view)
            self.names.hosts.follow(name, state.view, state.view)

    def notes(self, key: ServiceKey) -> tuple[str, ...]:
        """What a person should know of this service."""
        return (*self.desired.plans.get(key, NOTHING).notes, *self.names.notes(key))

    def _note_places(self, handout: dict[str, Struct]) -> None:
        """Write down where clients of public names stand, where it is new."""
        before = {f"place/{place.member}": place for place in self.desired.places()}
        moved: dict[str, Struct | None] = {
            key: value for key, value in handout.items() if isinstance(value, Place) and before.get(key) != value
        }
        if moved:
            self.parts.journal.note(int(self.parts.clock.wall() * 1_000), moved)

    def _note(self, plans: dict[ServiceKey, ServicePlan]) -> None:
        """Write down what the law is told anew of these services; a host may go from one to the other."""
        gone: dict[str, Struct | None] = {}
        new: dict[str, Struct | None] = {}
        for key, plan in plans.items():
            old, made = told(self.desired.plans.get(key, NOTHING)), told(plan)
            gone.update((name, None) for name in old.keys() - made.keys())
            new.update((name, value) for name, value in made.items() if old.get(name) != value)
        if not self.out.started:
            gone.update((name, None) for name in self.parts.journal.standing() if name.startswith(TOLD))
        if gone or new:
            self.parts.journal.note(int(self.parts.clock.wall() * 1_000), gone | new)

    def _measure_costs(self, dirty: set[ServiceKey]) -> None:
        if self.links.measure():
            dirty.update(self.desired.plans)


def _known_gateway(kept: bytes | None) -> Gateway | None:
    """The gateway that was written down; None for nothing, and for what another version wrote."""
    with contextlib.suppress(msgspec.MsgspecError):
        return None if kept is None else msgspec.msgpack.decode(kept, type=Gateway)
    return None


def _kept_exports(store: Store) -> set[ServiceKey]:
    data = store.get(EXPORTED)
    return set() if data is None else set(msgspec.msgpack.decode(data, type=list[ServiceKey]))


def _fresh(state: PeerState) -> bool:
    """True while what a peer finds down still counts: its record may be old, its evidence may not."""
    return state.connected or (state.age is not None and state.age < EVIDENCE_SECONDS)
