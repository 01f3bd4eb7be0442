"""The node agent: wiring, and the one level-triggered loop.

An event only wakes the loop; a pass makes everything from the handout in force, so it is right even when every event
was lost. Kernel state is read again at least every PERIOD seconds and repaired.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from operator import is_
from pathlib import Path
from typing import Protocol

from msgspec import Struct, structs

from federation.link.enrolled import Enrolled
from federation.lkg.disk import Disk
from federation.model.report import NodeReport
from federation.model.standing import UNKNOWN, Standing
from federation.probing.prober import Prober
from federation.process import until_stopped
from federation.session.tree import Tree, compare
from federation.telemetry import Problems
from federation.wire.handout import HandoutHead
from gateways import folder, metrics
from gateways.checking import Sick, targets_of
from gateways.control import Control
from gateways.evidence import Evidence
from gateways.identity.attested import Attested
from gateways.identity.callers import Attestor
from gateways.identity.holders import Holders
from gateways.identity.keeper import Keeper, LeafSource
from gateways.identity.serve import WorkloadServer
from gateways.identity.tokens import Tokens, TokenSource
from gateways.kernel.port import Kernel
from gateways.keys import KeyFile
from gateways.load.serve import LoadServer
from gateways.machine import flat_faults
from gateways.made import Made, Trust, drained_problem, kernel_parts, keys_problem, shows_leaves, trust_of
from gateways.node_parts import kept
from gateways.offering import Offering
from gateways.planner import Planner
from gateways.preshared import PresharedFolder
from gateways.probe.counters import received, silent_gateways, unreached, unsealed
from gateways.probe.echo import EchoProber
from gateways.probe.traffic import Traffic
from gateways.proxyless import Proxyless
from gateways.relay.sessions import Sessions
from gateways.render.envoy.resources import Certificate, missing
from gateways.reporting import Reports, node_report
from gateways.state import NodeState, Situation
from gateways.sync import Outcome, Sync, Wanted, wanted_of
from gateways.tunnels import unscoped
from gateways.xds.encode import Encoder, encoded
from gateways.xds.messages import SDS
from gateways.xds.serve import XdsServer

log = logging.getLogger("agent")


PERIOD = 3.0
SOON = 1.0
"""Seconds until the next pass while a peer that was just set has not shaken hands."""

RETRY = 0.5
"""Seconds until the next pass after one that met a problem in the kernel."""


class HandoutFeed(LeafSource, Attestor, TokenSource, Protocol):
    """What the agent needs of `federation.link.feed.Feed`."""

    enrolled: Enrolled
    tree: Tree
    head: HandoutHead | None
    values: dict[str, Struct]
    changed: asyncio.Event
    connected: bool
    kept: int
    disk: Disk

    @property
    def issuer(self) -> str:
        """The key id of the anchor that signed our own leaf."""

    def report(self, values: dict[str, Struct]) -> None:
        """What we say of ourselves from now on."""

    async def run(self) -> None:
        """Keep the session with a controller, until cancelled."""


class Agent:
    """One node agent. Without a `workload_path` it serves no Workload API: gateways have no workloads. Without a
    `control_folder` it takes no drains itself: gateways steer nothing.
    """

    def __init__(
        self,
        feed: HandoutFeed,
        situation: Situation,
        kernel: Kernel,
        xds_path: Path,
        underlay: tuple[str, ...] = (),
        workload_path: Path | None = None,
        control_folder: Path | None = None,
        preshared: Path | None = None,
    ) -> None:
        self._feed = feed
        self._situation = situation
        self._underlay = underlay
        self._folder = xds_path.parent
        self._keys = KeyFile(self._folder, situation)
        self._preshared = PresharedFolder(preshared or folder.preshared_folder(self._folder))
        self._sync = Sync(kernel)
        self._keeper = Keeper(feed)
        self._prober = EchoProber(self._ways, sized=situation.role == "gateway")
        self._checks: Prober[Sick] = Prober()
        self._traffic = Traffic()
        self._load = LoadServer(situation.member, lambda: int(time.monotonic() * 1_000))
        self._xds = XdsServer(xds_path, (self._load.handler(),))
        self._planner = Planner(situation)
        self._planned = Tree()
        self._offering = Offering()
        self._encoder = Encoder()
        self._invalid: tuple[str, ...] = ()
        self._certificates: dict[str, Certificate] = {}
        self._attested = Attested(feed)
        self._workload = None if workload_path is None else WorkloadServer(workload_path, Tokens(feed), self._attested)
        self._proxyless = Proxyless(workload_path)
        self._control = None if control_folder is None else Control(control_folder, self._values, self._unscoped)
        self._holders = Holders(self._keeper, self._attested, self._workload, feed.enrolled.trust_domain)
        self._made: Made | None = None
        self._synced: Wanted | None = None
        self._sync_due = 0.0
        self._outcome = Outcome((), ())
        self._reached = b""
        self._trust = Trust()
        self._trusted: tuple[object, ...] = (None, None)
        self._sessions = Sessions(situation.relay, lambda overlay: self._standings().get(overlay, UNKNOWN).up)
        self._reports = Reports(self._prober, self._checks, self._sessions.through)
        self._said: tuple[object, ...] = ()
        self._problems = Problems(log)

    async def run(self) -> None:
        """Run until cancelled. What is in force in kernel and Envoy stays in force afterwards."""
        await self._xds.start()
        try:
            if self._control is not None:
                await self._control.start()
            async with asyncio.TaskGroup() as group:
                if self._workload is not None:
                    await self._workload.start()
                    group.create_task(self._workload.run())
                group.create_task(self._feed.run())
                group.create_task(self._keeper.run())
                group.create_task(self._loop())
                group.create_task(self._prober.run())
                group.create_task(self._proxyless.run())
        finally:
            self._sessions.close()
            await self._checks.stop()
            if self._control is not None:
                await self._control.close()
            if self._workload is not None:
                await self._workload.stop()
            await self._xds.stop()

    def _ways(self) -> dict[str, bool]:
        """What to probe: True where requests go."""
        ways = {} if self._made is None else self._made.state.ways
        return {address: busy or address in self._traffic.busy for address, busy in ways.items()}

    def _values(self) -> Mapping[str, Struct]:
        return self._feed.values

    def _unscoped(self) -> Mapping[str, Standing]:
        return unscoped(self._standings())

    def _standings(self) -> Mapping[str, Standing]:
        return self._prober.paths.standings()

    def _evidence(self) -> Evidence:
        now = int(time.time() * 1_000)
        mtus, sick = self._prober.sizes.mtus, self._checks.failing
        seen = Evidence(ways=self._standings(), mtus=mtus, sick=sick, now=now)
        if self._situation.role != "gateway":
            return seen
        return structs.replace(seen, drained=folder.why_drained(self._folder), preshared=self._preshared.look())

    async def _loop(self) -> None:
        while True:
            self._clear()
            await self.once()
            await self._wait()

    async def once(self) -> None:
        """One pass: intent, render, apply, read back, report."""
        metrics.PASSES.inc()
        made = await self._work_out()
        self._follow_links(made.state)
        due = asyncio.get_running_loop().time() >= self._sync_due
        if made.state.known and (due or made.wanted is not self._synced):
            await self._apply(made)
        self._report(made)

    def _follow_links(self, state: NodeState) -> None:
        if self._situation.role == "gateway" and state.known:
            self._sessions.follow(state)

    async def _work_out(self) -> Made:
        state = self._plan()
        await self._proxyless.offer(state)
        certificates = self._certificates = kept(self._certificates, dict(self._keeper.certificates))
        self._holders.want(state)
        made = Made(self._planned.root, state, self._wanted(state), certificates)
        if state.known and (self._offering.begun or self._keeper.tried()):
            await self._offer(state, certificates)
            made = structs.replace(made, offered=True)
        self._made = structs.replace(made, problems=(*state.problems, *self._invalid))
        self._holders.answer(state, certificates, self._feed.enrolled.attests)
        return self._made

    def _plan(self) -> NodeState:
        """The node state by the handout and the evidence of now: only what changed of them is looked at."""
        tree = self._feed.tree
        change = compare(self._planned, tree)
        keys = (*change.changed, *change.removed)
        if self._situation.role == "gateway":
            self._situation = self._keys.look()
            self._planner.stand(self._situation)
        former = self._planner.step(self._told(keys), self._evidence())
        self._planned = tree
        self._offering.note(former)
        self._proxyless.note(former)
        self._checks.adjust(targets_of(former, self._planner.state))
        return self._planner.state

    def _told(self, keys: Iterable[str]) -> dict[str, Struct | None]:
        """What the handout says under these keys, with what this node was told itself."""
        if self._control is not None:
            return self._control.planned(keys)
        return {key: self._feed.values.get(key) for key in keys}

    def _wanted(self, state: NodeState) -> Wanted:
        """What the kernel must hold: the same object while nothing of it changed."""
        made = self._made
        if made is not None and all(map(is_, kernel_parts(made.state), kernel_parts(state))):
            return made.wanted
        return wanted_of(state)

    async def _offer(self, state: NodeState, certificates: Mapping[str, Certificate]) -> None:
        """Offer Envoy what is due. Until every identity was tried once, what it holds from an earlier run stands."""
        due = self._offering.due(state, certificates)
        if not due:
            return
        content = await encoded(self._encoder, due)
        self._offering.done(state, certificates)
        self._invalid = content.problems
        self._xds.offer(content.snapshot, content.changed)

    async def _apply(self, made: Made) -> None:
        wanted, state = made.wanted, made.state
        outcome = await asyncio.to_thread(self._sync.once, wanted, self._sessions.endpoints())
        self._sessions.want(outcome.lost, outcome.relayed)
        if outcome.changed and self._synced is wanted:
            for what in outcome.changed:
                metrics.REPAIRS.labels(what).inc()
            log.warning("the kernel had lost what was in force", extra={"repaired": outcome.changed})
        self._synced = None if outcome.problems else wanted
        self._outcome = outcome
        now = asyncio.get_running_loop().time()
        self._traffic.look(received(state.tunnels, outcome.actual, state.ways), now)
        pause = RETRY if outcome.problems else SOON if outcome.waiting else PERIOD
        self._sync_due = now + pause
        self._xds.retry()

    def _report(self, made: Made) -> None:
        envoy = () if self._xds.connected else ("E190 no Envoy is connected to this agent",)
        kept = () if self._control is None else self._control.moves.problems
        disk = (*self._prober.problems(), *self._checks.problems(), *self._feed.disk.problems, *kept)
        lacking = tuple(text for _, text in sorted(self._keeper.problems.items()))
        own = self._own_problems(made)
        problems = (*made.problems, *own, *lacking, *self._outcome.problems, *envoy, *self._xds.problems(), *disk)
        whole = self._is_whole(made)
        if whole and len(self._feed.tree):
            self._reached = made.root
        if made.offered and (self._xds.holds(SDS) if shows_leaves(made.state) else self._xds.settled()):
            self._trust_in(made)
        self._reports.look(made.state.tunnels, self._outcome)
        self._reports.hear(self._xds.refused())
        self._load.look()
        self._say(self._node_report(problems))
        self._problems.say(problems)
        self._measure(problems, whole)

    def _own_problems(self, made: Made) -> tuple[str, ...]:
        now, tunnels = time.time(), made.state.tunnels
        unheard = unsealed(tunnels, self._outcome, now) + silent_gateways(tunnels, self._outcome, now)
        unheard += unreached(tunnels, self._outcome, self._sessions.through()) + self._sessions.problems
        return (
            *drained_problem(made.state),
            *self._preshared.problems,
            *(self._keys.problems or keys_problem(made.state)),
            *unheard,
            *flat_faults(made.state),
        )

    def _trust_in(self, made: Made) -> None:
        trusted = (made.state.ledger, made.certificates)
        if not all(map(is_, trusted, self._trusted)):
            self._trust, self._trusted = trust_of(made), trusted

    def _say(self, node: NodeReport) -> None:
        """Report what is not what was reported last."""
        reports, flows = self._reports, self._load.book.reports
        links, endpoints, refusals = reports.links, reports.endpoints, reports.refusals
        said = (node, links, endpoints, refusals, flows)
        if not self._said or node != self._said[0] or not all(map(is_, said[1:], self._said[1:])):
            self._said = said
            self._feed.report({"node": node, **links, **endpoints, **refusals, **flows})

    def _is_whole(self, made: Made) -> bool:
        """True when nothing of the handout was left out, the kernel was read back right and Envoy holds it all."""
        in_kernel = not self._outcome.problems and self._synced is made.wanted
        held = self._keeper.certificates
        registered = all(str(one.identity) in held for one in made.state.registered)
        certified = registered and not missing(made.state, made.certificates)
        return in_kernel and certified and made.offered and not made.problems and self._xds.settled()

    def _node_report(self, problems: tuple[str, ...]) -> NodeReport:
        return structs.replace(
            node_report(self._situation, self._underlay, self._reached, problems),
            ledger=min(self._trust.ledger, self._feed.kept),
            issuers=tuple(sorted({self._feed.issuer, *self._trust.issuers})),
            drains={} if self._control is None else self._control.moves.drains,
            frozen="" if self._control is None else self._control.moves.frozen,
        )

    def _measure(self, problems: tuple[str, ...], whole: bool) -> None:
        metrics.measure_handout(self._feed.head, self._feed.connected)
        metrics.ENVOY_CONNECTED.set(self._xds.connected)
        metrics.IN_FORCE.set(whole)
        metrics.PROBLEMS.set(len(problems))

    def _clear(self) -> None:
        for event in self._events():
            event.clear()

    def _events(self) -> tuple[asyncio.Event, ...]:
        return (
            self._feed.changed,
            self._keeper.changed,
            self._xds.changed,
            self._prober.changed,
            self._checks.changed,
            self._attested.changed,
            self._load.changed,
            *(() if self._control is None else (self._control.changed,)),
        )

    async def _wait(self) -> None:
        known = self._made is not None and self._made.state.known
        left = min(max(0.0, self._sync_due - asyncio.get_running_loop().time()), PERIOD) if known else PERIOD
        until = 0 if self._made is None else self._made.state.until
        if until:
            left = min(left, max(0.0, until / 1_000 - time.time()))
        waits = [asyncio.ensure_future(event.wait()) for event in self._events()]
        try:
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


async def run_until_signalled(agent: Agent) -> None:
    """Run until SIGTERM or SIGINT; both end cleanly and leave the data path in place."""
    await until_stopped([agent.run()])
    log.info("stopped; the data path stays in place")
