"""WireGuard's userspace interface as text, netlink messages, nft fingerprints."""

import json

from gateways.kernel.nft import fingerprint
from gateways.kernel.uapi import parse_errno, parse_get, set_request
from gateways.kernel.wg import kernel_actual, kernel_peer
from gateways.render.gateway_table import gateway_table
from gateways.render.nft import delete_commands, mark, replace_commands
from gateways.render.wireguard import Counters, Device, DropPeer, Peer, SetDevice, SetPeer
from gateways.state import Tunnel, Way

KEY = bytes(range(32))
RAILS = [
    Tunnel(device=f"d{rail}", private_key=KEY, listen_port=5 + rail, address="fd00::1", peers=(), rail=rail)
    for rail in (1, 2)
]
INSIDE = Tunnel(
    device="d9", private_key=KEY, listen_port=20, address="fd00::1", peers=(), ways=(Way("fd00::1:0:0/96"),), rail=0
)
TUNNELS = (*RAILS, INSIDE)
PEER = Peer(key=KEY, endpoint="[2001:db8::1]:51820", allowed=("fd00::/64", "fd01::/64"))


def test_a_set_request_never_replaces_peers() -> None:
    text = set_request([SetDevice("d", KEY, 5), SetPeer("d", PEER), DropPeer("d", KEY)])
    assert "replace_peers" not in text
    assert text.splitlines() == [
        "set=1",
        f"private_key={KEY.hex()}",
        "listen_port=5",
        f"public_key={KEY.hex()}",
        f"preshared_key={'00' * 32}",
        "endpoint=[2001:db8::1]:51820",
        "persistent_keepalive_interval=10",
        "replace_allowed_ips=true",
        "allowed_ip=fd00::/64",
        "allowed_ip=fd01::/64",
        f"public_key={KEY.hex()}",
        "remove=true",
        "",
    ]
    assert text.endswith("\n\n")


def test_an_unknown_endpoint_is_not_set() -> None:
    assert "endpoint" not in set_request([SetPeer("d", Peer(key=KEY, endpoint="", allowed=()))])


def test_a_device_is_read_with_its_counters() -> None:
    answer = (
        f"private_key={KEY.hex()}\nlisten_port=7\n"
        f"public_key={'aa' * 32}\nendpoint=192.0.2.1:9\nlast_handshake_time_sec=100\nlast_handshake_time_nsec=5\n"
        "tx_bytes=3\nrx_bytes=2\npersistent_keepalive_interval=10\nallowed_ip=fd01::/64\nallowed_ip=fd00::/64\n"
        f"public_key={'bb' * 32}\nlast_handshake_time_sec=0\nprotocol_version=1\nerrno=0\n\n"
    )
    actual = parse_get("d", answer)
    first = Peer(key=b"\xaa" * 32, endpoint="192.0.2.1:9", allowed=("fd00::/64", "fd01::/64"))
    second = Peer(key=b"\xbb" * 32, endpoint="", allowed=(), keepalive=0)
    assert actual.device == Device(name="d", private_key=KEY, port=7, peers=(first, second))
    assert actual.counters[b"\xaa" * 32] == Counters(100, 2, 3)


def test_errno_is_told_from_silence() -> None:
    assert (parse_errno("errno=0\n\n"), parse_errno("errno=-22\n\n"), parse_errno("")) == (0, -22, -1)


class Message(dict[str, object]):
    """A netlink message as pyroute2 gives it."""

    def get_attr(self, name: str) -> object:
        return self.get(name)


def test_a_kernel_device_is_read_from_netlink_messages() -> None:
    key = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo="
    peer = Message(
        WGPEER_A_PUBLIC_KEY=key,
        WGPEER_A_ENDPOINT={"family": 10, "addr": "2001:db8::1", "port": 9},
        WGPEER_A_LAST_HANDSHAKE_TIME={"tv_sec": 100, "tv_nsec": 0},
        WGPEER_A_ALLOWEDIPS=[Message(addr="fd00::/64")],
        WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL=10,
        WGPEER_A_RX_BYTES=1,
        WGPEER_A_TX_BYTES=2,
    )
    more = Message(WGPEER_A_PUBLIC_KEY=key, WGPEER_A_ALLOWEDIPS=[Message(addr="fd01::/64")])
    actual = kernel_actual(
        "d", [Message(WGDEVICE_A_LISTEN_PORT=7, WGDEVICE_A_PEERS=[peer]), Message(WGDEVICE_A_PEERS=[more])]
    )
    assert actual.device.port == 7
    assert actual.device.peers[0].allowed == ("fd00::/64", "fd01::/64")
    assert actual.device.peers[0].endpoint == "[2001:db8::1]:9"
    assert actual.counters[b"\xaa" * 32] == Counters(100, 1, 2)


def test_a_kernel_peer_is_set_alone() -> None:
    made = kernel_peer(PEER)
    assert made["endpoint_addr"] == "2001:db8::1" and made["endpoint_port"] == 51820
    assert made["replace_allowed_ips"] and "remove" not in made


def test_counts_and_handles_do_not_change_a_fingerprint() -> None:
    rule = {"rule": {"handle": 4, "expr": [{"counter": {"packets": 0, "bytes": 0}}, {"drop": None}]}}
    other = {"rule": {"handle": 9, "expr": [{"counter": {"packets": 7, "bytes": 700}}, {"drop": None}]}}
    lost = {"rule": {"handle": 9, "expr": [{"drop": None}]}}
    first, second, third = (fingerprint(json.dumps({"nftables": [r]})) for r in (rule, other, lost))
    assert first == second != third


def test_a_transaction_names_our_table_and_no_other() -> None:
    table = gateway_table(TUNNELS, "fd00::1", 15443)
    for document in (replace_commands(table), delete_commands(table.name)):
        commands = document["nftables"]
        assert isinstance(commands, list)
        for command in commands:
            ((_, target),) = command.items()
            ((kind, body),) = target.items()
            assert body["name" if kind == "table" else "table"] == "isthmus_gateway"


def test_every_rule_has_a_mark_of_its_own() -> None:
    chains = [chain.marks() for chain in gateway_table(TUNNELS, "fd00::1", 1).chains]
    assert all(len(set(marks)) == len(marks) for marks in chains)
    assert mark(({"drop": None},)) == mark(({"drop": None},))
