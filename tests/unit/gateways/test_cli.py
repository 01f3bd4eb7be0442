"""Bad input is one line and an InputError (exit status 2); importing the commands is cheap."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.model.errors import InputError
from federation.model.handout import Role
from federation.model.spiffe import parse_spiffe, xds_id
from gateways import folder, keys
from gateways.binary import find_envoy
from gateways.cli import agent
from gateways.flags import situation_of
from gateways.machine import check_address, check_forwarding, check_udp_port
from gateways.render.envoy.sidecar import Wanted, sidecar_bootstrap
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


@pytest.mark.parametrize("address", ["localhost", "10.0.0"])
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


@pytest.mark.parametrize(
    ("underlay", "inside", "text"),
    [
        ("192.0.2.1:65529", "", "E122 --underlay: UDP port 65529: a gateway may need 16 ports from it on; choose one up to 65520"),
        ("192.0.2.1:51820", "gw.example:51900", 'E122 --inside "gw.example:51900": gw.example is not an IP address'),
        ("192.0.2.1:51820", "10.1.0.1", 'E122 --inside "10.1.0.1": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535'),
        ("192.0.2.1:51820", "10.1.0.1:51827", "E122 --inside: UDP port 51827: the rails of --underlay use 51820 to 51835, and this takes two; choose another port"),
            ("192.0.2.1:51820", "10.1.0.1:51835", "E122 --inside: UDP port 51835: the rails of --underlay use 51820 to 51835, and this takes two; choose another port"),
            ("192.0.2.1:51820", "10.1.0.1:51819", "E122 --inside: UDP port 51819: the rails of --underlay use 51820 to 51835, and this takes two; choose another port"),
    ],
)  # fmt: skip
def test_ports_that_cannot_be(state: Path, underlay: str, inside: str, text: str) -> None:
    arguments = ("--state", str(state), "--address", "127.0.0.1", "--underlay", underlay, "--inside", inside)
    assert {failure("run", *arguments), failure("render", *arguments)} == {text}


@pytest.mark.parametrize(
    ("further", "text"),
    [
        (("192.0.2.1:51820",), 'E122 --underlay "192.0.2.1:51820": stands there twice; leave one out'),
        (("gw.example:51820",), 'E122 --underlay "gw.example:51820": is not an IP address; peers would refuse it'),
        (("127.0.0.1:51820",), 'E122 --underlay "127.0.0.1:51820": lies in 127.0.0.0/8, which is never an endpoint; peers would refuse it'),
        (("10.0.0.1",), 'E122 --underlay "10.0.0.1": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535'),
        (("10.0.0.1:65529",), "E122 --underlay: UDP port 65529: a gateway may need 16 ports from it on; choose one up to 65520"),
        (("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"), "E118 --underlay: given 5 times, at most 4 are tried; leave some out"),
    ],
)  # fmt: skip
def test_further_endpoints_that_cannot_be(state: Path, further: tuple[str, ...], text: str) -> None:
    options = [word for one in ("192.0.2.1:51820", *further) for word in ("--underlay", one)]
    arguments = ("--state", str(state), "--address", "127.0.0.1", *options)
    assert {failure("run", *arguments), failure("render", *arguments)} == {text}


def test_a_node_carries_for_nobody(tmp_path: Path) -> None:
    node = str(make_folder(tmp_path / "n", US, "node", {}, []))
    said = failure("run", "--state", node, "--address", "127.0.0.1", "--relay")
    assert said == "E122 --relay is for the role gateway; this folder is enrolled as node"


def test_a_node_has_no_inside(tmp_path: Path) -> None:
    node = str(make_folder(tmp_path / "n", US, "node", {}, []))
    said = failure("run", "--state", node, "--address", "127.0.0.1", "--inside", "10.1.0.1:51900")
    assert said == "E122 --inside is for the role gateway; this folder is enrolled as node"


def test_a_machine_that_does_not_forward_takes_no_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (switch := tmp_path / "forwarding").write_text("0\n")
    monkeypatch.setattr("gateways.machine.FORWARDING", switch)
    with pytest.raises(InputError) as caught:
        check_forwarding()
    assert str(caught.value) == (
        "E122 --inside: net.ipv6.conf.all.forwarding is 0, and a gateway forwards its nodes' packets: set it to 1 "
        "(and accept_ra to 2 where routes come by RA)"
    )
    switch.write_text("1\n")
    check_forwarding()


def test_an_address_of_another_machine() -> None:
    with pytest.raises(InputError, match="give an address of this node"):
        check_address("192.0.2.77")


def test_a_udp_port_in_use() -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        with pytest.raises(InputError, match="choose another port"):
            check_udp_port(taken.getsockname()[1], "ist0000000", "--underlay")


def test_a_dns_server_is_no_node_agent(tmp_path: Path) -> None:
    role: Role = "dns"
    folder_of_dns = str(make_folder(tmp_path / "d", US, role, {}, []))
    assert "which is no node agent" in failure("run", "--state", folder_of_dns, "--address", "127.0.0.1")


XDS = ("--xds-listen", "127.0.0.1:7445")
HERE = ("--address", "127.0.0.1")


@pytest.mark.parametrize(
    ("role", "options", "text"),
    [
        ("gateway", (), "E122 --address is missing: a gateway needs the address where connections arrive"),
        ("node", XDS, "E122 --xds-listen is for the role xds; this folder is enrolled as node"),
        ("xds", (), "E122 --xds-listen IP:PORT is missing: the role xds needs the address that sidecars reach"),
        ("xds", HERE, "E122 --address is for the roles gateway and node; this folder is enrolled as xds"),
        ("xds", ("--underlay", "1.2.3.4:5"), "E122 --underlay is for the roles gateway and node; this folder is enrolled as xds"),
        ("xds", (*XDS, "--pods", "10.1.3.0/24"), "E122 --pods is for the roles gateway and node; this folder is enrolled as xds"),
        ("xds", (*XDS, "--otlp", "c:1"), "E122 --otlp is for the roles gateway and node; this folder is enrolled as xds"),
        ("xds", (*XDS, "--access-log", "stdout"), "E122 --access-log is for the roles gateway and node; this folder is enrolled as xds"),
        ("xds", (*XDS, "--workload-socket", "/s"), "E122 --workload-socket is for the role node; this folder is enrolled as xds"),
        ("xds", ("--xds-listen", "7445"), 'E122 --xds-listen "7445": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535'),
        ("xds", ("--xds-listen", "192.0.2.1:7445"), 'E122 --xds-listen "192.0.2.1:7445": cannot be bound; choose another address or port'),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_the_role(tmp_path: Path, role: Role, options: tuple[str, ...], text: str) -> None:
    made = make_folder(tmp_path / "x", US, role, keyed(site(US)), [xds_id(US.domain)])
    assert failure("run", "--state", str(made), *options) == text


def test_the_role_xds_has_no_envoy_and_leaves_nothing_to_clean(tmp_path: Path) -> None:
    state = str(make_folder(tmp_path / "x", US, "xds", keyed(site(US)), []))
    text = "the role xds has no Envoy of its own; start sidecars with `isthmus agent sidecar-bootstrap`"
    assert failure("envoy", "--state", state) == f"E122 {state}: {text}"
    assert "which is no node agent" in failure("render", "--state", state, "--address", "127.0.0.1")
    assert CliRunner().invoke(agent, ["clean", "--state", state]).exit_code == 0


IDENTITY = "spiffe://us-east.acme.mesh/ns/shop/sa/web"


@pytest.mark.parametrize(
    ("identity", "xds", "socket", "text"),
    [
        ("web", "x:1", "/w", 'E105 "web" is not a SPIFFE ID'),
        (IDENTITY, "x", "/w", 'E122 --xds "x": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535'),
        (IDENTITY, "x:1", f"/{'w' * 107}", f"E125 /{'w' * 107}: a unix socket's path has at most 107 bytes; use a shorter --state"),
    ],
)  # fmt: skip
def test_a_sidecar_that_cannot_be(identity: str, xds: str, socket: str, text: str) -> None:
    arguments = ("--identity", identity, "--xds", xds, "--workload-socket", socket)
    assert failure("sidecar-bootstrap", *arguments) == text


def test_a_sidecars_bootstrap_is_printed() -> None:
    arguments = ["sidecar-bootstrap", "--identity", IDENTITY, "--xds", "xds.example:7445", "--workload-socket", "/w"]
    done = CliRunner().invoke(agent, arguments)
    wanted = Wanted(identity=parse_spiffe(IDENTITY), xds=("xds.example", 7445), workload="/w")
    assert json.loads(done.output) == sidecar_bootstrap(wanted)


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
    assert f"ip link add {folder.device_prefix(state)}0 type wireguard" in done.output
    assert US.wireguard.hex() not in done.output and "PRIVATE" not in done.output


def test_device_names_differ_by_folder_and_fit(tmp_path: Path) -> None:
    names = {folder.device_prefix(tmp_path / name) for name in "abc"}
    assert len(names) == 3 and all(len(name) <= 15 for name in names)


def test_the_key_is_made_once(tmp_path: Path) -> None:
    assert keys.load(tmp_path) == keys.load(tmp_path)
    (tmp_path / "wireguard.key").write_bytes(b"short")
    with pytest.raises(InputError, match="holds 5 bytes"):
        keys.load(tmp_path)


def test_the_situation_of_a_gateway(state: Path) -> None:
    from federation.link.enrolled import load_enrolled

    situation = situation_of(state, load_enrolled(state), "127.0.0.1", ("192.0.2.1:51820",), "")
    assert (situation.role, situation.listen_port, situation.public_key) == ("gateway", 51820, US.public_key)


def test_importing_the_commands_loads_nothing_of_weight() -> None:
    script = (
        "import sys, gateways.cli\n"
        "print([m for m in ('grpc', 'pyroute2', 'cryptography', 'msgspec', 'envoy', 'asyncio') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"
