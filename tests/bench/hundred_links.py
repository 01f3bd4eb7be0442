"""A gateway's real agent with links to so many other members, each with a WireGuard device of its own: at rest."""

import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from federation.link.possession import wireguard_key
from federation.model.handout import Peer, PeerGateway
from federation.model.names import MemberName
from gateways.kernel.routes import LinuxRoutes
from gateways.kernel.wg import LinuxWireGuard
from gateways.render import routes, wireguard
from gateways.render.routes import MTU, Link
from gateways.state import Way
from tests.bench.resident import megabytes
from tests.bench.row import Row, median_row
from tests.netns.spaces import Programs, Space, await_true, join
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import DOMAIN, keyed, real, site

LINKS = 100
NAMES = ("links-100-cpu", "links-100-memory")
TARGETS = {"links-100-cpu": 4.0, "links-100-memory": 100.0}
HERE, FAR, PORT = "10.97.0.1", "10.97.0.2", 51820
WINDOWS, SECONDS, SETTLE = 5, 12.0, 20.0
TICKS = os.sysconf("SC_CLK_TCK")


def measure(names: tuple[str, ...]) -> list[Row]:
    """One run for both rows."""
    cpu: list[float] = []
    with linked() as pid:
        time.sleep(SETTLE)
        for _ in range(WINDOWS):
            before, began = spent(pid), time.monotonic()
            time.sleep(SECONDS)
            cpu.append(100 * (spent(pid) - before) / (time.monotonic() - began))
        memory = [megabytes(pid)]
    note = f"the agent of a gateway with {LINKS} links that are up, at rest"
    made = {
        "links-100-cpu": median_row("links-100-cpu", "% core", cpu, WINDOWS, note, TARGETS["links-100-cpu"]),
        "links-100-memory": median_row("links-100-memory", "MB", memory, 1, note, TARGETS["links-100-memory"]),
    }
    return [made[name] for name in names]


def spent(pid: int) -> float:
    """Seconds of processor time of this process and of those that it waited for (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return math.fsum(int(one) for one in fields[11:15]) / TICKS


@contextmanager
def linked() -> Iterator[int]:
    """The process id of the agent, with every link up."""
    root = Path(tempfile.mkdtemp(prefix="ist-"))
    hub, far = Space("hub"), Space("far")
    programs = Programs(root)
    try:
        join(hub, f"{HERE}/24", far, f"{FAR}/24")
        us = real("us-east")
        values = keyed(site(us), *(peer(number) for number in range(2, LINKS + 2)))
        make_folder(root / "gw", us, "gateway", values, [us.identity("isthmus", "gateway")])
        for number in range(2, LINKS + 2):
            other_end(far, number, us.public_key)
        run = ("agent", "run", "--state", str(root / "gw"), "--address", HERE, "--underlay", f"{HERE}:{PORT}")
        agent = programs.isthmus(hub, "agent", *run)
        await_true("every link is up", lambda: sessions(hub) == LINKS, 90)
        yield agent.pid
    finally:
        programs.stop_all()
        hub.remove()
        far.remove()
        shutil.rmtree(root, ignore_errors=True)


def sessions(hub: Space) -> int:
    """Peers that shook hands; userspace devices are seen from everywhere, so it must be this namespace's."""
    names = [link["ifname"] for link in json.loads(hub.ip("-j", "link", "show"))]
    device = next((name for name in names if name.startswith("ist")), "")
    lines = hub.run("wg", "show", device, "latest-handshakes", check=False).splitlines() if device else []
    return sum(not line.endswith("\t0") for line in lines)


def peer(number: int) -> Peer:
    """Member number `number`, with one gateway at the far end."""
    gateway = PeerGateway(
        id=1,
        key=wireguard_key(seed(number), f"m{number}", "gw").public,
        endpoint=f"{FAR}:{PORT + number}",
        overlay=f"fd49:7374:0:{number:x}::1",
        port=15443,
    )
    return Peer(
        member=MemberName(f"m{number}"),
        number=number,
        region="eu",
        trust_domain=f"m{number}.{DOMAIN}",
        anchor=f"-----anchor of m{number}-----\n",
        overlay=f"fd49:7374:0:{number:x}::/64",
        gateways=(gateway,),
    )


def seed(number: int) -> bytes:
    return sha256(f"links {number}".encode()).digest()


def other_end(far: Space, number: int, hub_key: bytes) -> None:
    """The device of this member, and a table of its own for what its address answers."""
    device = f"ist{sha256(f'{far.name}{number}'.encode()).hexdigest()[:6]}0"
    hub = wireguard.Peer(key=hub_key, endpoint=f"{HERE}:{PORT}", allowed=("fd49:7374:0:1::/64",))
    private = wireguard_key(seed(number), f"m{number}", "gw").private
    wanted = wireguard.Device(name=device, private_key=private, port=PORT + number, peers=(hub,))
    address = f"fd49:7374:0:{number:x}::1"
    link = Link(
        device=device,
        mtu=MTU,
        up=True,
        addresses=(f"{address}/128",),
        routes=(Way("fd49:7374:0:1::/64", table=number),),
    )
    with far.entered():
        LinuxWireGuard().apply(wireguard.changes(wanted, None))
        LinuxRoutes().apply(routes.changes(link, LinuxRoutes().read(device)))
    far.ip("-6", "rule", "add", "from", address, "lookup", str(number))
