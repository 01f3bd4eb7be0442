"""gRPC's own client on the node agent's socket: at home directly, through the node proxy when another member has a share."""

import asyncio
import stat
import tempfile
from pathlib import Path

from msgspec import Struct, structs

from federation.model.record import Endpoint
from gateways.daemon import Agent
from gateways.folder import grpc_socket
from gateways.kernel.memory import Twin
from tests.e2e.test_xds_grpc import NAME, Bed, backend
from tests.unit.gateways.test_daemon import MemoryFeed, until
from tests.unit.gateways.test_intent import CLIENT, EU, EU_PEER, NODE, US
from tests.worlds.two_members import candidate, keyed, site, web_import, web_pool


def handout(proxy: int, pod: int, ready: bool) -> dict[str, Struct]:
    """The service at home and in eu-central; `proxy` stands for Envoy's listener of the port."""
    home, away = candidate(US, int(ready), 1, cost=0), candidate(EU, 1, 1, cost=90)
    web = web_import(home, away, app_protocol="grpc", listener=proxy)
    pool = web_pool(Endpoint("127.0.0.1", "ready" if ready else "unready"), port=pod)
    return keyed(site(US), EU_PEER, web, pool, CLIENT)


def test_a_grpc_program_goes_home_and_through_the_node_proxy_when_it_must() -> None:
    pod, proxy = backend("pod"), backend("proxy")

    async def main(folder: Path) -> None:
        feed = MemoryFeed("node", handout(proxy[1], pod[1], ready=True))
        situation = structs.replace(NODE, address="127.0.0.1")
        workloads = folder / "workload.sock"
        agent = Agent(feed, situation, Twin().kernel, folder / "envoy.sock", workload_path=workloads)
        running = asyncio.create_task(agent.run())
        bed = Bed(folder, grpc_socket(workloads))
        try:
            await until(grpc_socket(workloads).exists)
            await bed.spawn()
            assert await bed.call(5, NAME) == {"pod": 5}
            assert stat.S_IMODE(grpc_socket(workloads).stat().st_mode) == 0o666
            feed.hand_out(handout(proxy[1], pod[1], ready=False))
            await bed.answers("proxy")
            feed.hand_out(handout(proxy[1], pod[1], ready=True))
            await bed.answers("pod")
        finally:
            bed.process.kill()
            await bed.process.wait()
            running.cancel()
            await asyncio.wait([running])
        assert not grpc_socket(workloads).exists()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
    for server, _ in (pod, proxy):
        server.stop(None).wait()
