"""The program of the role xds: the central xDS port, fed from a handout of its own. It needs neither root nor a kernel.

As in the node agent an event only wakes the loop, and a pass makes everything from the handout in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from federation.link.leaf import Leaf, issuer_of
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
from gateways.xds.central import CentralServer, Kind
from gateways.xds.encode import Encoded, Encoder, encoded

log = logging.getLogger("xds")

PERIOD = 3.0
"""Seconds between two passes when nothing happens."""

RETRY = 1.0
"""Seconds between attempts to get the port's own certificate."""

SIDECARS = "sidecar"
"""The one view: no resource in it hangs on who asks (`sidecar.py`)."""


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
        self._encoder = Encoder()
        self._content: Encoded | None = None
        self._anchors: object = None
        self._touched: set[ServiceKey] = set()
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
        """Offer the content to who is the first to come."""
        while True:
            await self.server.changed.wait()
            self.server.changed.clear()
            if self._content is not None and self.server.waiting:
                self.server.offer(SIDECARS, self._content.snapshot)

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
        return SIDECARS

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
        self._touched |= self._planner.step(told, Evidence(now=int(time.time() * 1_000))).keys()
        self._planned = tree
        state = self._planner.state
        if state.known:
            await self._offer(state)
            self._reached = tree.root if not self._left_out(state) else self._reached
        self.server.retry()
        self._report(state)

    async def _offer(self, state: NodeState) -> None:
        """Unknown is not empty: without a handout nothing is offered, and clients wait or keep what they have."""
        before = self._content
        whole = before is None or state.anchors is not self._anchors
        groups = sidecar_groups(state, self._touched, whole)
        self._touched, self._anchors = set(), state.anchors
        if groups:
            self._content = await encoded(self._encoder, groups)
            fresh = before is None or SIDECARS in self.server.waiting
            self.server.offer(SIDECARS, self._content.snapshot, None if fresh else self._content.changed)

    def _left_out(self, state: NodeState) -> tuple[str, ...]:
        return (*state.problems, *(self._content.problems if self._content is not None else ()))

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
