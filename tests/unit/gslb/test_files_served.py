"""Zone files beside the federation's names, before any handout, and without a federation; from the real program too."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest
from gslb.client import Client
from gslb.compiler import Compiler
from gslb.locality import parse_lines
from gslb.master import load_zone
from gslb.steer import Steering
from gslb.table import Table
from gslb.wire import respond

from tests.netns.spaces import await_true
from tests.worlds.dns_server import running
from tests.worlds.public_names import SHOP, ZONE, handout, steered, target, v4

TEXT = f"""$ORIGIN {ZONE}.
$TTL 300
@ SOA ns hostmaster 20 7200 1800 86400 60
@ NS ns
@ MX 10 mail
ns A 192.0.2.53
mail A 192.0.2.25
away NS ns.elsewhere.net.
www CNAME shop
"""
OTHER = "$ORIGIN other.test.\n$TTL 300\n@ SOA ns hostmaster 1 2 3 4 60\n@ NS ns\nns A 192.0.2.54\n"
FILES = {one.apex: one for one in (load_zone(TEXT, "z"), load_zone(OTHER, "o"))}
HERE = Client("198.18.1.7")


def merged(*names: str) -> Table:
    made = [steered(name, target("us-east")) for name in names]
    return Compiler(parse_lines("", "map")).compile(handout("us-east", *made), 7, FILES)


def ask(table: Table, name: str, kind: str) -> tuple[str, list[str]]:
    reply = respond(Steering(table, {}), dns.message.make_query(name, kind, use_edns=0).to_wire(), HERE, True, 0)
    assert reply is not None
    found = dns.message.from_wire(reply.data)
    return dns.rcode.to_text(found.rcode()), [str(item) for rrset in found.answer for item in rrset]


def test_a_granted_zone_has_the_names_of_its_file_and_the_federations() -> None:
    table = merged(SHOP)
    assert table.problems == ()
    assert ask(table, SHOP, "A") == ("NOERROR", [v4("us-east")])
    assert ask(table, ZONE, "MX") == ("NOERROR", [f"10 mail.{ZONE}."])
    assert ask(table, ZONE, "NS") == ("NOERROR", [f"ns.{ZONE}."])
    assert ask(table, f"www.{ZONE}", "A") == ("NOERROR", [f"{SHOP}.", v4("us-east")])
    assert ask(table, f"x.{ZONE}", "A") == ("NXDOMAIN", [])
    assert ask(table, "ns.other.test", "A") == ("NOERROR", ["192.0.2.54"])
    assert ask(table, "ns.nobody.test", "A") == ("REFUSED", [])


REFUSED = {
    f"mail.{ZONE}": f"zone {ZONE} has addresses of its own there",
    f"www.{ZONE}": f"zone {ZONE} has addresses of its own there",
    f"x.away.{ZONE}": f"zone {ZONE} leads elsewhere from away.{ZONE}",
}


@pytest.mark.parametrize("host", REFUSED)
def test_a_public_name_does_not_push_a_files_data_aside(host: str) -> None:
    assert merged(host).problems == (f'GlobalName "{host}": {REFUSED[host]}; choose another',)


def test_nobody_has_names_in_a_zone_that_is_in_a_file_alone() -> None:
    table = merged("www.other.test")
    assert ask(table, "www.other.test", "A") == ("NXDOMAIN", [])


def test_before_any_handout_what_is_in_files_is_answered_and_nothing_is_said_not_to_exist() -> None:
    table = Table(FILES, 0, known=False)
    assert ask(table, f"mail.{ZONE}", "A") == ("NOERROR", ["192.0.2.25"])
    assert ask(table, SHOP, "A") == ask(table, "nobody.test", "A") == ("SERVFAIL", [])
    assert ask(table, f"x.away.{ZONE}", "A") == ("NOERROR", [])
    assert ask(table, f"www.{ZONE}", "A") == ("SERVFAIL", [])


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    path = tmp_path / "zone"
    path.write_text(OTHER)
    with running(tmp_path, "--zone-file", str(path), alone=True) as ports:
        yield ports[0], path


def test_without_a_federation_dig_is_answered_and_a_change_of_the_file_is_followed(alone: tuple[int, Path]) -> None:
    port, path = alone

    def dig(*words: str) -> list[str]:
        command = ["dig", "@127.0.0.1", "-p", str(port), "+short", "+tries=3", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()

    assert dig("ns.other.test", "A") == dig("+tcp", "ns.other.test", "A") == ["192.0.2.54"]
    path.write_text(OTHER.replace("192.0.2.54", "192.0.2.55"))
    await_true("the change is served", lambda: dig("ns.other.test", "A") == ["192.0.2.55"])
    path.write_text(OTHER + "x AX 1\n")
    log = path.parent / "log"
    await_true("the mistake is told", lambda: f"E125 {path}:6: unknown rdatatype 'AX'" in log.read_text())
    assert dig("ns.other.test", "A") == ["192.0.2.55"]
    refused = dns.query.udp(dns.message.make_query("x.example.com", "A"), "127.0.0.1", port=port, timeout=10)
    assert refused.rcode() == dns.rcode.REFUSED


def test_a_server_that_is_told_to_stop_does_not_wait_for_who_reads_a_file(alone: tuple[int, Path]) -> None:
    path = alone[1]
    path.write_text(OTHER + "".join(f"h{number} A 192.0.2.1\n" for number in range(20_000)))
    reader = await_true("somebody reads the file", lambda: next(readers(path), None))
    os.kill(reader, signal.SIGSTOP)


def readers(path: Path) -> Iterator[int]:
    """The processes that a server of this file has read files."""
    for child in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            parent = child.with_name("stat").read_text().rpartition(")")[2].split()[1]
            if (
                b"spawn_main" in child.read_bytes()
                and str(path).encode() in Path(f"/proc/{parent}/cmdline").read_bytes()
            ):
                yield int(child.parent.name)
