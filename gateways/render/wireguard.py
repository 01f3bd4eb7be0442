"""The WireGuard device: what it must hold, and the smallest change that brings it there.

A peer that stays is never removed and set again: that would reset its handshake and counters.
"""

from collections.abc import Iterable
from ipaddress import ip_network

from msgspec import Struct

from gateways.state import Tunnel

KEEPALIVE = 10
"""Seconds between keepalives: holds NAT mappings open and makes the side that is configured last start at once."""


class Peer(Struct, frozen=True, kw_only=True, order=True):
    """One peer of a device. `endpoint` is `ip:port` or `[v6]:port`, "" when unknown; `allowed` canonical and sorted.

    `starts` when it is this end that starts a handshake anew, `alternates` and `sighted` where else it may be; a device
    does not hold these. `preshared` is the raw key that both ends mix into their handshakes (whitepaper section 5.2),
    b"" for none.
    """

    key: bytes
    endpoint: str
    allowed: tuple[str, ...]
    keepalive: int = KEEPALIVE
    starts: bool = False
    preshared: bytes = b""
    alternates: tuple[str, ...] = ()
    sighted: tuple[str, ...] = ()


class Device(Struct, frozen=True, kw_only=True):
    """What a device must hold. `private_key` raw, `port` UDP (0: any)."""

    name: str
    private_key: bytes
    port: int
    peers: tuple[Peer, ...] = ()


class Counters(Struct, frozen=True):
    """What a device counted for one peer. `handshake` in Unix seconds, 0 when there was none; bytes."""

    handshake: int = 0
    rx: int = 0
    tx: int = 0


class Actual(Struct, frozen=True):
    """What a device holds now, with its counters by peer key."""

    device: Device
    counters: dict[bytes, Counters]


class Create(Struct, frozen=True):
    """Make the device."""

    name: str


class SetDevice(Struct, frozen=True):
    """Give the device its key and port."""

    name: str
    private_key: bytes
    port: int


class SetPeer(Struct, frozen=True):
    """Add a peer or change it in place. `endpoint` is "" when it is to be left as it is (roaming)."""

    name: str
    peer: Peer


class DropPeer(Struct, frozen=True):
    """Remove a peer."""

    name: str
    key: bytes


Step = Create | SetDevice | SetPeer | DropPeer


def device_of(tunnel: Tunnel) -> Device:
    """The device of this tunnel."""
    peers = (
        Peer(
            key=p.key,
            endpoint=p.endpoint,
            allowed=tuple(sorted(str(ip_network(a)) for a in p.allowed)),
            starts=p.starts,
            preshared=p.preshared,
            alternates=p.alternates,
            sighted=p.sighted,
        )
        for p in tunnel.peers
    )
    return Device(
        name=tunnel.device,
        private_key=tunnel.private_key,
        port=tunnel.listen_port,
        peers=tuple(sorted(peers)),
    )


def changes(wanted: Device, actual: Actual | None, before: Device | None = None) -> tuple[Step, ...]:
    """What to do, removals first, so that a prefix is free before its new owner gets it.

    An endpoint that differs is set only when the wish changed since `before`: else the peer roamed, and where it was
    last heard is the better knowledge (whitepaper section 2.1).
    """
    if actual is None:
        return (Create(wanted.name), SetDevice(wanted.name, wanted.private_key, wanted.port), *_all_peers(wanted))
    held = actual.device
    steps: list[Step] = []
    if held.private_key != wanted.private_key or wanted.port not in (0, held.port):
        steps.append(SetDevice(wanted.name, wanted.private_key, wanted.port))
    keep = {peer.key for peer in wanted.peers}
    steps.extend(DropPeer(wanted.name, peer.key) for peer in held.peers if peer.key not in keep)
    now = {peer.key: peer for peer in held.peers}
    wished = {peer.key: peer for peer in before.peers} if before is not None else {}
    for peer in wanted.peers:
        step = _peer_step(peer, now.get(peer.key), wished.get(peer.key))
        if step is not None:
            steps.append(SetPeer(wanted.name, step))
    return tuple(steps)


def silent(wanted: Device, actual: Actual | None) -> tuple[Peer, ...]:
    """The wanted peers that it is ours to start with, that the device holds, and that never completed a handshake."""
    counted = {} if actual is None else actual.counters
    ours = (p for p in wanted.peers if p.starts and p.endpoint)
    return tuple(p for p in ours if p.key in counted and counted[p.key].handshake == 0)


def anew(device: str, peers: Iterable[Peer]) -> tuple[Step, ...]:
    """Remove and set these peers again: WireGuard then starts a handshake at once.

    Left alone it waits 5 s after a first try (whitepaper section 6.1, Rekey-Timeout): too long when the other end was
    configured a moment later, and again and again too long when both ends start at once, for crossing initiations void
    each other. So one end only does this, and only for peers without a handshake: there is no session to lose.
    """
    return tuple(step for peer in peers for step in (DropPeer(device, peer.key), SetPeer(device, peer)))


def _all_peers(wanted: Device) -> Iterable[Step]:
    return (SetPeer(wanted.name, peer) for peer in wanted.peers)


def _peer_step(peer: Peer, held: Peer | None, wished: Peer | None) -> Peer | None:
    if held is None:
        return peer
    moved = not held.endpoint or wished is None or wished.endpoint != peer.endpoint
    endpoint = peer.endpoint if moved and held.endpoint != peer.endpoint else ""
    same = (held.allowed, held.keepalive, held.preshared) == (peer.allowed, peer.keepalive, peer.preshared)
    if same and not endpoint:
        return None
    return Peer(
        key=peer.key, endpoint=endpoint, allowed=peer.allowed, keepalive=peer.keepalive, preshared=peer.preshared
    )
