"""The real program on a folder whose controllers are all dead: UDP, TCP, explain, metrics, restart."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.netns.spaces import await_true
from tests.worlds.agent_folder import make_folder
from tests.worlds.dns_server import running
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS
from tests.worlds.public_names import PAY, SHOP, handout, v4
from tests.worlds.two_members import MemberKeys, real


@pytest.fixture(scope="module")
def keys() -> MemberKeys:
    return real("us-east")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, keys: MemberKeys) -> Path:
    return make_folder(tmp_path_factory.mktemp("d"), keys, "dns", handout(), [])


def explained(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [ISTHMUS, "dns", "explain", "--state", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[tuple[int, ...]]:
    subnets = folder / "subnets"
    subnets.write_text("127.0.0.0/8 us-west\n")
    with running(folder, "--subnets", str(subnets)) as ports:
        yield ports


def question(*subnet: str) -> dns.message.Message:
    options = [dns.edns.ECSOption(text, 24) for text in subnet]
    return dns.message.make_query(SHOP, "A", use_edns=0, options=[*options])


def test_udp_and_tcp_answer_alike(server: tuple[int, ...]) -> None:
    query = question()
    by_udp = dns.query.udp(query, "127.0.0.1", port=server[0], timeout=10)
    by_tcp = dns.query.tcp(query, "127.0.0.1", port=server[0], timeout=10)
    assert by_udp.answer == by_tcp.answer
    assert by_udp.answer[0][0].to_text() == v4("us-west"), "127.0.0.1 is near us-west by --subnets"


def test_the_second_address_answers_by_its_clients_place(server: tuple[int, ...]) -> None:
    found = dns.query.udp(question(), "::1", port=server[1], timeout=10)
    assert found.answer[0][0].to_text() == v4("us-east")


def test_a_client_subnet_goes_before_the_resolver(server: tuple[int, ...]) -> None:
    found = dns.query.tcp(question("198.18.3.0"), "127.0.0.1", port=server[0], timeout=10)
    assert found.answer[0][0].to_text() == v4("eu-central")
    assert [option.to_text() for option in found.options] == ["ECS 198.18.3.0/24 scope/24"]


def test_explain_says_what_the_server_answers(server: tuple[int, ...], folder: Path) -> None:
    done = explained(folder, PAY, "--from", "198.18.3.7", "--output", "json")
    found = json.loads(done.stdout)
    assert (found["locality"], found["client"]) == ("eu-central", "198.18.3.7")
    assert found["answers"]["A"]["picked"] == "eu-central"
    assert found["answers"]["A"]["shares"] == {"eu-central": 1_000_000}
    assert found["answers"]["A"]["rules"] == [
        "eu-central: 4 of 4 ready, cost 0, room for 100 %",
        "us-west: 4 of 4 ready, cost 140, room for 100 %",
        "eu-central takes 100 % (local first)",
    ]


def test_explain_for_people(server: tuple[int, ...], folder: Path) -> None:
    done = explained(folder, SHOP, "--from", "192.0.2.53", "--ecs", "198.18.2.7/24")
    assert done.stdout.splitlines()[:9] == [
        "shop.example.test for 198.18.2.0 (client subnet), which stands at us-west",
        "steered, revision 1",
        "A:",
        "  us-west: 4 of 4 ready, cost 0, room for 100 %",
        "  us-east: 4 of 4 ready, cost 60, room for 100 %",
        "  eu-central: 4 of 4 ready, cost 140, room for 100 %",
        "  us-west takes 100 % (local first)",
        "  shares: us-west 100 %",
        "  TTL 5 s (nothing moves), scope /24",
    ]


def test_explain_of_a_revision(server: tuple[int, ...], folder: Path) -> None:
    one = explained(folder, SHOP, "--from", "192.0.2.53", "--at", "1")
    assert "steered, revision 1" in one.stdout.splitlines()
    done = explained(folder, SHOP, "--from", "192.0.2.53", "--at", "99")
    text = "isthmus: E104 --at 99: this server holds no such revision; it holds 1\n"
    assert (done.returncode, done.stderr) == (2, text)


def test_explain_of_a_name_that_is_not_served(server: tuple[int, ...], folder: Path) -> None:
    done = explained(folder, "x.example.test", "--from", "198.18.2.7")
    text = f'isthmus: E104 name "x.example.test": no public name of this server; known: {PAY}, {SHOP}\n'
    assert (done.returncode, done.stderr) == (2, text)


def test_metrics_count_responses_by_zone_and_code(server: tuple[int, ...]) -> None:
    query = dns.message.make_query("none.example.test", "A")
    assert dns.query.udp(query, "127.0.0.1", port=server[0], timeout=10).rcode() == dns.rcode.NXDOMAIN
    with urllib.request.urlopen(f"http://127.0.0.1:{server[2]}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    assert 'isthmus_dns_responses_total{rcode="NXDOMAIN",zone="example.test"} 1.0' in lines


def test_a_second_server_on_one_folder_is_refused(server: tuple[int, ...], folder: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    command = [ISTHMUS, "dns", "serve", "--state", str(folder), "--listen", listen]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    text = f"isthmus: E122 {folder}/dns.sock: another DNS server is running on this folder; stop it first\n"
    assert (done.returncode, done.stderr) == (2, text)


def test_without_a_handout_it_says_that_it_is_not_ready(tmp_path: Path, keys: MemberKeys) -> None:
    folder = make_folder(tmp_path / "d", keys, "dns", {}, [])
    for kept in (folder / "lkg").iterdir():
        kept.unlink()
    with running(folder) as ports:
        found = dns.query.udp(question(), "127.0.0.1", port=ports[0], timeout=10)
    assert found.rcode() == dns.rcode.SERVFAIL
    assert [option.to_text() for option in found.options] == ["EDE 14 (Not Ready): no handout yet"]


def test_a_folder_of_another_role_is_refused(tmp_path: Path, keys: MemberKeys) -> None:
    folder = make_folder(tmp_path / "n", keys, "node", {}, [])
    listen = f"127.0.0.1:{free_port()}"
    done = subprocess.run(
        [ISTHMUS, "dns", "serve", "--state", str(folder), "--listen", listen],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (2, f"isthmus: E125 {folder}: enrolled as node, which is no DNS server\n")


def told(folder: Path, *arguments: str) -> tuple[int, str, str]:
    command = [ISTHMUS, "dns", *arguments, "--state", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_a_drain_on_its_own_socket_is_answered_at_once_and_outlives_a_restart(tmp_path: Path, keys: MemberKeys) -> None:
    folder = make_folder(tmp_path / "d", keys, "dns", handout(), [])
    subnets = folder / "subnets"
    subnets.write_text("127.0.0.0/8 us-west\n")

    def given(port: int) -> str:
        return str(dns.query.udp(question(), "127.0.0.1", port=port, timeout=10).answer[0][0])

    with running(folder, "--subnets", str(subnets)) as ports:
        assert given(ports[0]) == v4("us-west")
        status, out, _ = told(folder, "drain", "us-west", "--reason", "no controller")
        assert status == 0 and out.startswith("us-west is drained here since ")
        await_true("us-west is left", lambda: given(ports[0]) != v4("us-west"))
        assert told(folder, "drain", "mars")[2].startswith(
            'isthmus: E104 member "mars": is not in the handout; known: '
        )
    with running(folder, "--subnets", str(subnets)) as ports:
        assert given(ports[0]) != v4("us-west")
        assert told(folder, "undrain", "us-west") == (0, "nobody is drained here\n", "")
        assert told(folder, "undrain", "us-west")[2] == (
            'isthmus: E102 member "us-west" is not drained here: nothing to undrain\n'
        )
        assert given(ports[0]) != v4("us-west"), "it comes back by the ramp"
