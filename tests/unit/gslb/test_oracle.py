"""Random zones in NSD and in ours: the same question to both, and no other code, flag, answer or authority."""

import itertools
import os
import random
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from gslb.library import Responder
from gslb.master import load_zone

from federation.model.errors import InputError
from tests.netns.spaces import await_true
from tests.worlds.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
PEERS = ROOT / "build/peers"
NSD = PEERS / "usr/sbin/nsd"
LIBRARIES = ":".join(str(PEERS / part) for part in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
LABELS = ("a", "b", "*")
OWNERS = [".".join(labels) for depth in (1, 2, 3) for labels in itertools.product(LABELS, repeat=depth)]
ASKED = [*OWNERS, "", "a.a.a.a", "a.b.a.b", "c", "c.a", "a.c", "c.b.a", "*.c", "b.c.a"]
KINDS = ("A", "NS", "CNAME", "DNAME", "TXT", "DS")
ZONES = 40
ENDLESS = 12
"""Records of a chain that has no end, such as that of a DNAME to below itself: nobody says how long it is told."""


def zones(seed: int) -> dict[str, str]:
    """So many zones that are good, of a few records each, by apex."""
    rng = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < ZONES:
        apex = f"z{len(found)}.test"
        head = f"$ORIGIN {apex}.\n$TTL 300\n@ SOA ns.other.net. h 1 2 3 4 60\n@ NS ns.other.net.\n"
        text = head + "".join(record(rng) for _ in range(rng.randint(1, 6)))
        with suppress(InputError):
            load_zone(text, "z")
            found[apex] = text
    return found


def record(rng: random.Random) -> str:
    """One record, anywhere in a zone."""
    owner = rng.choice(OWNERS) if rng.random() < 0.95 else "@"
    kind = rng.choice(("A", "A", "TXT", "NS", "CNAME", "DNAME", "CNAME"))
    if owner.startswith("*") and kind in ("NS", "DNAME"):
        return ""
    data = {"A": f"192.0.2.{rng.randint(1, 4)}", "TXT": '"t"'}.get(kind) or rng.choice([*OWNERS, "ns.other.net.", "@"])
    return f"{owner} {kind} {data}\n"


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return zones(1)


@pytest.fixture(scope="module")
def nsd(texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    subprocess.run([str(ROOT / "scripts/peers")], check=True, timeout=300)
    surroundings = {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}
    linked = NSD.exists() and subprocess.run(["ldd", str(NSD)], env=surroundings, capture_output=True, text=True).stdout
    if not linked or "not found" in linked:
        pytest.skip("NSD, or a library of it, cannot be had here")
    folder, port = tmp_path_factory.mktemp("nsd"), free_port()
    for apex, text in texts.items():
        (folder / apex).write_text(text)
    (folder / "conf").write_text(
        f'server:\n ip-address: 127.0.0.1@{port}\n username: ""\n zonesdir: {folder}\n database: ""\n pidfile: ""\n'
        f' xfrdfile: ""\n xfrdir: {folder}\n zonelistfile: "{folder}/list"\n minimal-responses: yes\n rrl-ratelimit: 0\n'
        "remote-control:\n control-enable: no\n"
        + "".join(f"zone:\n name: {apex}\n zonefile: {apex}\n" for apex in texts)
    )
    with (folder / "log").open("wb") as log:
        command = [str(NSD), "-d", "-c", str(folder / "conf")]
        started = subprocess.Popen(command, stderr=log, stdout=log, env=surroundings)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.connect(("127.0.0.1", port))
            query = dns.message.make_query("z0.test", "SOA")

            def up() -> bool:
                with suppress(OSError, dns.exception.DNSException):
                    return bool(dns.query.udp(query, "127.0.0.1", port=port, timeout=1).answer)
                return False

            await_true(f"NSD answers: {(folder / 'log').read_text()}", up)
            yield asking
    finally:
        started.terminate()
        started.wait(10)


def rows(section: Iterable[dns.rrset.RRset]) -> list[str]:
    """Without TTLs and case."""
    return sorted(f"{one.name} {dns.rdatatype.to_text(one.rdtype)} {item}".lower() for one in section for item in one)


def said(response: dns.message.Message) -> tuple[str, bool, list[str], list[str]]:
    code, flags = dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AA)
    return code, flags, rows(response.answer), rows(response.authority)


def alike(ours: dns.message.Message, theirs: dns.message.Message) -> bool:
    """Of a chain without an end the code and flag."""
    one, other = said(ours), said(theirs)
    return one[:2] == other[:2] if len(one[2]) > ENDLESS else one == other


def test_nsd_says_the_same(nsd: socket.socket, texts: dict[str, str]) -> None:
    ours = Responder(texts)
    for apex, text in texts.items():
        for label, kind in itertools.product(ASKED, KINDS):
            query = dns.message.make_query(f"{label}.{apex}".lstrip("."), kind, use_edns=0, payload=4_096).to_wire()
            nsd.send(query)
            theirs = dns.message.from_wire(nsd.recv(65_535))
            answer = ours.respond(query, "127.0.0.1", "tcp")
            assert answer is not None
            assert alike(dns.message.from_wire(answer), theirs), (text, label, kind, said(theirs))
