"""The loop of one member's controller.

An event only marks what must be looked at again; each pass plans those services from what stands now, and a full
pass every few minutes finds the same when every event was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from federation.config import Enrolments
from federation.model.confine import Confined
from federation.model.errors import InputError, IsthmusError
from federation.model.local import LocalFacts
from federation.model.moves import Leaving
from federation.model.names import MemberName, ServiceKey
from federation.plan.bounded import without_failing
from federation.plan.guard import Held
from federation.plan.service import (
    Offered,
    ServicePlan,
    own_export,
    plan_service,
)
from federation.ports import PeerState
from federation.reconcile.allocations import Allocations
from federation.reconcile.bundles import Bundles
from federation.reconcile.demand import Demands
from federation.reconcile.desired import NOTHING, Desired
from federation.reconcile.egress import Egresses
from federation.reconcile.exported import Exported
from federation.reconcile.flat import FlatPairs
from federation.reconcile.guarding import Guarding
from federation.reconcile.heard import PATIENCE, Heard
from federation.reconcile.here import here
from federation.reconcile.inner import Inner
from federation.reconcile.inputs import inputs_of
from federation.reconcile.links import Links
from federation.reconcile.members import Members
from federation.reconcile.memory import Memory
from federation.reconcile.mesh import plan_mesh
from federation.reconcile.moves import Moves
from federation.reconcile.names import OwnNames
from federation.reconcile.native import Native
from federation.reconcile.nodes import KnownNodes
from federation.reconcile.noted import note_places, note_services
from federation.reconcile.numbers import ExportNumbers, numbered
from federation.reconcile.observed import PeerIndex
from federation.reconcile.parts import Around, Parts
from federation.reconcile.programs import Programs
from federation.reconcile.publish import Batch, Publications
from federation.reconcile.ranks import labels, leaves, ranks
from federation.reconcile.reported import Reported
from federation.reconcile.trust import Trust
from federation.session.tree import Change

log = logging.getLogger("reconcile")
passes_total = Counter("isthmus_reconcile_passes_total", "Passes of the loop")
pass_seconds = Histogram("isthmus_reconcile_pass_seconds", "Duration of a pass in seconds")
services_gauge = Gauge("isthmus_services", "Services imported here")

TICK = 1.0
REST, REST_MAX = 3, 0.25
"""After a pass the sessions are given so many times as long as it took, and no more seconds than that."""
RESYNC = 300.0
MESH_KEYS = ("gateway/", "distance/", "evidence/", "sighting/", "flat/", "egress/", "jwt")


class Loop:
    """Observe, plan, apply, report; one instance per controller."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.desired = Desired()
        self.index = PeerIndex(parts.own.name)
        self.memory = Memory(parts.store)
        self.moves = Moves(parts.own.name, parts.store)
        self.egress = Egresses(parts.store)
        self.flat = FlatPairs(parts.own.name, parts.store, parts.images)
        self.names = OwnNames(parts.own.name, parts.ledger, self.memory)
        self.links = Links(parts.own.name, parts.agents, parts.peers, parts.journal, parts.clock)
        self._guard = Guarding()
        self.out = Publications(parts.own.name, parts.peers, parts.agents, parts.record, parts.store, parts.clock)
        self.trust = Trust()
        self.problem = ""
        self.unplanned: dict[ServiceKey, str] = {}
        self.allocations = Allocations(parts.own, parts.store)
        self.inner = Inner(parts.store, self.allocations)
        self.numbers = ExportNumbers(parts.own.name, parts.store)
        self.native = Native(parts.cluster)
        self._members = Members()
        self.nodes = KnownNodes(parts.store)
        self.heard = Heard(parts.store)
        self._began = parts.clock.monotonic()
        self.bundles = Bundles(parts.own.name, parts.store, self._mesh_changed)
        self.programs = Programs(Enrolments(parts.folder.agents, parts.enrolled), parts.cluster, parts.own.az)
        self._pods_moved = False
        self._dirty: set[ServiceKey] = set()
        self._all = True
        self._mesh = True
        self._reported = False
        self._wake = asyncio.Event()
        self.demands = Demands(parts.store, parts.clock)
        self._by_report = Reported(self.links, self.demands, parts.agents)
        self._before = Exported(parts.store)
        self._confined: Mapping[str, Confined] = {}

    def wake(self, key: ServiceKey | None) -> None:
        """This service of our cluster changed (one without a name: all of its namespace; None: look at all)."""
        if key is None:
            self._all = True
        elif not key.name:
            self._dirty |= self._services_in(key.namespace)
        else:
            self._dirty.add(key)
        self._wake.set()

    def _services_in(self, namespace: str) -> set[ServiceKey]:
        known = (self.parts.cluster.services(), self.index.services(), self.desired.plans)
        return {key for keys in known for key in keys if key.namespace == namespace}

    def refused_by(self, key: ServiceKey) -> Mapping[str, str]:
        """What our proxies refuse of this service, by node."""
        return self._by_report.refused.get(key, {})

    def peer_changed(self, member: MemberName, change: Change | None) -> None:
        """This member's record changed (None: the ledger moved, look at all)."""
        states = self.parts.peers.states()
        if change is None or member not in states:
            self._all = self._mesh = True
        else:
            keys = [*change.changed, *change.removed]
            self._dirty |= self.index.note(member, keys, states[member].view)
            if "about" in keys:
                self._follow_about(member, states)
            self.demands.asked(member, self.index.asked)
            self.index.asked.clear()
            if member == self.parts.ledger.ledger.registrar:
                self._dirty |= self.numbers.learn(filter(None, map(numbered, keys)), states[member].view)
            self._dirty |= self.names.hosts.follow(member, keys, states[member].view)
            self._mesh = self._mesh or any(key.startswith(MESH_KEYS) for key in keys)
        self._wake.set()

    def _follow_about(self, member: MemberName, states: Mapping[MemberName, PeerState]) -> None:
        """A member is drained or not, or says other labels: its own services alone, and policies that name labels."""
        self._mesh = True
        self._dirty |= self.index.services_of(member)
        if self.names.know_labels([self.parts.labels, *labels(states)]):
            self._dirty |= self.names.naming_labels(self.parts.cluster)

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
        """Mark the services of whose endpoints, ways and demand our agents now think otherwise."""
        if self._reported:
            self._reported = False
            self._dirty |= self._by_report.anew(self.desired.plans)
        self._dirty |= self._by_report.demand(self.desired.plans)

    def _follow_cluster(self) -> None:
        """The derived Services of all imports lead to our node agents; EgressPolicies are handed out as they stand."""
        cluster, agents = self.parts.cluster, self.parts.agents
        if cluster.native and self._mesh and self.nodes.look(self.programs.enrolments, agents.states()):
            self._all = True
        if cluster.confined is not self._confined:
            self._confined, self._mesh = cluster.confined, True

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
            self._follow_cluster()
            if self.parts.cluster.certainty == "unknown":
                return
            if not (self._all or self._dirty or self._mesh or self.held or self._pods_moved):
                self._tell_cluster()
                return
            passes_total.inc()
            with pass_seconds.time():
                batch = self._pass()
                await self.parts.store.flush()
                if batch is not None:
                    self.out.send(batch)
                    self._tell_cluster()
            self.problem = ""
        except (IsthmusError, OSError) as error:
            self._all = self._mesh = True
            if self.problem != str(error):
                log.error("pass failed", extra={"reason": str(error)})
            self.problem = str(error)

    def _pass(self) -> Batch | None:
        """Plan, and write down what must be durable before what is returned may be published; None: nothing may be."""
        everything, mesh_dirty, dirty = self._all, self._mesh, self._dirty
        self._all = self._mesh = self._pods_moved = False
        self._dirty = set()
        states = self.parts.peers.states()
        views = {name: state.view for name, state in states.items()}
        if everything:
            self._reindex(states)
            self.memory.expire(int(self.parts.clock.wall() * 1_000))
            dirty = {
                *self.parts.cluster.services(),
                *self.index.services(),
                *self.desired.plans,
                *self._before.services,
            }
            dirty.update(self.numbers.services() if self.registers else ())
        self._measure_costs(dirty)
        self.moves.follow(self.parts.cluster.drains, int(self.parts.clock.wall() * 1_000))
        leaving = leaves(self, states)
        own_leaves = leaving.get(self.parts.own.name)
        rank = ranks(self, states, leaving)
        self.names.know_labels([self.parts.labels, *labels(states)])
        facts = [
            without_failing(local, self._by_report.failing.get(local.key, frozenset()))
            for local in self.names.facts(dirty, self.parts.cluster)
        ]
        plans = self._plan_services(
            [(local, self.index.offered(local.key, views, rank, self.numbers.of(local.key))) for local in facts],
            own_leaves,
        )
        held = self._hold(plans)
        if not self.out.started and (held or self._waits(states)):
            self._all = True
            return None
        self.heard.note(states)
        for key in (*held, *self.names.restore(held)):
            plans.pop(key, None)
            self._dirty.add(key)
        note_services(self, plans)
        hosts = set(self.desired.steered)
        for key, plan in plans.items():
            self.desired.put_service(key, plan)
            self.memory.keep(key, plan.kept)
            if not plan.handout:
                self.allocations.release(key)
        self._guard.obeyed(*self._before.follow(plans), self.parts.clock.monotonic())
        self._give_numbers(plans, states)
        self.native.put_services(plans)
        if mesh_dirty or everything or hosts != self.desired.steered.keys():
            record, handout = plan_mesh(self, states)
            note_places(self, handout)
            self.desired.put_mesh(record, handout)
            self.links.write_down()
        services_gauge.set(len(self.desired.plans))
        return self.out.batch(self.desired.record, self.desired.roles, self.programs.enrolments, partial(here, self))

    def _waits(self, states: Mapping[MemberName, PeerState]) -> bool:
        """True while the first publication waits for records that an earlier life had."""
        return bool(self.heard.missing(states)) and self.parts.clock.monotonic() - self._began < PATIENCE

    def _tell_cluster(self) -> None:
        """What our own cluster shall hold; nothing before the first pass over everything, nor of one who left."""
        if not (self.parts.cluster.native and self.out.started):
            return
        if self.parts.ledger.ledger.members[self.parts.own.name].state == "active":
            self.native.put_federation(self._members.objects(self, leaves(self, self.parts.peers.states())))
        else:
            self.native.withdraw()
        self.native.send(not self.heard.missing(self.parts.peers.states()))

    def _give_numbers(self, plans: dict[ServiceKey, ServicePlan], states: Mapping[MemberName, PeerState]) -> None:
        """As the registrar, number the exports that have no number; one whose owner's record is unknown keeps its."""
        if not self.registers:
            return
        unknown = [name for name, state in states.items() if state.head is None]
        for key, plan in plans.items():
            kept = [name for name in self.numbers.of(key) if name in unknown]
            if self.numbers.give(key, dict.fromkeys((*plan.exporters, *kept))):
                self._dirty.add(key)
                self._wake.set()

    @property
    def registers(self) -> bool:
        """True when our member is the registrar."""
        return self.parts.ledger.ledger.registrar == self.parts.own.name

    def _plan_services(
        self, services: list[tuple[LocalFacts, tuple[Offered, ...]]], leaving: Leaving | None
    ) -> dict[ServiceKey, ServicePlan]:
        """The plan of each service, our own exports first. One that cannot be planned keeps its last, says why, and
        holds up no other.
        """
        plans = {}
        own = self.parts.own.name
        members = {member.name: member for member in self.parts.ledger.ledger.seen_from(own)}
        ingress = {name: member.ingress for name, member in members.items()}
        importers = tuple(name for name, member in members.items() if member.state == "active" and name != own)
        settings = self.parts.ledger.ledger.settings
        around = Around(members, ingress, self.names.bounds(), leaving, importers, self.links.paths(), settings)
        for local, offered in services:
            key = local.key
            try:
                plans[key] = plan_service(inputs_of(self, local, offered, around))
            except InputError as error:
                if self.unplanned.get(key) != str(error):
                    log.error("service cannot be planned", extra={"service": str(key), "reason": str(error)})
                self.unplanned[key] = str(error)
                if key not in self.desired.plans:
                    self.allocations.release(key)
            else:
                self.unplanned.pop(key, None)
        return plans

    def _hold(self, plans: dict[ServiceKey, ServicePlan]) -> tuple[ServiceKey, ...]:
        """The services whose withdrawal must wait; they are looked at again in the next pass."""
        held = self.held.services if self.held else ()
        offered = self.desired.offering
        withdrawn = {key for key, plan in plans.items() if not plan.offers and self.desired.offers(key)}
        withdrawn.update(key for key in held if key not in plans and self.desired.offers(key))
        if not self.out.started:
            offered = len(self._before.services)
            withdrawn = {key for key in self._before.services if key not in plans or not plans[key].offers}
        held = self._guard.hold(offered, withdrawn, self.parts.clock.monotonic())
        self._dirty.update(held)
        return held

    @property
    def held(self) -> Held | None:
        """What the guard holds."""
        return self._guard.held

    def _follow_enrolments(self) -> None:
        if (found := self.programs.follow()) is not None:
            for name in found.gone:
                self.out.forget(name)
                self.demands.forget(name)
                self.allocations.leave(name)
                self.parts.store.drop(f"known/{name}")
            self._pods_moved = True
            self._mesh = self.egress.follow(self.programs.enrolments) or found.new or self._mesh

    def _reindex(self, states: dict[MemberName, PeerState]) -> None:
        self.index = PeerIndex(self.parts.own.name)
        self.names.forget()
        registrar = states.get(MemberName(self.parts.ledger.ledger.registrar))
        if registrar is not None:
            self.numbers.learn(filter(None, map(numbered, registrar.view)), registrar.view)
            if registrar.head is not None:
                self.numbers.drop_gone(registrar.view, lambda member, key: self._is_gone(member, key, states))
        for name, state in states.items():
            self.index.note(name, state.view, state.view)
            self.names.hosts.follow(name, state.view, state.view)
        self.index.asked.clear()

    def _is_gone(self, member: MemberName, key: ServiceKey, states: Mapping[MemberName, PeerState]) -> bool:
        """True when we know that this member does not export this service."""
        if member == self.parts.own.name:
            return key not in self._before.services and own_export(self.parts.cluster.service(key)) is None
        state = states.get(member)
        return state is None or (state.head is not None and f"export/{key}" not in state.view)

    def notes(self, key: ServiceKey) -> tuple[str, ...]:
        """What a person should know of this service."""
        return (*self.desired.plans.get(key, NOTHING).notes, *self.names.notes(key))

    def _measure_costs(self, dirty: set[ServiceKey]) -> None:
        moved = self.links.measure()
        if moved:
            dirty.update(key for key, plan in self.desired.plans.items() if not moved.isdisjoint(plan.exporters))
