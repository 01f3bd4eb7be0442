"""DNS servers for `dns_speed.py`: ours, gdnsd and Knot with like data on loopback, each on one core."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
from msgspec import structs

from federation.model.policy import Policy, Probe
from federation.model.routing import Match, Routing, Subnets
from tests.bench import dns_geo
from tests.worlds.agent_folder import make_folder
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS
from tests.worlds.public_names import ZONE, handout, steered, target
from tests.worlds.two_members import real

PEERS = Path(__file__).resolve().parents[2] / "build" / "peers"
LIBRARIES = ":".join(str(PEERS / part) for part in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
HOSTS = 1_000
NETS = {"10.0.0.0/8": "us-east", "172.16.0.0/12": "us-west", "192.168.0.0/16": "eu-central"}
SERVER_CORE, CLIENT_CORE = "0", "1"
READY_SECONDS = 20.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers: its process and its port."""

    pid: int
    port: int

    def spent(self) -> float:
        """Seconds of processor time so far, the system's for it included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def static_zone(apex: str = "static.test") -> str:
    """A zone of so many hosts, a wildcard nowhere."""
    head = f"$ORIGIN {apex}.\n$TTL 300\n@ SOA ns hostmaster 1 7200 1800 86400 60\n@ NS ns\nns A 192.0.2.53\n"
    return head + "".join(f"host{n} A 192.0.2.{n % 250 + 1}\n" for n in range(HOSTS))


@contextmanager
def ours(*options: str) -> Iterator[Serving]:
    """Our server: the static zone from a file, steered, weighted and subnet names from a handout."""
    quiet = Policy(probe=Probe(port=1, interval_ms=60_000, timeout_ms=10))
    half = Policy(weights={"us-east": 1, "us-west": 1, "eu-central": 2}, probe=quiet.probe)
    members = [target(one) for one in ("us-east", "us-west", "eu-central")]
    tree = Routing("nets", {"nets": Subnets(rules=tuple(Match((n,), (m,)) for n, m in NETS.items()), otherwise=("*",))})
    names = [
        steered(f"steered.{ZONE}", *members, policy=quiet),
        steered(f"weighted.{ZONE}", *members, policy=half, steering="weighted"),
    ]
    for host, routing in ((f"geo.{ZONE}", tree), (dns_geo.HOST, dns_geo.tree())):
        item = steered(host, *members, policy=quiet)
        names.append(structs.replace(item, name=structs.replace(item.name, routing=routing)))
    with tempfile.TemporaryDirectory() as folder:
        home = make_folder(Path(folder) / "dns", real("us-east"), "dns", handout("us-east", *names), [])
        zone = Path(folder) / "zone"
        zone.write_text(static_zone())
        port = free_port()
        words = ["dns", "serve", "--state", str(home), "--zone-file", str(zone), "--listen", f"127.0.0.1:{port}"]
        with running([ISTHMUS, *words, *options], port, "host1.static.test", {}) as serving:
            yield serving


@contextmanager
def gdnsd(countries: Path) -> Iterator[Serving]:
    """gdnsd with the same static zone, and names by its plugins weighted, multifo and geoip (nets, and this database)."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "zones").mkdir()
        (home / "zones" / "static.test").write_text(static_zone())
        names = "weighted 30 DYNA weighted!w\ngeo 30 DYNA geoip!g\ngeoip 30 DYNA geoip!c\nsteered 30 DYNA multifo!m\n"
        head = static_zone(ZONE).partition("host0")[0]
        (home / "zones" / ZONE).write_text(head + names)
        nets = ", ".join(f"{net} => [ {member} ]" for net, member in NETS.items())
        centers = ", ".join(f"{member} => {address}" for member, address in dns_geo.PUBLIC.items())
        (home / "config").write_text(
            f"""options => {{ listen => 127.0.0.1:{port}, udp_threads => 1, tcp_threads => 1,
  run_dir => {home}, state_dir => {home} }}
service_types => {{ quiet => {{ plugin => static, state => UP }} }}
plugins => {{
  static => {{}},
  weighted => {{ service_types => quiet, w => {{ a => [ 203.0.113.1, 1 ], b => [ 203.0.113.2, 1 ], c => [ 203.0.113.3, 2 ] }} }},
  multifo => {{ service_types => quiet, m => {{ a => 203.0.113.1, b => 203.0.113.2, c => 203.0.113.3 }} }},
  geoip => {{
    maps => {{
      nets => {{ datacenters => [ us-east, us-west, eu-central ], nets => {{ {nets} }} }},
      countries => {{ {dns_geo.gdnsd_map(countries)} }}
    }},
    resources => {{
      g => {{ map => nets, service_types => quiet, dcmap => {{ {centers} }} }},
      c => {{ map => countries, service_types => quiet, dcmap => {{ {centers} }} }}
    }}
  }}
}}
"""
        )
        program = str(PEERS / "usr/sbin/gdnsd")
        with running(
            [program, "-c", str(home), "start"], port, "host1.static.test", {"LD_LIBRARY_PATH": LIBRARIES}
        ) as one:
            yield one


@contextmanager
def knot(countries: Path) -> Iterator[Serving]:
    """Knot with the same static zone, and names by mod-geoip (subnet, and geodb by this database)."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "static.zone").write_text(static_zone())
        (home / "geo.zone").write_text(
            static_zone(ZONE).partition("host0")[0] + "geo 30 A 203.0.113.1\ngeoip 30 A 203.0.113.1\n"
        )
        nets = "".join(f"  - net: {net}\n    A: 203.0.113.{at}\n" for at, net in enumerate(NETS, 1))
        (home / "geo.conf").write_text(f"geo.{ZONE}:\n{nets}")
        (home / "geoip.conf").write_text(dns_geo.knot_names())
        (home / "knot.conf").write_text(
            f"""module:
  - id: mod-geoip
    file: {next(PEERS.glob("usr/lib/x86_64-linux-gnu/knot/*/geoip.so"))}
server:
  rundir: {home}
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  edns-client-subnet: on
database:
  storage: {home}
mod-geoip:
  - id: geo
    config-file: {home}/geo.conf
    ttl: 30
    mode: subnet
  - id: geoip
    config-file: {home}/geoip.conf
    ttl: 30
    mode: geodb
    geodb-file: {countries}
    geodb-key: country/iso_code
zone:
  - domain: static.test
    file: {home}/static.zone
  - domain: {ZONE}
    file: {home}/geo.zone
    module: [ mod-geoip/geo, mod-geoip/geoip ]
"""
        )
        program = str(PEERS / "usr/sbin/knotd")
        with running(
            [program, "-c", str(home / "knot.conf")], port, "host1.static.test", {"LD_LIBRARY_PATH": LIBRARIES}
        ) as one:
            yield one


@contextmanager
def running(
    command: list[str], port: int, name: str, more: Mapping[str, str], seconds: float = READY_SECONDS
) -> Iterator[Serving]:
    """Run this server on one core until it answers for that name, and stop it."""
    pinned = ["taskset", "-c", SERVER_CORE, *command]
    with tempfile.TemporaryFile() as log:
        started = subprocess.Popen(pinned, stdout=log, stderr=log, env={**os.environ, **more})
        try:
            _await_answer(started, port, name, seconds)
            yield Serving(started.pid, port)
        finally:
            started.terminate()
            with suppress(subprocess.TimeoutExpired):
                started.wait(10)
            started.kill()
            started.wait(5)


def _await_answer(started: "subprocess.Popen[bytes]", port: int, name: str, seconds: float) -> None:
    query, end = dns.message.make_query(name, "A"), time.monotonic() + seconds
    while time.monotonic() < end and started.poll() is None:
        with suppress(OSError, dns.exception.DNSException):
            if dns.query.udp(query, "127.0.0.1", port=port, timeout=0.2).answer:
                return
    raise RuntimeError(f"{started.args!r} does not answer")
