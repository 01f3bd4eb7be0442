"""clusterset.local from the real program, asked by dig: as a pod's resolver would."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from federation.model.handout import Candidate, Import, Listener
from federation.model.names import MemberName, ServiceKey
from tests.worlds.agent_folder import make_folder
from tests.worlds.dns_server import running
from tests.worlds.headless import NAME, headless, part, pod
from tests.worlds.two_members import real

pytestmark = pytest.mark.skipif(shutil.which("dig") is None, reason="dig is missing: install bind9-dnsutils")

WEB = "web.shop.svc.clusterset.local."
MANY = [f"10.1.2.{n}" for n in range(200)]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    web = Import(
        service=ServiceKey("shop", "web"),
        kind="ClusterSetIP",
        addresses=("10.101.0.5", "fd00:101::5"),
        ports=(Listener(name="http", port=80, protocol="TCP", app_protocol="", listener=1),),
        candidates=(Candidate(member=MemberName("us-west"), region="us-west", cost=1, ready=1, total=1),),
    )
    pods = (pod("10.1.0.1", "db-0"), pod("fd00:1::1", "db-0"), *(pod(address) for address in MANY))
    values = headless(part("us-east", *pods), part("us-west", pod("10.2.0.1", "db-0")))
    folder = make_folder(
        tmp_path_factory.mktemp("d"), real("us-east"), "dns", {**values, f"import/{web.service}": web}, []
    )
    with running(folder) as ports:
        yield ports[0]


def dig(port: int, *arguments: str) -> list[str]:
    command = ["dig", "@127.0.0.1", "-p", str(port), "+short", "+tries=3", *arguments]
    return sorted(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines())


ASKED = {
    "A": ((WEB, "A"), ["10.101.0.5"]),
    "AAAA": ((WEB, "AAAA"), ["fd00:101::5"]),
    "SRV": ((WEB, "SRV"), [f"0 10 80 {WEB}"]),
    "SRV of a port": ((f"_http._tcp.{WEB}", "SRV"), [f"0 10 80 {WEB}"]),
    "headless, more than UDP takes": ((NAME, "A"), sorted(["10.1.0.1", *MANY])),
    "headless, IPv6": ((NAME, "AAAA"), ["fd00:1::1"]),
    "a host of our own": ((f"db-0.us-east.{NAME}", "A"), ["10.1.0.1"]),
    "a host elsewhere": ((f"db-0.us-west.{NAME}", "A"), ["10.2.0.1"]),
    "no member form": ((f"us-west.{NAME}", "A"), []),
    "the version": (("dns-version.clusterset.local.", "TXT"), ['"1.0.0"']),
}


@pytest.mark.parametrize("case", ASKED)
def test_dig_gets(case: str, port: int) -> None:
    arguments, wanted = ASKED[case]
    assert dig(port, *arguments) == wanted


def test_dig_goes_to_tcp_by_itself_when_the_answer_is_truncated(port: int) -> None:
    said = subprocess.run(
        ["dig", "@127.0.0.1", "-p", str(port), "+tries=3", NAME, "A"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "Truncated, retrying in TCP mode" in said
    assert ";; SERVER: 127.0.0.1#" in said and "(TCP)" in said
