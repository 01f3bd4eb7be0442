"""The program of the role xds: the central xDS port, fed from a handout of its own. It needs neither root nor a kernel.

As in the node agent an event only wakes the loop, and a pass makes everything from the handout in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from federation.link.leaf import Leaf, issuer_of
from federation.model.confine import Confined
from federation.model.errors import IsthmusError, Refused
from federation.model.names import ServiceKey
from federation.model.report import NodeReport
from federation.model.spiffe import SpiffeId, xds_id
from federation.process import until_one_ends
from federation.session.tree import Tree, compare
from federation.telemetry import Problems
from gateways import metrics
from gateways.daemon import HandoutFeed
from gateways.evidence import Evidence
from gateways.planner import Planner
from gateways.sidecar import LOOPBACK, is_workload, sidecar_groups
from gateways.state import NodeState, Situation
from gateways.workloads import confining
from gateways.xds.central import CentralServer, Kind
from gateways.xds.encode import Encoded, Encoder, encoded

log = logging.getLogger("xds")

PERIOD = 3.0
"""Seconds between two passes when nothing happens."""

RETRY = 1.0
"""Seconds between attempts to get the port's own certificate."""

SIDECARS = "sidecar"
"""The view of everybody whom no EgressPolicy is for; of others it is named by those (`sidecar.py`)."""


class Shown:
    """What is offered as one view. `touched` are the services that changed since the last look."""

    def __init__(self) -> None:
        self.touched: set[ServiceKey] = set()
        self.content: Encoded | None = None
        self._encoder = Encoder()
        self._anchors: object = None
        self._policies: tuple[Confined, ...] = ()

    async def take(self, state: NodeState, policies: tuple[Confined, ...]) -> bool:
        """Follow the state, as these policies confine it; False when nothing of it is another."""
        first = self.content is None
        touched = set(state.services) if first or policies != self._policies else self.touched
        groups = sidecar_groups(state, touched, first or state.anchors is not self._anchors, policies)
        self.touched, self._anchors, self._policies = set(), state.anchors, policies
        if groups:
            self.content = await encoded(self._encoder, groups)
        return bool(groups)


class Central:
    """Serves every sidecar of the member. The ways to other members are unknown here, so the handout alone counts."""

    def __init__(self, feed: HandoutFeed, address: str) -> None:
        """`address` is the IP:PORT to listen on."""
        self._feed = feed
        self._address = address
        own = feed.enrolled
        here = Situation(node=own.node, role="xds", member=own.member, domain=own.domain, address=LOOPBACK)
        self._planner = Planner(here)
        self._planned = Tree()
        self._shown = {SIDECARS: Shown()}
        self._confined: tuple[Confined, ...] = ()
        self._leaf: Leaf | None = None
        self._certified = asyncio.Event()
        self._no_leaf = ""
        self.server = CentralServer(self._credentials, self._view)
        self._reached = b""
        self._problems = Problems(log)

    async def run(self) -> None:
        """Serve until cancelled; clients then keep what they have. InputError when the address cannot be bound."""
        try:
            await until_one_ends([self._feed.run(), self._loop(), self._keep_leaf(), self._listen(), self._welcome()])
        finally:
            await self.server.stop()

    async def _listen(self) -> None:
        await self._certified.wait()
        await self.server.start(self._address)
        log.info("central xDS port is up", extra={"listen": self._address})
        await asyncio.Event().wait()

    async def _welcome(self) -> None:
        """Look at once for who is the first to come."""
        while True:
            await self.server.changed.wait()
            self.server.changed.clear()
            for view in self.server.waiting & self._shown.keys():
                content = self._shown[view].content
                if content is not None:
                    self.server.offer(view, content.snapshot)
            if self.server.waiting:
                self._feed.changed.set()

    async def _keep_leaf(self) -> None:
        """Hold the certificate that the port shows: from disk at once, and renewals as they come."""
        identity = xds_id(self._feed.enrolled.trust_domain)
        while True:
            self._feed.svid_changed.clear()
            try:
                self._leaf, self._no_leaf = await self._feed.svid(identity), ""
                self._certified.set()
            except IsthmusError as error:
                self._no_leaf = str(error)
            self._feed.changed.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY if self._no_leaf else None):
                    await self._feed.svid_changed.wait()

    def _credentials(self) -> tuple[Leaf, str]:
        assert self._leaf is not None
        return self._leaf, self._feed.enrolled.anchor

    def _view(self, identity: SpiffeId, kind: Kind) -> str:
        if not is_workload(identity, self._feed.enrolled.trust_domain):
            raise Refused(f"{identity} is no workload of this member; the central xDS port is for those alone", "E105")
        if kind == "grpc":
            raise Refused(f"{identity}: gRPC programs are served on grpc-xds.sock of their node; connect there", "E102")
        by = confining(self._confined, identity)
        return "+".join(f"{one.namespace}/{one.name}" for one in by) or SIDECARS

    async def _loop(self) -> None:
        while True:
            self._feed.changed.clear()
            await self.once()
            await self._wait()

    async def once(self) -> None:
        """One pass: plan, render, offer, report."""
        metrics.PASSES.inc()
        tree = self._feed.tree
        change = compare(self._planned, tree)
        told = {key: self._feed.values.get(key) for key in (*change.changed, *change.removed)}
        touched = self._planner.step(told, Evidence(now=int(time.time() * 1_000))).keys()
        for shown in self._shown.values():
            shown.touched |= touched
        self._planned = tree
        state = self._planner.state
        if state.known and state.confined is not self._confined:
            self._confined = state.confined
            self.server.follow()
        if state.known:
            await self._offer(state)
            self._reached = tree.root if not self._left_out(state) else self._reached
        self.server.retry()
        self._report(state)

    async def _offer(self, state: NodeState) -> None:
        """Unknown is not empty: without a handout nothing is offered, and clients wait or keep what they have."""
        wanted = {SIDECARS, *self.server.wanted}
        self._shown = {view: one for view, one in self._shown.items() if view in wanted}
        for view in sorted(wanted):
            await self._show(view, state)

    async def _show(self, view: str, state: NodeState) -> None:
        """Offer what is another in this view, or to its first client all of it."""
        shown = self._shown.setdefault(view, Shown())
        names = frozenset(view.split("+"))
        policies = tuple(one for one in state.confined if f"{one.namespace}/{one.name}" in names)
        moved = await shown.take(state, policies)
        if shown.content is not None and (moved or view in self.server.waiting):
            fresh = view in self.server.waiting or not moved
            self.server.offer(view, shown.content.snapshot, None if fresh else shown.content.changed)

    def _left_out(self, state: NodeState) -> tuple[str, ...]:
        contents = (self._shown[view].content for view in sorted(self._shown))
        return (*state.problems, *dict.fromkeys(line for one in contents if one is not None for line in one.problems))

    def _report(self, state: NodeState) -> None:
        lacking = (self._no_leaf,) if self._no_leaf else ()
        problems = (*self._left_out(state), *lacking, *self._feed.disk.problems)
        issuers = {self._feed.issuer, *([issuer_of(self._leaf.chain)] if self._leaf is not None else ())}
        node = NodeReport(
            node=self._feed.enrolled.node,
            role="xds",
            reached=self._reached,
            problems=problems,
            ledger=min(state.ledger, self._feed.kept),
            issuers=tuple(sorted(issuers)),
        )
        self._feed.report({"node": node})
        self._problems.say(problems)
        metrics.measure_handout(self._feed.head, self._feed.connected)
        metrics.IN_FORCE.set(state.known and self._reached == self._planned.root and self._leaf is not None)
        metrics.PROBLEMS.set(len(problems))

    async def _wait(self) -> None:
        until = self._planner.state.until
        left = min(PERIOD, max(0.0, until / 1_000 - time.time())) if until else PERIOD
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._feed.changed.wait()
