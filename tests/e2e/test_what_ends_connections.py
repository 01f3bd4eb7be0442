"""Which changes end connections that stand, on the real Envoy: none but those that are about them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs

from federation.model.handout import Workload
from federation.model.policy import Policy, Portion
from federation.model.record import Endpoint
from federation.model.resilience import Breakers, Resilience, Timeouts
from gateways.intent import intend
from gateways.state import NodeState, Situation
from tests.e2e.envoy_pair import certificates
from tests.e2e.envoy_rig import Rig, envoy
from tests.worlds.ports import free_port
from tests.worlds.two_members import DOMAIN, candidate, keyed, peer, real, site, web_import, web_pool

US, EU = real("us-east"), real("eu-central")
HERE = Situation(node="n1", role="node", member=US.name, domain=DOMAIN, address="127.0.0.1")
CLIENT = Workload("default", "client", ("127.0.0.1",))
NOTHING = Policy()
BREAKERS = Policy(resilience=Resilience(breakers=Breakers(connections=10)))


class World:
    """shop/web as one node is told of it: a TCP port with one pod of its own, and another member far away."""

    def __init__(self, pod: int) -> None:
        self.port, self._pod = free_port(), pod

    def state(self, *workloads: Workload, cost: int = 90, eu: bool = True, policy: Policy = NOTHING) -> NodeState:
        candidates = [candidate(US, 1, 1, 0), *([candidate(EU, 2, 2, cost)] if eu else [])]
        web = structs.replace(web_import(*candidates, app_protocol="", listener=self.port), addresses=(), policy=policy)
        pool = web_pool(Endpoint("127.0.0.1"), port=self._pod)
        return intend(HERE, keyed(site(US), peer(EU, "192.0.2.2:51820"), web, pool, *(workloads or (CLIENT,))))


CHANGES: dict[str, Callable[[World], NodeState]] = {
    "another pod of the same account": lambda w: w.state(structs.replace(CLIENT, addresses=("127.0.0.1", "127.0.0.9"))),
    "another workload": lambda w: w.state(CLIENT, Workload("shop", "robot", ("127.0.0.8",))),
    "another cost": lambda w: w.state(cost=10),
    "a member that offers it no more": lambda w: w.state(eu=False),
    "circuit breakers": lambda w: w.state(policy=BREAKERS),
    "a canary": lambda w: w.state(policy=Policy(canary=Portion("member/eu-central", 1_000))),
    "a time for requests": lambda w: w.state(policy=Policy(resilience=Resilience(timeouts=Timeouts(request=9)))),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_tcp_connection_outlives(change: str) -> None:
    async def story(rig: Rig, world: World) -> None:
        await put(rig, world.state())
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        assert await echoed(reader, writer)
        await put(rig, CHANGES[change](world))
        found = await rig.stats("listener_manager.*total_filter_chains_draining$")
        assert set(found.values()) == {0}
        assert await echoed(reader, writer)
        writer.close()
        await writer.wait_closed()

    through(story)


async def put(rig: Rig, state: NodeState) -> None:
    assert state.problems == ()
    for name, leaf in certificates(US, *state.identities).items():
        LEAVES.setdefault(name, leaf)
    await rig.put(state, {str(identity): LEAVES[str(identity)] for identity in state.identities})


LEAVES: dict[str, Any] = {}
"""Made once: another leaf would be a change of its own."""


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"hello\n")
    async with asyncio.timeout(10):
        return await reader.readline() == b"hello\n"


def through(story: Callable[[Rig, World], Awaitable[None]]) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with envoy() as rig:
            await story(rig, World(server.sockets[0].getsockname()[1]))
        server.close()

    asyncio.run(run())
