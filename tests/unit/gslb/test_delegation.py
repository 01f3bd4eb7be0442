"""What to put at the parent, and whether it is there: against real servers on loopback."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gslb.delegation import Asked, Delegation, at_parent, at_server
from gslb.zone import NS, A

from tests.netns.spaces import await_true
from tests.worlds.agent_folder import make_folder
from tests.worlds.command_line import said
from tests.worlds.dns_server import running
from tests.worlds.public_cli import ISTHMUS
from tests.worlds.public_names import ZONE, handout, place
from tests.worlds.two_members import real

SOA = "@ SOA ns hostmaster 1 2 3 4 60\n"
CHILD = f"$ORIGIN {ZONE}.\n$TTL 300\n{SOA}@ NS ns\nns A 127.0.0.1\n"
PARENT = f"$ORIGIN test.\n$TTL 300\n{SOA}@ NS ns\nns A 127.0.0.1\n"
OURS = Delegation("z.test", (("z.test", NS, 300, "ns.z.test."), ("ns.z.test", A, 300, "192.0.2.1")))
HERE = Asked("parent 192.0.2.9", frozenset({"ns.z.test"}), {"ns.z.test": frozenset({"192.0.2.1"})})

WRONG = {
    "nothing": (HERE, []),
    "no answer": (Asked("parent p", fault="no answer"), ["parent p: no answer"]),
    "another server": (
        Asked("parent p", frozenset({"ns.old.test"})),
        ["parent p: names no server ns.z.test", "parent p: names ns.old.test, which is no server of the zone"],
    ),
    "no glue": (Asked("parent p", frozenset({"ns.z.test"})), ["parent p: no glue 192.0.2.1 for ns.z.test"]),
    "old glue": (
        Asked("parent p", frozenset({"ns.z.test"}), {"ns.z.test": frozenset({"192.0.2.1", "192.0.2.7"})}),
        ["parent p: glue 192.0.2.7 for ns.z.test, which is no address of it"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_at_the_parent(case: str) -> None:
    asked, told = WRONG[case]
    assert at_parent(OURS, asked) == told


def test_what_is_wrong_at_a_server_of_the_zone() -> None:
    assert at_server(OURS, Asked("ns", frozenset({"ns.z.test"}))) == []
    assert at_server(OURS, Asked("ns", fault="is not authoritative for the zone")) == [
        "ns: is not authoritative for the zone"
    ]


def test_the_zone_of_the_handout_is_what_every_member_serves(tmp_path: Path) -> None:
    values = handout("us-east")
    values["place/eu-central"] = place("eu-central", zones=())
    folder = make_folder(tmp_path / "d", real("us-east"), "dns", values, [])
    with running(folder):
        assert said("dns", "delegation", f"{ZONE}.", "--state", str(folder)) == (
            0,
            f"{ZONE}. 3600 IN NS ns-us-east.{ZONE}.\n{ZONE}. 3600 IN NS ns-us-west.{ZONE}.\n"
            f"ns-us-east.{ZONE}. 3600 IN A 192.0.2.1\nns-us-east.{ZONE}. 3600 IN AAAA 2001:db8:53::1\n"
            f"ns-us-west.{ZONE}. 3600 IN A 192.0.2.2\nns-us-west.{ZONE}. 3600 IN AAAA 2001:db8:53::2\n",
            "",
        )
        assert said("dns", "delegation", "else.test", "--state", str(folder)) == (
            2,
            "",
            f'isthmus: E104 zone "else.test": this server has no such zone; it has clusterset.local, {ZONE}\n',
        )


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Path, int, int]]:
    """A child's server and its parent's, which does not delegate yet: the child's file, and both ports."""
    for name, text in (("child", CHILD), ("parent", PARENT)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "zone").write_text(text)
    child, parent = tmp_path / "child", tmp_path / "parent"
    with (
        running(child, "--zone-file", str(child / "zone"), alone=True) as own,
        running(parent, "--zone-file", str(parent / "zone"), alone=True) as above,
    ):
        yield tmp_path, own[0], above[0]


def checked(folder: Path, own: int, above: int) -> tuple[int, list[str]]:
    command = [ISTHMUS, "dns", "delegation", ZONE, "--zone-file", str(folder / "child" / "zone"), "--check"]
    done = subprocess.run(
        [*command, "--parent", f"127.0.0.1:{above}", "--port", str(own)], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.returncode, [line for line in done.stdout.splitlines() if line.startswith(";")]


def test_a_delegation_is_checked_at_the_parent_and_at_every_server(servers: tuple[Path, int, int]) -> None:
    folder, own, above = servers
    text = f"; parent 127.0.0.1:{above}: answers NXDOMAIN"
    assert checked(folder, own, above) == (1, [text])
    zone = folder / "parent" / "zone"
    zone.write_text(PARENT + "example NS ns.example\nexample NS old.example\nns.example A 127.0.0.1\n")
    wrong = f"; parent 127.0.0.1:{above}: names old.{ZONE}, which is no server of the zone"
    await_true("the parent says more than is there", lambda: checked(folder, own, above) == (1, [wrong]))
    zone.write_text(PARENT + "example NS ns.example\nns.example A 127.0.0.1\n")
    good = "; the parent and every server of the zone say so"
    await_true("the parent is right", lambda: checked(folder, own, above) == (0, [good]))


MISTAKES = {
    "nobody to ask": ((), "give one of --state DIR and --zone-file FILE"),
    "a parent that is not asked": (("--zone-file", "z", "--parent", "192.0.2.1:53"), "--parent is for --check"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(case: str) -> None:
    words, told = MISTAKES[case]
    assert said("dns", "delegation", ZONE, *words) == (
        2,
        "",
        f"isthmus: {told} See `isthmus dns delegation --help`.\n",
    )
