"""Two members in a namespace each, joined by a veth: real agents and real Envoys, every controller dead."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from msgspec import Struct

from federation.model.handout import Workload
from federation.model.record import Endpoint
from tests.netns.spaces import Programs, Space, await_true, fetch, join
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import (
    MemberKeys,
    candidate,
    keyed,
    peer,
    real,
    site,
    web_import,
    web_offer,
    web_pool,
)

EAST_UNDERLAY, WEST_UNDERLAY = "10.99.0.1", "10.99.0.2"
PORT = 51820
AGENT, CLIENT, STRANGER = "10.1.0.1", "10.1.0.10", "10.1.0.11"
POD = "10.2.0.10"
POD_SCRIPT = str(Path(__file__).with_name("pod.py"))
URL = "http://10.96.0.1/hello"


class GatewaysWorld:
    """`us-east` (east) has the client, `eu-central` (west) has the pod."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ist-"))
        self.east, self.west = Space("e"), Space("w")
        self.programs = Programs(self.root)
        self.us, self.eu = real("us-east"), real("eu-central")
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        self.metrics = {"eg": "127.0.0.1:19101", "en": "127.0.0.1:19102", "wg": "127.0.0.1:19103"}

    def build(self) -> None:
        join(self.east, f"{EAST_UNDERLAY}/24", self.west, f"{WEST_UNDERLAY}/24")
        for space, addresses in (
            (self.east, (AGENT, CLIENT, STRANGER)),
            (self.west, ("10.2.0.1", POD)),
        ):
            for address in addresses:
                space.ip("address", "add", f"{address}/32", "dev", "lo")
        self.east.ip("route", "add", "10.96.0.0/16", "via", WEST_UNDERLAY)
        self.folders()

    def east_node(self, **overrides: str) -> dict[str, Struct]:
        """The handout of the node in the east."""
        client = Workload("default", "client", (CLIENT,))
        web = web_import(candidate(self.eu, 1, 1, cost=90), **overrides)  # type: ignore[arg-type]
        return keyed(site(self.us), peer(self.eu, f"{WEST_UNDERLAY}:{PORT}"), web, client)

    def west_gateway(self, other: MemberKeys | None = None) -> dict[str, Struct]:
        """The handout of the gateway in the west."""
        return keyed(
            site(self.eu),
            peer(other or self.us, f"{EAST_UNDERLAY}:{PORT}"),
            web_offer(),
            web_pool(Endpoint(POD)),
        )

    def folders(self) -> None:
        us, eu = self.us, self.eu
        gateway = us.identity("isthmus", "gateway")
        tunnel = keyed(site(us), peer(eu, f"{WEST_UNDERLAY}:{PORT}"))
        make_folder(self.root / "eg", us, "gateway", tunnel, [gateway])
        make_folder(self.root / "en", us, "node", self.east_node(), [us.identity("default", "client")])
        make_folder(self.root / "wg", eu, "gateway", self.west_gateway(), [eu.identity("isthmus", "gateway")])

    def agent(self, name: str) -> None:
        """Start the agent of a folder: eg, en or wg."""
        space = self.east if name.startswith("e") else self.west
        address = AGENT if name.startswith("e") else "10.2.0.1"
        underlay = f"{EAST_UNDERLAY if name.startswith('e') else WEST_UNDERLAY}:{PORT}"
        extra = ["--metrics", self.metrics[name], *(["--underlay", underlay] if name.endswith("g") else [])]
        self.started[name] = self.programs.isthmus(
            space, name, "agent", "run", "--state", str(self.root / name), "--address", address, *extra
        )

    def envoy(self, name: str) -> None:
        """Start the Envoy of a folder."""
        space = self.east if name.startswith("e") else self.west
        self.started[f"{name}-envoy"] = self.programs.isthmus(
            space, f"{name}-envoy", "agent", "envoy", "--state", str(self.root / name)
        )

    def start(self, pod: tuple[str, ...] = ("python3", POD_SCRIPT, "pod-1", POD, "8080")) -> None:
        self.programs.start(self.west, "pod", *pod)
        for name in ("eg", "en", "wg"):
            self.agent(name)
        for name in ("en", "wg"):
            self.envoy(name)

    def wait_until_serving(self) -> dict[str, str]:
        """The first good answer through the whole path."""

        def good() -> dict[str, str] | None:
            status, body = fetch(self.east, URL, CLIENT, 2)
            return body if status == 200 else None

        return await_true("an answer through both Envoys", good, 30)

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text()

    def remove(self) -> None:
        self.programs.stop_all()
        self.east.remove()
        self.west.remove()
        shutil.rmtree(self.root, ignore_errors=True)
