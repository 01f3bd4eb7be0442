"""The text of WireGuard's cross-platform userspace interface (wireguard.com/xplatform). Pure."""

from collections.abc import Iterable

from gateways.render.wireguard import Actual, Counters, Device, DropPeer, Peer, SetDevice, SetPeer

Change = SetDevice | SetPeer | DropPeer

GET = "get=1\n\n"


NONE = bytes(32)
"""The preshared key that stands for none."""


def set_request(steps: Iterable[Change]) -> str:
    """One `set` operation for these steps. Never `replace_peers`: that resets handshakes and counters of the others."""
    lines = ["set=1"]
    for step in steps:
        lines += _lines(step)
    return "\n".join(lines) + "\n\n"


def _lines(step: Change) -> list[str]:
    match step:
        case SetDevice():
            return [f"private_key={step.private_key.hex()}", f"listen_port={step.port}"]
        case DropPeer():
            return [f"public_key={step.key.hex()}", "remove=true"]
        case SetPeer(peer=peer):
            lines = [f"public_key={peer.key.hex()}", f"preshared_key={(peer.preshared or NONE).hex()}"]
            if peer.endpoint:
                lines.append(f"endpoint={peer.endpoint}")
            lines.append(f"persistent_keepalive_interval={peer.keepalive}")
            lines.append("replace_allowed_ips=true")
            lines += [f"allowed_ip={prefix}" for prefix in peer.allowed]
            return lines


def parse_errno(answer: str) -> int:
    """The errno of an answer: 0 is success; -1 when the answer has none."""
    values = [line.partition("=")[2] for line in answer.splitlines() if line.startswith("errno=")]
    return int(values[-1]) if values else -1


def parse_get(name: str, answer: str) -> Actual:
    """The device in the answer to GET."""
    pairs = [(key, value) for key, _, value in (line.partition("=") for line in answer.splitlines()) if key]
    first = next((i for i, (key, _) in enumerate(pairs) if key == "public_key"), len(pairs))
    head = dict(pairs[:first])
    peers: list[Peer] = []
    counters: dict[bytes, Counters] = {}
    for group in _groups(pairs[first:]):
        peer, count = _peer(group)
        peers.append(peer)
        counters[peer.key] = count
    device = Device(
        name=name,
        private_key=bytes.fromhex(head.get("private_key", "")),
        port=int(head.get("listen_port", "0")),
        peers=tuple(sorted(peers)),
    )
    return Actual(device, counters)


def _groups(pairs: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    groups: list[list[tuple[str, str]]] = []
    for key, value in pairs:
        if key == "public_key":
            groups.append([])
        groups[-1].append((key, value))
    return groups


def _peer(pairs: list[tuple[str, str]]) -> tuple[Peer, Counters]:
    single = dict(pairs)
    peer = Peer(
        key=bytes.fromhex(single["public_key"]),
        endpoint=single.get("endpoint", ""),
        allowed=tuple(sorted(value for key, value in pairs if key == "allowed_ip")),
        keepalive=int(single.get("persistent_keepalive_interval", "0")),
        preshared=bytes.fromhex(single.get("preshared_key", "")).removeprefix(NONE),
    )
    counters = Counters(
        int(single.get("last_handshake_time_sec", "0")),
        int(single.get("rx_bytes", "0")),
        int(single.get("tx_bytes", "0")),
    )
    return peer, counters
