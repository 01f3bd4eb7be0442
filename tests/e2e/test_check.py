"""`isthmus check` at a member whose controller and DNS server run, behind a resolver that forwards."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.agent_folder import make_folder
from tests.worlds.dns_server import running as dns_running
from tests.worlds.forwarder import Forwarder, forwarding
from tests.worlds.headless import headless, part, pod
from tests.worlds.public_cli import ISTHMUS, Site, running
from tests.worlds.two_members import real


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(tmp_path_factory.mktemp("site")) as found:
        yield found


def check(site: Site, resolver: int) -> tuple[int, list[dict[str, str]]]:
    where = ("--resolver", f"127.0.0.1:{resolver}", "--state", str(site.folder("us-east").path))
    done = subprocess.run([ISTHMUS, "check", *where, "--output", "json"], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_the_whole_way_is_good_until_a_part_of_it_is_not(site: Site, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "d", real("us-east"), "dns", headless(part("us-east", pod("10.1.0.1"))), [])
    forwarder = Forwarder()
    with forwarding(forwarder) as resolver:
        with dns_running(folder) as ports:
            status, rows = check(site, resolver)
            assert (status, rows[0]["status"]) == (1, "problem"), "nothing is forwarded yet"
            assert "answers dns-version.clusterset.local with NXDOMAIN: it does not ask our" in rows[0]["text"]
            forwarder.upstream = ports[0]
            status, rows = check(site, resolver)
            assert [row["status"] for row in rows] == ["ok", "ok", "skipped"]
            assert status == 0
            assert rows[0]["text"] == f'127.0.0.1:{resolver} answers dns-version.clusterset.local with "1.0.0"'
            assert rows[1]["text"].endswith("api.sock: member us-east answers and has no problems")
            site.kill("us-east-controller")
            status, rows = check(site, resolver)
            assert [row["status"] for row in rows] == ["ok", "problem", "skipped"], "DNS serves on without a controller"
            assert status == 1
        status, rows = check(site, resolver)
    assert rows[0]["text"].startswith(
        f"127.0.0.1:{resolver} answers dns-version.clusterset.local with SERVFAIL: our DNS"
    )
