"""What a controller makes of its programs' reports over the ends of their sessions."""

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from federation.model.handout import EndpointReport, NodeReport
from federation.model.names import ServiceKey
from federation.session.session import Session
from federation.session.tree import Tree, tree_of
from federation.sync.agents import AgentSync
from federation.wire.handout import REPORT_TOPIC
from federation.wire.keyed import encode

NODE = NodeReport(node="n1", role="node")
FAILING = EndpointReport(service=ServiceKey("shop", "web"), address="10.1.1.1", since=1)


def said(*values: Struct) -> Tree:
    return tree_of({f"{type(value).__name__.removesuffix('Report').lower()}": encode(value) for value in values})


class Agents:
    """A controller with one agent, whose sessions are played one after the other."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.sync = AgentSync("us-east", self.woken.append)

    async def session(self, report: Tree) -> None:
        """One session in which the agent says this; it ends when all was said."""
        agent = Session("n1", 0.0)
        agent.publish(REPORT_TOPIC, report, b"")
        to_agent: asyncio.Queue[bytes] = asyncio.Queue()

        async def incoming() -> AsyncIterator[bytes]:
            while True:
                while (data := agent.take()) is not None:
                    yield data
                try:
                    async with asyncio.timeout(0.1):
                        agent.receive(await to_agent.get(), 0.0)
                except TimeoutError:
                    return

        await self.sync.serve("n1", incoming(), to_agent.put)


def test_one_that_comes_back_with_the_same_report_is_looked_at_again() -> None:
    """While it was away its word did not count."""
    agents = Agents()

    async def main() -> None:
        await agents.session(said(NODE, FAILING))
        agents.woken.clear()
        await agents.session(said(NODE, FAILING))

    asyncio.run(main())
    assert agents.woken and set(agents.woken) == {"n1"}


def test_what_is_no_longer_said_after_a_return_is_forgotten() -> None:
    agents = Agents()

    async def main() -> None:
        await agents.session(said(NODE, FAILING))
        assert agents.sync.states()["n1"].failing == (FAILING,)
        await agents.session(said(NODE))

    asyncio.run(main())
    assert agents.sync.states()["n1"].failing == ()


def test_how_far_a_program_is_wakes_nobody() -> None:
    agents = Agents()

    async def main() -> None:
        await agents.session(said(NODE))

    asyncio.run(main())
    first = len(agents.woken)
    reached = NodeReport(node="n1", role="node", reached=b"r" * 32, problems=("one",))
    asyncio.run(agents.session(said(reached)))
    assert len(agents.woken) - first == 2, "it came and it went, and nothing else"
