"""Many simulated node agents of one controller: each with its own certificate, mutual TLS, and a session that takes the
handout and reports it as reached.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from grpclib.client import StreamStreamMethod

from federation.config import Enrolment
from federation.link.dial import EXCHANGE, PinnedChannel
from federation.link.leaf import Leaf, leaf_of, new_key, signing_request
from federation.link.line import Line
from federation.link.tls import client_context
from federation.model.handout import Workload
from federation.model.report import NodeReport
from federation.model.spiffe import agent_id, controller_id
from federation.session.session import Event, Offered, Session
from federation.session.tree import Tree, tree_of
from federation.trust.issue import sign_leaf
from federation.wire.handout import HANDOUT_TOPIC, REPORT_TOPIC
from federation.wire.keyed import encode
from tests.worlds.public_cli import Site

DIALLING = 64
"""TLS handshakes under way at once: more would only wait for this process's one core, and run out of time there."""


class Simulated:
    """One agent. `took` counts the resources that it was sent, `at` is when it last took a handout."""

    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        self.name = name
        self.context = context
        self.tree = Tree()
        self.took = 0
        self.at = 0.0

    async def talk(self, channel: PinnedChannel, door: asyncio.Semaphore) -> None:
        """One session, until it ends."""
        async with StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
            async with door:
                await stream.send_request()
            have = {HANDOUT_TOPIC: self.tree} if len(self.tree) else {}
            line = Line(Session(self.name, asyncio.get_running_loop().time(), have), self._handle)
            line.publish(REPORT_TOPIC, self._report(), b"")
            await line.run(aiter(stream), stream.send_message)

    def _handle(self, line: Line, event: Event) -> None:
        if isinstance(event, Offered):
            self.tree = event.tree
            self.took += len(event.change.changed)
            self.at = time.perf_counter()
            line.session.accept(event.topic)
            line.publish(REPORT_TOPIC, self._report(), b"")

    def _report(self) -> Tree:
        return tree_of({"node": encode(NodeReport(node=self.name, role="node", reached=self.tree.root))})


class Swarm:
    """The agents of the first member of a site."""

    def __init__(self, site: Site, count: int) -> None:
        """Enrol so many, each with one workload, and make their certificates."""
        self._site = site
        folder = site.folder(site.members[0])
        own, anchor = folder.own(), folder.anchor.read_text()
        self._controller = controller_id(own.trust_domain)
        anchor_key, now = folder.anchor_key.read_text(), datetime.now(UTC)
        self.agents = []
        for number in range(count):
            name, key = f"n{number}", new_key()
            identity = agent_id(own.trust_domain, name)
            chain = sign_leaf(anchor_key, anchor, signing_request(key, identity), own.trust_domain, now)
            leaf: Leaf = leaf_of(identity, key, chain)
            made = Enrolment(
                name=name, role="node", workloads=(Workload("shop", "client", (f"10.1.0.{number % 250}",)),)
            )
            (folder.agents / f"{name}.json").write_bytes(msgspec.json.encode(made))
            self.agents.append(Simulated(name, client_context(leaf, anchor)))
        self._running: list[asyncio.Task[Any]] = []
        self._door = asyncio.Semaphore(DIALLING)

    def dial(self) -> None:
        """Let all of them dial at once; each dials again when its session ends."""
        self._running = [asyncio.create_task(self._keep(agent)) for agent in self.agents]

    async def stop(self) -> None:
        """End every session."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _keep(self, agent: Simulated) -> None:
        while True:
            channel = PinnedChannel(self._site.listen, agent.context, self._controller)
            try:
                await agent.talk(channel, self._door)
            except Exception:
                pass
            finally:
                channel.close()
            await asyncio.sleep(0.5)
