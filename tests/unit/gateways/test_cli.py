"""Bad input is one line and an InputError (exit status 2); importing the commands is cheap."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.model.errors import InputError
from federation.model.handout import Role
from gateways import folder
from gateways.binary import find_envoy
from gateways.cli import agent, situation_of
from gateways.machine import check_address, check_udp_port
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import keyed, real, site

US = real("us-east")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "gw", US, "gateway", keyed(site(US)), [])


def failure(*arguments: str) -> str:
    done = CliRunner().invoke(agent, arguments)
    assert isinstance(done.exception, InputError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


def test_a_folder_that_was_not_enrolled(tmp_path: Path) -> None:
    assert "isthmus enroll" in failure("run", "--state", str(tmp_path), "--address", "127.0.0.1")


def test_a_gateway_without_underlay(state: Path) -> None:
    assert "--underlay IP:PORT is missing" in failure("run", "--state", str(state), "--address", "127.0.0.1")


def test_a_node_with_underlay(tmp_path: Path) -> None:
    node = str(make_folder(tmp_path / "n", US, "node", keyed(site(US)), []))
    arguments = ("run", "--state", node, "--address", "127.0.0.1", "--underlay", "192.0.2.1:1")
    assert "is for the role gateway" in failure(*arguments)


def test_a_gateway_with_a_workload_socket(state: Path) -> None:
    arguments = ("--state", str(state), "--address", "127.0.0.1", "--underlay", "192.0.2.1:1", "--workload-socket", "s")
    text = "E122 --workload-socket is for the role node; this folder is enrolled as gateway"
    assert failure("run", *arguments) == text


@pytest.mark.parametrize("address", ["localhost", "10.0.0", ""])
def test_an_address_that_is_none(state: Path, address: str) -> None:
    assert "is not an IP address" in failure("run", "--state", str(state), "--address", address)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--otlp", "collector"), 'E122 --otlp "collector": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535'),
        (("--trace-percent", "5"), "E122 --trace-percent is of the traces that go to --otlp HOST:PORT, which is missing"),
        (("--access-log", "/no/such/log"), "E122 --access-log /no/such/log: there is no folder /no/such; make it, or choose another"),
        (("--access-log", "/"), "E122 --access-log /: is a folder; name a file in it"),
    ],
)  # fmt: skip
def test_telemetry_that_cannot_be(state: Path, options: tuple[str, ...], text: str) -> None:
    arguments = ("--state", str(state), "--address", "127.0.0.1", "--underlay", "192.0.2.1:1", *options)
    assert {failure("run", *arguments), failure("render", *arguments)} == {text}


def test_an_address_of_another_machine() -> None:
    with pytest.raises(InputError, match="give an address of this node"):
        check_address("192.0.2.77")


def test_a_udp_port_in_use() -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        with pytest.raises(InputError, match="choose another port"):
            check_udp_port(taken.getsockname()[1], "ist0000000")


def test_a_dns_server_is_no_node_agent(tmp_path: Path) -> None:
    role: Role = "dns"
    folder_of_dns = str(make_folder(tmp_path / "d", US, role, {}, []))
    assert "which is no node agent" in failure("run", "--state", folder_of_dns, "--address", "127.0.0.1")


def test_two_agents_in_one_folder(state: Path) -> None:
    with folder.lock(state):
        assert "another agent already runs" in failure("clean", "--state", str(state))


def test_a_folder_too_deep_for_a_unix_socket(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 107 bytes"):
        folder.check_socket_path(tmp_path / ("x" * 107) / "xds.sock")


def test_an_envoy_that_is_not_there() -> None:
    with pytest.raises(InputError, match="is not a program"):
        find_envoy("/nowhere/envoy")


def test_render_prints_what_run_would_apply_and_no_private_key(state: Path) -> None:
    done = CliRunner().invoke(
        agent, ["render", "--state", str(state), "--address", "127.0.0.1", "--underlay", "192.0.2.1:51820"]
    )
    assert done.exit_code == 0, done.output
    assert f"ip link add {folder.device_name(state)} type wireguard" in done.output
    assert US.wireguard.hex() not in done.output and "PRIVATE" not in done.output


def test_device_names_differ_by_folder_and_fit(tmp_path: Path) -> None:
    names = {folder.device_name(tmp_path / name) for name in "abc"}
    assert len(names) == 3 and all(len(name) <= 15 for name in names)


def test_the_key_is_made_once(tmp_path: Path) -> None:
    assert folder.wireguard_seed(tmp_path) == folder.wireguard_seed(tmp_path)
    (tmp_path / "wireguard.key").write_bytes(b"short")
    with pytest.raises(InputError, match="holds 5 bytes"):
        folder.wireguard_seed(tmp_path)


def test_the_situation_of_a_gateway(state: Path) -> None:
    from federation.link.enrolled import load_enrolled

    situation = situation_of(state, load_enrolled(state), "127.0.0.1", "192.0.2.1:51820")
    assert (situation.role, situation.listen_port, situation.public_key) == ("gateway", 51820, US.public_key)


def test_importing_the_commands_loads_nothing_of_weight() -> None:
    script = (
        "import sys, gateways.cli\n"
        "print([m for m in ('grpc', 'pyroute2', 'cryptography', 'msgspec', 'envoy', 'asyncio') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"
