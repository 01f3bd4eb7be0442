"""What `isthmus gateway show` says of a device: exact texts."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from msgspec import structs

from federation.model.errors import InputError
from gateways.gateway_cli import gateway
from gateways.render.routes import Link
from gateways.render.wireguard import Actual, Counters, Device, Peer
from gateways.state import Way, WgPeer
from gateways.tunnel_view import Here, tunnel_view, written
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import keyed, real, site

KEYS = [bytes([number]) * 32 for number in range(5)]
NOW = 1_700_000_000
HERE = Here("us-east", "gw1", "ist0000000", KEYS[0])


def wanted(number: int, member: str) -> WgPeer:
    return WgPeer(
        member=member,
        gateway=1,
        key=KEYS[number],
        endpoint=f"192.0.2.{number}:51820",
        allowed=(f"fd49:7374:0:{number}::/64",),
        overlay=f"fd49:7374:0:{number}::1",
    )


def held(number: int, endpoint: str = "") -> Peer:
    return Peer(key=KEYS[number], endpoint=endpoint, allowed=(f"fd49:7374:0:{number}::/64",))


MOVED = structs.replace(wanted(2, "us-west"), alternates=("10.9.0.2:51820",), sighted=("198.51.100.7:51820",))
WANTED = (wanted(1, "eu-central"), MOVED, wanted(3, "ap-south"))
ACTUAL = Actual(
    Device(
        name="ist0000000",
        private_key=b"\x09" * 32,
        port=51820,
        peers=(held(1, "192.0.2.1:51820"), held(2, "198.51.100.7:40000"), held(4)),
    ),
    {KEYS[1]: Counters(NOW - 12, 4_096, 1_024), KEYS[2]: Counters(NOW - 200, 10, 0), KEYS[4]: Counters()},
)
LINK = Link(
    device="ist0000000",
    mtu=1420,
    up=True,
    addresses=("fd49:7374:0:9::1/128",),
    routes=(Way("fd49:7374:0:1::/64", 1328), Way("fd49:7374:0:2::/64")),
)
TEXT = """\
# gw1 of us-east: ist0000000, up, public key AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
[Interface]
# PrivateKey is not shown
Address = fd49:7374:0:9::1/128
ListenPort = 51820
MTU = 1420

# nobody we know: not ours, no handshake yet, received 0 bytes, sent 0 bytes
[Peer]
PublicKey = BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=
AllowedIPs = fd49:7374:0:4::/64
PersistentKeepalive = 10

# ap-south gateway 1: missing
# PublicKey = AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM= is not in the device

# eu-central gateway 1: up, handshake 12 s ago, received 4096 bytes, sent 1024 bytes, packets of 1328 bytes
[Peer]
PublicKey = AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
Endpoint = 192.0.2.1:51820
AllowedIPs = fd49:7374:0:1::/64
PersistentKeepalive = 10

# us-west gateway 1: silent, handshake 200 s ago, received 10 bytes, sent 0 bytes, packets of 1420 bytes
# its record says 192.0.2.2:51820
# its record says as well 10.9.0.2:51820
# others hear it at 198.51.100.7:51820
[Peer]
PublicKey = AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=
Endpoint = 198.51.100.7:40000
AllowedIPs = fd49:7374:0:2::/64
PersistentKeepalive = 10"""


def test_the_text_names_each_peer_and_what_is_wrong_with_it() -> None:
    assert written(tunnel_view(HERE, WANTED, ACTUAL, LINK, NOW)) == TEXT


def test_the_private_key_is_in_neither_form() -> None:
    view = tunnel_view(HERE, WANTED, ACTUAL, LINK, NOW)
    for text in (written(view), msgspec.json.encode(view).decode()):
        assert "CQkJCQ" not in text


def test_bad_folders_are_one_line(tmp_path: Path) -> None:
    us = real("us-east")
    node = make_folder(tmp_path / "n", us, "node", keyed(site(us)), [])
    texts = {
        node: f"E122 {node}: no device of it is there: a node has them where its member's gateways, on other machines, "
        "have an --inside",
        tmp_path: f"E125 {tmp_path}/enrolled.json does not exist: make this folder with `isthmus enroll --out {tmp_path}`",
    }
    for state, text in texts.items():
        done = CliRunner().invoke(gateway, ("show", "--state", str(state)))
        assert isinstance(done.exception, InputError) and str(done.exception) == text


def test_without_a_device_the_line_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    us = real("us-east")
    state = make_folder(tmp_path / "g", us, "gateway", keyed(site(us)), [])
    monkeypatch.setattr("gateways.machine.os.geteuid", lambda: 0)
    done = CliRunner().invoke(gateway, ("show", "--state", str(state)))
    assert str(done.exception).endswith(
        f"no device of it is there: start the agent with `isthmus agent run --state {state}`"
    )
