"""What a controller makes of its programs' reports over the ends of their sessions."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from msgspec import Struct, structs

from federation.link.possession import wireguard_key
from federation.model.errors import Refused
from federation.model.flows import Flow, FlowReport
from federation.model.names import MemberName, ServiceKey
from federation.model.report import EndpointReport, NodeReport
from federation.session.session import Session
from federation.session.tree import Tree, compare, tree_of
from federation.sync.agents import AgentSync, check_key
from federation.sync.flows import flows_of
from federation.wire.handout import REPORT, REPORT_TOPIC
from federation.wire.keyed import encode

NODE = NodeReport(node="n1", role="node")
FAILING = EndpointReport(service=ServiceKey("shop", "web"), address="10.1.1.1", since=1)


def said(*values: Struct) -> Tree:
    return tree_of({f"{type(value).__name__.removesuffix('Report').lower()}": encode(value) for value in values})


class Agents:
    """A controller with one agent, whose sessions are played one after the other."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.flows: list[Mapping[ServiceKey, FlowReport | None]] = []
        self.sync = AgentSync("us-east", self.woken.append, lambda _, flows: self.flows.append(flows))

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


WEB = ServiceKey("shop", "web")
FLOWS = FlowReport(WEB, (Flow("shop/client", MemberName("us-east"), 10_000),))


def with_flows(report: FlowReport, key: str = "flow/shop/web") -> Tree:
    return tree_of({"node": encode(NODE), key: encode(report)})


def test_flows_wake_nobody_and_go_to_their_reader() -> None:
    agents = Agents()
    asyncio.run(agents.session(said(NODE)))
    before = len(agents.woken)
    asyncio.run(agents.session(with_flows(FLOWS)))
    asyncio.run(agents.session(said(NODE)))
    assert agents.flows == [{WEB: FLOWS}, {WEB: None}]
    assert len(agents.woken) - before == 4, "it came and went, twice"


def test_flows_that_cannot_be_are_refused_with_all_that_came_with_them() -> None:
    bad = FlowReport(WEB, (Flow("", MemberName("us-east"), -1),))
    for tree, text in (
        (with_flows(FLOWS, "flow/shop/db"), 'report "flow/shop/db" calls itself "flow/shop/web"'),
        (
            with_flows(bad),
            'report "flow/shop/web": -1 thousandths of requests per second, 0 ppm errors to "us-east" cannot be',
        ),
        (
            with_flows(FlowReport(WEB, (), surge=-5)),
            'report "flow/shop/web": a surge to -5 thousandths of requests per second cannot be',
        ),
    ):
        change = compare(Tree(), tree)
        decoded = {key: REPORT.decode(key, data) for key, data in change.changed.items()}
        with pytest.raises(Refused) as refused:
            flows_of(decoded, ())
        assert (refused.value.code, refused.value.text) == ("E120", text)
        agents = Agents()
        asyncio.run(agents.session(tree))
        assert agents.flows == [] and agents.sync.states()["n1"].node is None


def test_a_wireguard_key_that_is_not_shown_to_be_its_own_is_refused() -> None:
    key = wireguard_key(b"s" * 32, "us-east", "n1")
    check_key("us-east", "n1", NodeReport(node="n1", role="node", wireguard_key=key.public, wireguard_proof=key.proof))
    for member, name in (("us-east", "n2"), ("us-west", "n1")):
        with pytest.raises(Refused) as caught:
            report = NodeReport(node=name, role="node", wireguard_key=key.public, wireguard_proof=key.proof)
            check_key(member, name, report)
        assert str(caught.value) == (
            f"E121 report of {name}: does not prove possession of its WireGuard key; last good kept"
        )


def test_nor_is_the_other_key_while_there_are_two() -> None:
    key, other = (wireguard_key(seed * 32, "us-east", "gw1") for seed in (b"s", b"t"))
    both = NodeReport(
        node="gw1",
        role="gateway",
        wireguard_key=key.public,
        wireguard_proof=key.proof,
        spare_key=other.public,
        spare_proof=other.proof,
    )
    check_key("us-east", "gw1", both)
    with pytest.raises(Refused) as caught:
        check_key("us-east", "gw1", structs.replace(both, spare_proof=key.proof))
    assert str(caught.value) == "E121 report of gw1: does not prove possession of its WireGuard key; last good kept"
