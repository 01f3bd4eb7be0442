"""Preshared keys: where they come from, what is wrong with them, and what becomes of the links."""

import base64
from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.model.errors import IsthmusError
from gateways.evidence import Evidence
from gateways.flags import check_preshared
from gateways.gateway_cli import gateway
from gateways.intent import intend
from gateways.kernel.uapi import parse_get, set_request
from gateways.kernel.wg import kernel_peer
from gateways.preshared import PresharedFolder
from gateways.probe.counters import unsealed
from gateways.render.commands import wireguard_command
from gateways.render.wireguard import Actual, Counters, Device, Peer, SetPeer, changes, device_of
from gateways.state import Preshared
from gateways.sync import Outcome
from tests.unit.gateways.test_intent import EU_PEER, GATEWAY, US
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import keyed, real, site

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PEER = Peer(key=KEY, endpoint="192.0.2.1:9", allowed=("fd00::/64",), preshared=OTHER)


def written(key: bytes) -> bytes:
    return base64.b64encode(key) + b"\n"


def put(folder: Path, name: str, text: bytes, mode: int = 0o600) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text)
    (folder / name).chmod(mode)
    return folder / name


def test_a_folder_is_read_when_it_changed_and_not_before(tmp_path: Path) -> None:
    keys = PresharedFolder(tmp_path / "preshared")
    assert (keys.look(), keys.problems) == (Preshared(), ())
    put(tmp_path / "preshared", "eu-central", written(KEY))
    put(tmp_path / "preshared", "..data", b"what a Secret's mount adds")
    first = keys.look()
    assert first == Preshared({"eu-central": KEY})
    assert keys.look() is first
    put(tmp_path / "preshared", "eu-central", written(OTHER)[:-1])
    assert keys.look() == Preshared({"eu-central": OTHER})
    (tmp_path / "preshared" / "eu-central").unlink()
    assert keys.look() == Preshared()


BAD = {
    "readable by others": (written(OTHER), 0o644, "{path} has mode 0644: must be 0600, run `chmod 600 {path}`"),
    "too short": (
        written(OTHER[:31]),
        0o600,
        "{path}: a preshared key is 32 bytes in base64, not all zero; make one with `wg genpsk`",
    ),
    "all zero": (
        written(bytes(32)),
        0o600,
        "{path}: a preshared key is 32 bytes in base64, not all zero; make one with `wg genpsk`",
    ),
    "no base64": (
        b"secret",
        0o600,
        "{path}: a preshared key is 32 bytes in base64, not all zero; make one with `wg genpsk`",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_a_problem_and_the_last_good_key_stays(tmp_path: Path, case: str) -> None:
    text, mode, said = BAD[case]
    keys, folder = PresharedFolder(tmp_path / "p"), tmp_path / "p"
    problem = f"E122 {said.format(path=folder / 'eu-central')}"
    put(folder, "eu-central", text, mode)
    assert keys.look() == Preshared({}, {"eu-central": problem})
    put(folder, "eu-central", written(KEY))
    keys.look()
    put(folder, "eu-central", text, mode)
    assert keys.look() == Preshared({"eu-central": KEY}, {"eu-central": problem})
    assert keys.problems == (problem,)


def test_a_folder_that_is_gone_and_a_link_to_nowhere_take_no_key_away(tmp_path: Path) -> None:
    keys, folder = PresharedFolder(tmp_path / "p"), tmp_path / "p"
    put(folder, "eu-central", written(KEY))
    found = keys.look()
    (folder / "us-west").symlink_to(folder / "nowhere")
    assert keys.look() is found
    assert keys.problems == (f"E122 {folder}: No such file or directory; the preshared keys stay as they are",)
    folder.rename(tmp_path / "q")
    assert keys.look() is found
    assert keys.problems == (f"E122 {folder}: No such file or directory; the preshared keys stay as they are",)


def test_a_link_has_the_key_or_is_not_made_while_it_cannot_be_read() -> None:
    def links(preshared: Preshared) -> list[bytes]:
        (tunnel,) = intend(GATEWAY, keyed(site(US), EU_PEER), Evidence(preshared=preshared)).tunnels
        return [peer.preshared for peer in tunnel.peers]

    assert links(Preshared()) == links(Preshared({"us-west": KEY})) == [b""]
    assert links(Preshared({"eu-central": KEY})) == links(Preshared({"eu-central": KEY}, {"eu-central": "x"})) == [KEY]
    assert links(Preshared({}, {"eu-central": "x"})) == []


def test_a_key_that_is_another_changes_the_peer_in_place() -> None:
    (tunnel,) = intend(GATEWAY, keyed(site(US), EU_PEER), Evidence(preshared=Preshared({"eu-central": KEY}))).tunnels
    wanted = device_of(tunnel)
    (peer,) = wanted.peers
    for before in (b"", OTHER):
        held = Peer(
            key=peer.key, endpoint="192.0.2.9:7", allowed=peer.allowed, keepalive=peer.keepalive, preshared=before
        )
        actual = Actual(
            Device(name=wanted.name, private_key=wanted.private_key, port=wanted.port, peers=(held,)),
            {peer.key: Counters(1)},
        )
        (step,) = changes(wanted, actual, wanted)
        assert isinstance(step, SetPeer)
        assert (step.peer.preshared, step.peer.endpoint) == (KEY, "")


def test_the_device_is_told_and_asked_and_no_command_shows_it() -> None:
    assert f"preshared_key={OTHER.hex()}" in set_request([SetPeer("d", PEER)]).splitlines()
    assert kernel_peer(PEER)["preshared_key"] == base64.b64encode(OTHER).decode()
    answer = f"public_key={KEY.hex()}\npreshared_key={OTHER.hex()}\nendpoint=192.0.2.1:9\nerrno=0\n\n"
    (peer,) = parse_get("d", answer).device.peers
    assert peer.preshared == OTHER
    command = wireguard_command(SetPeer("d", PEER))
    assert " preshared-key (hidden) " in command and OTHER.hex() not in command
    assert base64.b64encode(OTHER).decode() not in command


def test_a_link_that_never_shakes_hands_says_what_may_be_wrong() -> None:
    tunnels = intend(GATEWAY, keyed(site(US), EU_PEER), Evidence(preshared=Preshared({"eu-central": KEY}))).tunnels
    device = device_of(tunnels[0])
    line = "E122 link to eu-central gateway 1: no handshake, with a preshared key: give both ends the same one"

    def said(handshake: int, now: float, waiting: bool = False) -> tuple[str, ...]:
        actual = {device.name: Actual(device, {device.peers[0].key: Counters(handshake)})}
        return unsealed(tunnels, Outcome((), (), actual, waiting), now)

    assert said(0, 1_000.0) == said(800, 1_000.0) == (line,)
    assert said(900, 1_000.0) == said(0, 1_000.0, waiting=True) == ()
    plain = intend(GATEWAY, keyed(site(US), EU_PEER)).tunnels
    assert unsealed(plain, Outcome((), (), {device.name: Actual(device, {})}), 1_000.0) == ()


def test_the_command_makes_takes_and_removes_keys(tmp_path: Path) -> None:
    us = real("us-east")
    state = make_folder(tmp_path / "gw", us, "gateway", keyed(site(us)), [us.identity("isthmus", "gateway")])
    run, flags = CliRunner().invoke, ["--state", str(state)]
    made = run(gateway, ["preshared", "eu-central", *flags])
    path = state / "preshared" / "eu-central"
    assert made.output == path.read_text() and (path.stat().st_mode & 0o777) == 0o600
    given = run(gateway, ["preshared", "eu-central", *flags, "--file", "-"], input=written(KEY))
    assert (given.output, path.read_bytes()) == ("", written(KEY))
    assert PresharedFolder(path.parent).look() == Preshared({"eu-central": KEY})
    remove = ["preshared", "eu-central", *flags, "--remove"]
    assert run(gateway, remove).output == "links to it do without one\n"
    assert run(gateway, remove).output == "there was none\n"


@pytest.mark.parametrize(
    ("member", "given", "said"),
    [
        ("us-east", None, 'E104 MEMBER "us-east": is the gateway\'s own member; name the other end'),
        ("../x", None, 'E104 MEMBER "../x": is not a member\'s name; name the other end'),
        (
            "eu-central",
            b"x",
            "E122 --file: a preshared key is 32 bytes in base64, not all zero; make one with `wg genpsk`",
        ),
    ],
)
def test_what_the_command_refuses(tmp_path: Path, member: str, given: bytes | None, said: str) -> None:
    us = real("us-east")
    state = make_folder(tmp_path / "gw", us, "gateway", keyed(site(us)), [us.identity("isthmus", "gateway")])
    more = [] if given is None else ["--file", "-"]
    error = CliRunner().invoke(gateway, ["preshared", member, "--state", str(state), *more], input=given).exception
    assert isinstance(error, IsthmusError) and str(error) == said
    assert not (state / "preshared").exists()


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("node", "E122 --preshared is for the role gateway; this folder is enrolled as node"),
        ("gateway", 'E122 --preshared "/nowhere/at/all": no such folder'),
    ],
)
def test_what_the_agent_refuses(role: str, said: str) -> None:
    with pytest.raises(IsthmusError) as refused:
        check_preshared(role, Path("/nowhere/at/all"))
    assert str(refused.value) == said
