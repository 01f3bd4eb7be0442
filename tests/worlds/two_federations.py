"""Two federations of one member each, founded and run by the public command line on loopback, and their node agents.

The agents are the real program over a kernel in memory: the Workload API needs no more.
"""

import asyncio
import contextlib
import http.client
import json
import os
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from spiffe import WorkloadApiClient

from federation.link.feed import Feed
from gateways.daemon import Agent
from gateways.kernel.memory import Twin
from gateways.state import Situation
from tests.netns.spaces import await_true
from tests.worlds.bundle_server import WebPair, web_pair
from tests.worlds.ports import free_port
from tests.worlds.public_cli import Site


class Lone(Site):
    """A federation with one member, `m1`."""

    def __init__(self, path: Path, domain: str, profile: str) -> None:
        super().__init__(path)
        self.domain = domain
        self.profile = profile
        self.bundles = f"127.0.0.1:{free_port()}"
        self.web: WebPair = web_pair()

    @property
    def trust_domain(self) -> str:
        return f"m1.{self.domain}"

    @property
    def state(self) -> str:
        return str(self.folder("m1").path)

    def found(self) -> None:
        """init, and enrol a node with this process's user as `shop/client`."""
        place = ("--name", "m1", "--region", "r1", "--az", "a", "--reachable", "10.1.0.0/16")
        ranges = ("--clusterset", "10.101.0.0/16", "--sync", self.listen)
        self.cli("init", "--state", self.state, "--domain", self.domain, *place, *ranges)
        (self.path / "web.pem").write_text(self.web.certificate)
        (self.path / "web.key").write_text(self.web.key)
        (self.path / "manifests").mkdir()
        self.start()
        me = ("--workload-uid", f"shop/client={os.geteuid()}")
        node = ("--name", "n1", "--role", "node", "--controller", self.listen, "--out", str(self.path / "node"))
        self.cli("enroll", "--state", self.state, *node, *me)

    def start(self) -> None:
        """Start the signer and the controller."""
        folder = self.folder("m1")
        self.launch("signer", "signer", "--state", self.state)
        await_true("the signer's socket", folder.signer.exists)
        files = ("--bundle-cert", str(self.path / "web.pem"), "--bundle-key", str(self.path / "web.key"))
        serve = ("--bundle-listen", self.bundles, "--bundle-profile", self.profile)
        where = ("--listen", self.listen, "--manifests", str(self.path / "manifests"))
        shown = files if self.profile == "https_web" else ()
        self.launch("controller", "controller", "--state", self.state, *where, *serve, *shown)
        await_true("the controller's socket", folder.api.exists)
        await_true("the cluster is known", lambda: self.status("m1")["cluster"]["certainty"] == "fresh")
        await_true("the bundle is served", self.document)

    def document(self) -> bytes:
        """The bundle that is served now; empty when there is none yet."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        shown = self.path / "web.pem" if self.profile == "https_web" else self.folder("m1").anchor
        context.load_verify_locations(cadata=shown.read_text())
        connection = http.client.HTTPSConnection(self.bundles, timeout=10, context=context)
        with contextlib.closing(connection):
            connection.request("GET", "/bundle.json")
            with connection.getresponse() as response:
                return response.read() if response.status == 200 else b""

    def trust(self, other: "Lone", *options: str) -> None:
        """Poll the other's bundle."""
        url = ("--url", f"https://{other.bundles}/bundle.json", "--profile", other.profile)
        self.cli("trust", "domain", "add", "--state", self.state, other.trust_domain, *url, *options)

    def domains(self) -> list[dict[str, object]]:
        """`isthmus trust domain list`."""
        return [json.loads(line) for line in self.cli("trust", "domain", "list", "--state", self.state).splitlines()]

    @contextlib.asynccontextmanager
    async def workloads(self) -> AsyncIterator[WorkloadApiClient]:
        """A client of the Workload API of the enrolled node."""
        with tempfile.TemporaryDirectory(prefix="ist-") as short:
            socket = Path(short) / "workload.sock"
            situation = Situation(node="n1", role="node", member="m1", domain=self.domain, address="127.0.0.1")
            feed = Feed.open(self.path / "node")
            agent = Agent(feed, situation, Twin().kernel, Path(short) / "xds.sock", workload_path=socket)
            task = asyncio.create_task(agent.run())
            try:
                async with asyncio.timeout(20):
                    while not socket.exists():  # noqa: ASYNC110 - what is awaited is a state
                        await asyncio.sleep(0.01)
                with WorkloadApiClient(f"unix://{socket}", default_timeout=20) as client:
                    yield client
            finally:
                task.cancel()
                await asyncio.wait([task])
