"""A sidecar: a real Envoy that takes its leaf from a node agent's socket and everything else from a central xDS port."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from msgspec import Struct, structs

from federation.model.access import AccessRule, Source
from federation.model.handout import Workload
from federation.model.names import MemberName
from federation.model.record import Endpoint
from federation.model.spiffe import SpiffeId
from gateways.binary import find_envoy
from gateways.daemon import Agent
from gateways.intent import intend
from gateways.kernel.memory import Twin
from gateways.render.envoy.sidecar import Wanted, sidecar_bootstrap
from gateways.state import Situation
from tests.e2e.envoy_pair import certificates
from tests.e2e.envoy_rig import Backend, Rig, ask
from tests.unit.gateways.test_daemon import until
from tests.unit.gateways.test_workload_api import CLIENT, EU, ME, US, IssuingFeed
from tests.worlds.ports import free_port
from tests.worlds.two_members import DOMAIN, candidate, keyed, peer, site, web_import, web_offer, web_pool

ENTRANCE = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 256}"
"""The overlay prefix of eu-central, another one in each process; its gateway is .1 there."""

CALLERS = (AccessRule(sources=(Source(MemberName("us-east"), "shop", "client"),)),)
NODE = Situation(node="n1", role="node", member="us-east", domain=DOMAIN, address="127.0.0.1")


def handout(listener: int, home: Backend | None) -> dict[str, Struct]:
    """What us-east's central port is told: shop/web, at home (with a backend) and in eu-central."""
    eu = peer(EU, "192.0.2.2:51820")
    gateway = structs.replace(eu.gateways[0], overlay=f"{ENTRANCE}.1")
    eu = structs.replace(eu, overlay=f"{ENTRANCE}.0/24", gateways=(gateway,))
    count = int(home is not None)
    web = web_import(candidate(US, count, count, cost=0), candidate(EU, 1, 1, cost=90), listener=listener)
    pools = () if home is None else (web_pool(Endpoint(home.address), port=home.port),)
    return keyed(structs.replace(site(US), overlay="127.0.0.0/24"), eu, web, *pools)


async def put_gateway(rig: Rig, pod: Backend) -> None:
    """Have this Envoy be eu-central's gateway, which admits shop/client of us-east alone."""
    here = Situation(
        node="g1",
        role="gateway",
        member="eu-central",
        domain=DOMAIN,
        address="127.0.0.1",
        device="ist0",
        private_key=EU.wireguard,
        public_key=EU.public_key,
        listen_port=51820,
    )
    us = structs.replace(peer(US, "192.0.2.1:51820", ()), overlay="127.0.0.0/24")
    own = structs.replace(site(EU), overlay=f"{ENTRANCE}.0/24")
    offer = structs.replace(web_offer("http"), access=CALLERS)
    state = intend(here, keyed(own, us, offer, web_pool(Endpoint(pod.address), port=pod.port)))
    assert state.problems == ()
    await rig.put(state, certificates(EU, *state.identities))


class Node:
    """The node agent of the sidecar's machine: we are `shop/client` there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "workload.sock"
        known = keyed(site(US), peer(EU, "192.0.2.2:51820"), Workload("shop", "client", uids=(ME,)))
        self.feed = IssuingFeed(known)
        self.agent = Agent(self.feed, NODE, Twin().kernel, folder / "xds.sock", workload_path=self.path)


@asynccontextmanager
async def node() -> AsyncIterator[Node]:
    with tempfile.TemporaryDirectory(prefix="ist-") as folder:
        made = Node(Path(folder))
        running = asyncio.create_task(made.agent.run())
        try:
            await until(lambda: running.done() or (made.path.exists() and made.agent._keeper.certificates))
            yield made
        finally:
            running.cancel()
            await asyncio.wait([running])


class Sidecar:
    """The running Envoy of `identity`; `port` is where `shop/web` is dialled."""

    def __init__(self, log: Path, admin: int) -> None:
        self._log = log
        self._admin = admin

    async def stat(self, name: str) -> int:
        url = f"http://127.0.0.1:{self._admin}/stats?format=json&filter={name}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            found = json.loads(await answer.text())["stats"]
        return sum(one["value"] for one in found if "name" in one)

    async def answers(self, port: int, body: str) -> None:
        """Wait until `shop/web` is answered so."""
        said: object = None
        try:
            async with asyncio.timeout(15):
                while said != body:
                    try:
                        said = (await ask(port))[2]
                    except OSError as error:
                        said = error
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{said!r} is not {body!r}: {self.log()}") from None

    async def get(self, port: int) -> str:
        """What `shop/web` answers now, on a new connection."""
        return (await ask(port))[2]

    async def said(self, words: str) -> None:
        """Wait until Envoy's log says this."""
        await self.until(lambda: words in self.log())

    async def until(self, condition: Callable[[], object]) -> None:
        try:
            await until(condition)
        except TimeoutError:
            raise AssertionError(self.log()) from None

    def log(self) -> str:
        return self._log.read_text()[-4_000:]


@asynccontextmanager
async def sidecar(
    workload: Path, port: int, variant: str = "DELTA_GRPC", identity: SpiffeId = CLIENT
) -> AsyncIterator[Sidecar]:
    """Start Envoy as a sidecar by its bootstrap, with the central port at 127.0.0.1."""
    admin = free_port()
    wanted = Wanted(identity=identity, xds=("127.0.0.1", port), workload=str(workload), admin=admin)
    config: dict[str, Any] = sidecar_bootstrap(wanted)
    config["dynamic_resources"]["ads_config"]["api_type"] = variant
    with tempfile.TemporaryDirectory(prefix="ist-") as name:
        folder = Path(name)
        (folder / "envoy.json").write_text(json.dumps(config))
        arguments = ["-c", str(folder / "envoy.json"), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
        with (folder / "log").open("w") as log:
            process = await asyncio.create_subprocess_exec(find_envoy(), *arguments, stdout=log, stderr=log)
        try:
            yield Sidecar(folder / "log", admin)
        finally:
            process.kill()
            await process.wait()
