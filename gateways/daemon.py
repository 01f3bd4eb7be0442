"""The node agent: wiring, and the one level-triggered loop.

An event only wakes the loop; a pass makes everything from the handout in force, so it is right even when every event
was lost. Kernel state is read again at least every PERIOD seconds and repaired.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct, structs

from federation.link.enrolled import Enrolled
from federation.link.leaf import issuer_of
from federation.lkg.disk import Disk
from federation.model.handout import EndpointReport, NodeReport
from federation.model.names import ServiceKey
from federation.model.spiffe import account
from federation.probing import Prober, Target
from federation.process import until_stopped
from federation.session.tree import Tree
from federation.telemetry import Problems
from federation.wire.handout import HandoutHead
from gateways import metrics
from gateways.evidence import Evidence
from gateways.identity.answers import Book
from gateways.identity.attested import Attested
from gateways.identity.callers import Attestor
from gateways.identity.keeper import Keeper, LeafSource
from gateways.identity.serve import WorkloadServer
from gateways.identity.tokens import Tokens, TokenSource
from gateways.intent import intend
from gateways.kernel.port import Kernel
from gateways.load.serve import LoadServer
from gateways.probe.counters import link_reports, received
from gateways.probe.echo import EchoProber
from gateways.probe.traffic import Traffic
from gateways.render.envoy.resources import Certificate, missing, parts
from gateways.state import GATEWAY_PORT, Checked, NodeState, Registered, Situation
from gateways.sync import Outcome, Sync, Wanted, wanted_of
from gateways.xds.encode import Encoder
from gateways.xds.messages import SDS
from gateways.xds.serve import XdsServer

log = logging.getLogger("agent")

Sick = tuple[ServiceKey, str]

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


class Made(Struct, frozen=True):
    """A handout worked out: kept until handout or certificates change."""

    root: bytes
    evidence: Evidence
    certificates: Mapping[str, Certificate]
    state: NodeState
    wanted: Wanted
    problems: tuple[str, ...]

    def stands(self, evidence: Evidence) -> bool:
        """True while this evidence would make nothing else of it."""
        same = (evidence.ways, evidence.sick) == (self.evidence.ways, self.evidence.sick)
        return same and not 0 < self.state.until <= evidence.now


class Trust(Struct, frozen=True):
    """What Envoy trusts and shows: the mark of the ledger of its anchors, and the issuers of its leaves (key ids)."""

    ledger: int = 0
    issuers: frozenset[str] = frozenset()


def shows_leaves(state: NodeState) -> bool:
    """True when Envoy needs secrets: one that has not asked for them yet has what it had before."""
    return state.gateway is not None or any(cluster.identity is not None for cluster in state.clusters)


def trust_of(made: Made) -> Trust:
    """What is in force once Envoy holds the secrets of this."""
    return Trust(made.state.ledger, frozenset(issuer_of(one.chain) for one in made.certificates.values()))


class Agent:
    """One node agent. Without a `workload_path` it serves no Workload API: gateways have no workloads."""

    def __init__(
        self,
        feed: HandoutFeed,
        situation: Situation,
        kernel: Kernel,
        xds_path: Path,
        underlay: str = "",
        workload_path: Path | None = None,
    ) -> None:
        self._feed = feed
        self._situation = situation
        self._underlay = underlay
        self._sync = Sync(kernel)
        self._keeper = Keeper(feed)
        self._prober = EchoProber(self._ways)
        self._checks: Prober[Sick] = Prober()
        self._traffic = Traffic()
        self._load = LoadServer(situation.member, lambda: int(time.monotonic() * 1_000))
        self._xds = XdsServer(xds_path, (self._load.handler(),))
        self._encoder = Encoder()
        self._attested = Attested(feed)
        self._workload = None if workload_path is None else WorkloadServer(workload_path, Tokens(feed), self._attested)
        self._made: Made | None = None
        self._offered: Made | None = None
        self._synced: Wanted | None = None
        self._sync_due = 0.0
        self._outcome = Outcome((), ())
        self._reached = b""
        self._trust = Trust()
        self._problems = Problems(log)

    async def run(self) -> None:
        """Run until cancelled. What is in force in kernel and Envoy stays in force afterwards."""
        await self._xds.start()
        try:
            async with asyncio.TaskGroup() as group:
                if self._workload is not None:
                    await self._workload.start()
                    group.create_task(self._workload.run())
                group.create_task(self._feed.run())
                group.create_task(self._keeper.run())
                group.create_task(self._loop())
                group.create_task(self._prober.run())
        finally:
            self._checks.stop()
            if self._workload is not None:
                await self._workload.stop()
            await self._xds.stop()

    def _ways(self) -> dict[str, bool]:
        """What to probe: True where requests go."""
        ways = {} if self._made is None else self._made.state.ways
        return {address: busy or address in self._traffic.busy for address, busy in ways.items()}

    def _evidence(self) -> Evidence:
        held = {} if self._made is None else self._made.state.held
        sick = frozenset(key for key, verdict in self._checks.verdicts.items() if verdict.up is False)
        return Evidence(self._prober.paths.standings(), sick, held, int(time.time() * 1_000))

    async def _loop(self) -> None:
        while True:
            self._clear()
            await self.once()
            await self._wait()

    async def once(self) -> None:
        """One pass: intent, render, apply, read back, report."""
        metrics.PASSES.inc()
        made = await self._work_out()
        due = asyncio.get_running_loop().time() >= self._sync_due
        if made.state.known and (due or made.wanted != self._synced):
            await self._apply(made.wanted)
        self._report(made)

    async def _work_out(self) -> Made:
        root, certificates = self._feed.tree.root, dict(self._keeper.certificates)
        evidence = self._evidence()
        made = self._made
        if made is None or made.root != root or not made.stands(evidence):
            state = intend(self._situation, self._feed.values, evidence)
            self._checks.want({(c.service, c.address): _target(c) for c in state.checked})
            made = Made(root, evidence, {}, state, wanted_of(state), state.problems)
        registered = (*made.state.registered, *self._pods(made.state))
        self._keeper.want((*made.state.identities, *(one.identity for one in registered)))
        if not self._offered_all(made, certificates):
            snapshot, invalid = await asyncio.to_thread(self._encoder.encode, parts(made.state, certificates))
            self._xds.offer(snapshot)
            made = structs.replace(made, certificates=certificates, problems=(*made.state.problems, *invalid))
            self._offered = made
        self._made = made
        self._offer_workloads(made.state, registered, certificates)
        return made

    def _pods(self, state: NodeState) -> tuple[Registered, ...]:
        """Whose pods were attested here, beside those that are registered."""
        known = {one.identity for one in state.registered}
        domain = self._feed.enrolled.trust_domain
        found = (account(domain, *who) for who in self._attested.accounts())
        return tuple(Registered(identity, (), True) for identity in found if identity not in known)

    def _offer_workloads(
        self, state: NodeState, registered: tuple[Registered, ...], certificates: Mapping[str, Certificate]
    ) -> None:
        if self._workload is not None:
            names = {str(one.identity) for one in registered}
            held = {name: certificate for name, certificate in certificates.items() if name in names}
            self._workload.offer(
                Book(
                    known=state.known,
                    registered=registered,
                    anchors=state.anchors,
                    certificates=held,
                    authorities=state.authorities,
                    foreign=state.foreign,
                    attests=self._feed.enrolled.attests,
                )
            )

    def _offered_all(self, made: Made, certificates: Mapping[str, Certificate]) -> bool:
        """True when there is nothing to offer: it was offered, or it is not yet known what to offer.

        Until every identity was tried once, what an Envoy holds from an earlier run stands.
        """
        if not made.state.known or (self._offered is None and not self._keeper.tried()):
            return True
        return self._offered is made and made.certificates == certificates

    async def _apply(self, wanted: Wanted) -> None:
        outcome = await asyncio.to_thread(self._sync.once, wanted)
        if outcome.changed and self._synced == wanted:
            for what in outcome.changed:
                metrics.REPAIRS.labels(what).inc()
            log.warning("the kernel had lost what was in force", extra={"repaired": outcome.changed})
        self._synced = None if outcome.problems else wanted
        self._outcome = outcome
        pause = RETRY if outcome.problems else SOON if outcome.waiting else PERIOD
        self._sync_due = asyncio.get_running_loop().time() + pause
        self._xds.retry()

    def _report(self, made: Made) -> None:
        envoy = () if self._xds.connected else ("E190 no Envoy is connected to this agent",)
        disk = self._feed.disk.problems
        lacking = tuple(text for _, text in sorted(self._keeper.problems.items()))
        problems = (*made.problems, *lacking, *self._outcome.problems, *envoy, *self._xds.problems(), *disk)
        whole = self._is_whole(made)
        if whole and len(self._feed.tree):
            self._reached = made.root
        if made is self._offered and (self._xds.holds(SDS) if shows_leaves(made.state) else self._xds.settled()):
            self._trust = trust_of(made)
        links = {}
        if made.state.tunnel is not None:
            prober, actual = self._prober, self._outcome.actual
            links = link_reports(made.state.tunnel, actual, time.time(), prober.microseconds, prober.paths.standing)
            self._traffic.look(received(made.state.tunnel, actual), asyncio.get_running_loop().time())
        self._load.look()
        self._feed.report({"node": self._node_report(problems), **links, **self._failing(), **self._load.book.reports})
        self._problems.say(problems)
        self._measure(problems, whole, links)

    def _is_whole(self, made: Made) -> bool:
        """True when nothing of the handout was left out, the kernel was read back right and Envoy holds it all."""
        in_kernel = not self._outcome.problems and self._synced == made.wanted
        held = self._keeper.certificates
        registered = all(str(one.identity) in held for one in made.state.registered)
        certified = registered and not missing(made.state, made.certificates)
        return in_kernel and certified and not made.problems and self._xds.settled()

    def _node_report(self, problems: tuple[str, ...]) -> NodeReport:
        situation = self._situation
        gateway = situation.role == "gateway"
        return NodeReport(
            node=situation.node,
            role=situation.role,
            reached=self._reached,
            problems=problems,
            address=situation.address,
            gateway_key=situation.public_key,
            gateway_proof=situation.possession,
            gateway_endpoint=self._underlay,
            gateway_port=GATEWAY_PORT if gateway else 0,
            ledger=min(self._trust.ledger, self._feed.kept),
            issuers=tuple(sorted({self._feed.issuer, *self._trust.issuers})),
        )

    def _failing(self) -> dict[str, Struct]:
        """The own endpoints that fail their probes."""
        return {
            f"endpoint/{service}/{address}": EndpointReport(service, address, verdict.since // 1_000)
            for (service, address), verdict in self._checks.verdicts.items()
            if verdict.up is False
        }

    def _measure(self, problems: tuple[str, ...], whole: bool, links: Mapping[str, Struct]) -> None:
        head = self._feed.head
        metrics.HANDOUT_REVISION.set(0 if head is None else head.revision)
        metrics.HANDOUT_AGE.set(0 if head is None else max(0, time.time() - head.made))
        metrics.CONTROLLER_CONNECTED.set(self._feed.connected)
        metrics.ENVOY_CONNECTED.set(self._xds.connected)
        metrics.IN_FORCE.set(whole)
        metrics.PROBLEMS.set(len(problems))
        metrics.measure_links(links.values())

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


def _target(checked: Checked) -> Target:
    return Target(checked.address, checked.port, checked.service.host, checked.probe, group=str(checked.service))


async def run_until_signalled(agent: Agent) -> None:
    """Run until SIGTERM or SIGINT; both end cleanly and leave the data path in place."""
    await until_stopped([agent.run()])
    log.info("stopped; the data path stays in place")
