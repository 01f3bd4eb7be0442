"""Sessions with our own node agents and DNS servers: handouts out, reports in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct
from prometheus_client import Gauge

from federation.link.line import Line
from federation.model.errors import Refused
from federation.model.handout import EndpointReport, LinkReport, NodeReport, TargetReport
from federation.ports import AgentState
from federation.session.session import Acked, Event, Offered, Session
from federation.session.tree import Tree
from federation.wire.handout import HANDOUT_TOPIC, REPORT, REPORT_TOPIC

log = logging.getLogger("agents")
agents_up = Gauge("isthmus_agent_session_up", "1 while a session with the agent is up", ["node"])
RECENT = 32
REPORT_BYTES = 4 * 1024 * 1024


class Agent:
    """One enrolled program: its session, what it was given and what it last said."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self.wanted = Tree()
        self.head = b""
        self.reports: dict[str, Struct] = {}
        self.refused = ""

    @property
    def node(self) -> NodeReport | None:
        """What it says of itself, or None before it ever did."""
        report = self.reports.get("node")
        return report if isinstance(report, NodeReport) else None


class AgentSync:
    """Keeps one session per agent. `reported` is called with the agent's name when it said something new."""

    def __init__(self, own: str, reported: Callable[[str], None]) -> None:
        self._own = own
        self._reported = reported
        self._recent: list[Tree] = []
        self.agents: dict[str, Agent] = {}

    def states(self) -> dict[str, AgentState]:
        """Every program that was given a handout or connected."""
        return {
            name: AgentState(
                connected=agent.line is not None,
                wanted=agent.wanted.root,
                node=agent.node,
                links=tuple(item for item in agent.reports.values() if isinstance(item, LinkReport)),
                refused=agent.refused,
                failing=tuple(item for item in agent.reports.values() if isinstance(item, EndpointReport)),
                targets=tuple(item for item in agent.reports.values() if isinstance(item, TargetReport)),
            )
            for name, agent in self.agents.items()
        }

    def publish(self, name: str, tree: Tree, head: bytes) -> None:
        """Give this handout to this agent from now on."""
        agent = self.agents.setdefault(name, Agent())
        if agent.wanted.root == tree.root:
            return
        self._recent = [*self._recent[-RECENT:], agent.wanted]
        agent.wanted, agent.head = tree, head
        if agent.line is not None:
            agent.line.publish(HANDOUT_TOPIC, tree, head)

    def forget(self, name: str) -> None:
        """The agent is no longer enrolled."""
        agent = self.agents.pop(name, None)
        if agent is not None and agent.line is not None:
            agent.line.close()

    async def serve(self, name: str, incoming: AsyncIterator[bytes], send: Callable[[bytes], Awaitable[None]]) -> None:
        """Serve a session that this agent dialled."""
        agent = self.agents.setdefault(name, Agent())
        session = Session(self._own, asyncio.get_running_loop().time(), step_bytes=REPORT_BYTES)
        for tree in self._recent:
            session.remember(tree)
        line = Line(session, lambda line, event: self._handle(name, agent, line, event))
        if len(agent.wanted):
            line.publish(HANDOUT_TOPIC, agent.wanted, agent.head)
        if agent.line is not None:
            agent.line.close()
        agent.line = line
        agents_up.labels(name).set(1)
        try:
            await line.run(incoming, send)
        finally:
            if agent.line is line:
                agent.line = None
                agents_up.labels(name).set(0)
                self._reported(name)

    def _handle(self, name: str, agent: Agent, line: Line, event: Event) -> None:
        match event:
            case Offered(topic=topic) if topic == REPORT_TOPIC:
                self._take(name, agent, line, event)
            case Offered():
                line.session.refuse(event.topic, Refused(f'topic "{event.topic}" is not an agent\'s', "E105"))
            case Acked():
                agent.refused = f"{event.code} {event.text}" if event.code else ""

    def _take(self, name: str, agent: Agent, line: Line, event: Offered) -> None:
        try:
            changed = {key: REPORT.decode(key, data) for key, data in event.change.changed.items()}
        except Refused as error:
            log.error("report refused", extra={"node": name, "code": error.code, "reason": error.text})
            line.session.refuse(event.topic, error)
            return
        for key in event.change.removed:
            agent.reports.pop(key, None)
        agent.reports.update({key: value for key, value in changed.items() if value is not None})
        line.session.accept(event.topic)
        self._reported(name)
