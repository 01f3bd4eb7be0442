"""Sessions with our own node agents and DNS servers: handouts out, reports in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from msgspec import Struct, structs
from prometheus_client import Gauge

from federation.link.line import Line
from federation.link.possession import proves
from federation.model.errors import Refused
from federation.model.flows import FlowReport
from federation.model.names import ServiceKey
from federation.model.report import EndpointReport, EnvoyRefusal, LinkReport, NodeReport, TargetReport
from federation.ports import AgentState
from federation.session.session import Acked, Event, Offered, Session, Steps
from federation.session.tree import Tree, compare
from federation.sync.flows import PREFIX, flows_of
from federation.wire.handout import HANDOUT_TOPIC, PERIOD, REPORT, REPORT_TOPIC

log = logging.getLogger("agents")
agents_up = Gauge("isthmus_agent_session_up", "1 while a session with the agent is up", ["node"])
Flowed = Callable[[str, Mapping[ServiceKey, FlowReport | None]], None]
RECENT = 32
REPORT_BYTES = 4 * 1024 * 1024


class Agent:
    """One enrolled program: its session, what it was given and what it last said."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self.wanted = Tree()
        self.head = b""
        self.said = Tree()
        self.reports: dict[str, Struct] = {}
        self.refused = ""

    def state(self) -> AgentState:
        """What is known of it now."""
        node = self.reports.get("node")
        return AgentState(
            connected=self.line is not None,
            wanted=self.wanted.root,
            node=node if isinstance(node, NodeReport) else None,
            links=tuple(item for item in self.reports.values() if isinstance(item, LinkReport)),
            refused=self.refused,
            failing=tuple(item for item in self.reports.values() if isinstance(item, EndpointReport)),
            refusals=tuple(item for item in self.reports.values() if isinstance(item, EnvoyRefusal)),
            targets=tuple(item for item in self.reports.values() if isinstance(item, TargetReport)),
        )


class AgentSync:
    """Keeps one session per agent. `reported` is called with the agent's name when it said something that matters to
    others, and when it went away; `flowed` with its name and what it says anew of flows, which are kept by none but its
    reader.
    """

    def __init__(self, own: str, reported: Callable[[str], None], flowed: Flowed) -> None:
        self._own = own
        self._reported = reported
        self._flowed = flowed
        self._recent: dict[bytes, Tree] = {}
        self._steps = Steps()
        self._states: dict[str, AgentState] = {}
        self.agents: dict[str, Agent] = {}

    def states(self) -> Mapping[str, AgentState]:
        """Every program that was given a handout or connected. A live view: look, do not keep."""
        return self._states

    def publish(self, name: str, tree: Tree, head: bytes) -> None:
        """Give this handout to this agent from now on."""
        agent = self.agents.setdefault(name, Agent())
        if agent.wanted.root == tree.root:
            return
        self._remember(agent.wanted)
        agent.wanted, agent.head = tree, head
        self._note(name, agent)
        if agent.line is not None:
            agent.line.publish(HANDOUT_TOPIC, tree, head)

    def _note(self, name: str, agent: Agent) -> None:
        """Something of this agent changed; one that was forgotten meanwhile stays so."""
        if self.agents.get(name) is agent:
            self._states[name] = agent.state()

    def _remember(self, tree: Tree) -> None:
        """What was handed out before: whoever still holds it gets only what changed since."""
        if tree.root not in self._recent:
            self._recent[tree.root] = tree
            if len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]

    def forget(self, name: str) -> None:
        """The agent is no longer enrolled."""
        agent = self.agents.pop(name, None)
        self._states.pop(name, None)
        if agent is not None and agent.line is not None:
            agent.line.close()

    async def serve(self, name: str, incoming: AsyncIterator[bytes], send: Callable[[bytes], Awaitable[None]]) -> None:
        """Serve a session that this agent dialled."""
        agent = self.agents.setdefault(name, Agent())
        now = asyncio.get_running_loop().time()
        session = Session(self._own, now, step_bytes=REPORT_BYTES, steps=self._steps, period=PERIOD)
        for tree in self._recent.values():
            session.remember(tree)
        line = Line(session, lambda line, event: self._handle(name, agent, line, event))
        if len(agent.wanted):
            line.publish(HANDOUT_TOPIC, agent.wanted, agent.head)
        if agent.line is not None:
            agent.line.close()
        agent.line = line
        self._note(name, agent)
        agents_up.labels(name).set(1)
        self._reported(name)
        try:
            await line.run(incoming, send)
        finally:
            if agent.line is line:
                agent.line = None
                self._note(name, agent)
                agents_up.labels(name).set(0)
                self._reported(name)

    def _handle(self, name: str, agent: Agent, line: Line, event: Event) -> None:
        match event:
            case Offered(topic=topic) if topic == REPORT_TOPIC:
                self._take(name, agent, line, event)
            case Offered():
                line.session.refuse(event.topic, Refused(f'topic "{event.topic}" is not an agent\'s', "E105"))
            case Acked():
                refused = f"{event.code} {event.text}" if event.code else ""
                if refused != agent.refused:
                    agent.refused = refused
                    self._note(name, agent)

    def _take(self, name: str, agent: Agent, line: Line, event: Offered) -> None:
        change = compare(agent.said, event.tree)
        try:
            changed = {key: REPORT.decode(key, data) for key, data in change.changed.items()}
            flows = flows_of(changed, change.removed)
            check_key(self._own, name, changed.get("node"))
        except Refused as error:
            log.error("report refused", extra={"node": name, "code": error.code, "reason": error.text})
            line.session.refuse(event.topic, error)
            return
        keys = [key for key in (*changed, *change.removed) if not key.startswith(PREFIX)]
        before = {key: agent.reports.pop(key, None) for key in keys}
        agent.reports.update({key: value for key in keys if (value := changed.get(key)) is not None})
        agent.said = event.tree
        if keys:
            self._note(name, agent)
        line.session.accept(event.topic)
        if flows and self.agents.get(name) is agent:
            self._flowed(name, flows)
        if any(_matters(old) != _matters(agent.reports.get(key)) for key, old in before.items()):
            self._reported(name)


def check_key(member: str, name: str, report: Struct | None) -> None:
    """Refused (E121) when a program names a WireGuard key that it does not show to be its own."""
    if not isinstance(report, NodeReport):
        return
    for proof, key in ((report.wireguard_proof, report.wireguard_key), (report.spare_proof, report.spare_key)):
        if key and not proves(proof, key, member, name):
            raise Refused(f"report of {name}: does not prove possession of its WireGuard key; last good kept", "E121")


def _matters(report: Struct | None) -> Struct | None:
    """What of a report others are told: not how far its sender is with what it was given."""
    return structs.replace(report, reached=b"", problems=()) if isinstance(report, NodeReport) else report
