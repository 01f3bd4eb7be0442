"""What a WireGuard device of ours holds, beside what the handout wants of it. Pure: for people and for tools."""

from base64 import b64encode
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from gateways.reach import LOOPBACK, REJECTED
from gateways.render.routes import Link
from gateways.render.wireguard import Actual, Counters, Peer
from gateways.state import WgPeer

Condition = Literal["up", "silent", "missing", "not ours"]


class PeerView(Struct, frozen=True, kw_only=True):
    """The other end: a gateway by its id, or a node of our own by its name. `key` in base64; `handshake_age` in
    seconds, -1 when there was none; bytes.

    `state` is `up` while a session stands, else `silent`; `missing` when the device lacks it, `not ours` when nothing
    wants it. `overlay` is its address in the tunnel; `recorded` the endpoint of the member's record and `alternates`
    its further ones, `sighted` where others hear it, `endpoint` where it was last heard or is looked for now;
    `preshared` when a preshared key is mixed in; `spare` when the link stands beside the one in use.
    """

    member: str
    gateway: int
    state: Condition
    key: str
    endpoint: str
    recorded: str
    overlay: str
    allowed: tuple[str, ...]
    keepalive: int
    mtu: int
    handshake_age: int
    rx: int
    tx: int
    node: str = ""
    preshared: bool = False
    alternates: tuple[str, ...] = ()
    sighted: tuple[str, ...] = ()
    spare: bool = False

    @property
    def has_session(self) -> bool:
        """True while one stands, whether or not the link is wanted."""
        return _stands(self.handshake_age)

    @property
    def name(self) -> str:
        """What people call it."""
        if not self.member:
            return "nobody we know"
        return f"{self.member} node {self.node}" if self.node else f"{self.member} gateway {self.gateway}"


class TunnelView(Struct, frozen=True, kw_only=True):
    """The device and its peers by member. `key` is its public key."""

    member: str
    node: str
    device: str
    up: bool
    mtu: int
    addresses: tuple[str, ...]
    port: int
    key: str
    peers: tuple[PeerView, ...]


class Here(Struct, frozen=True):
    """Whose device it is."""

    member: str
    node: str
    device: str
    key: bytes


def tunnel_view(here: Here, wanted: Iterable[WgPeer], actual: Actual, link: Link, now: float) -> TunnelView:
    """The view at this Unix second."""
    sizes = {route.prefix: route.mtu or link.mtu for route in link.routes}
    held = {peer.key: peer for peer in actual.device.peers}
    wants = {peer.key: peer for peer in wanted}
    peers = [
        _peer(wants.get(key), held.get(key), actual.counters.get(key, Counters()), sizes, now)
        for key in wants.keys() | held.keys()
    ]
    return TunnelView(
        member=here.member,
        node=here.node,
        device=here.device,
        up=link.up,
        mtu=link.mtu,
        addresses=link.addresses,
        port=actual.device.port,
        key=_text(here.key),
        peers=tuple(sorted(peers, key=lambda one: (one.member, one.gateway, one.key))),
    )


def _stands(handshake_age: int) -> bool:
    return 0 <= handshake_age < REJECTED


def _peer(wants: WgPeer | None, held: Peer | None, counted: Counters, sizes: dict[str, int], now: float) -> PeerView:
    age = max(0, int(now - counted.handshake)) if counted.handshake else -1
    state: Condition = "up" if _stands(age) else "silent"
    if held is None or wants is None:
        state = "missing" if held is None else "not ours"
    allowed = held.allowed if held is not None else wants.allowed if wants is not None else ()
    return PeerView(
        member=wants.member if wants is not None else "",
        gateway=wants.gateway if wants is not None else 0,
        node=wants.node if wants is not None else "",
        state=state,
        key=_text(held.key if held is not None else wants.key if wants is not None else b""),
        endpoint=held.endpoint if held is not None else "",
        recorded=wants.endpoint if wants is not None else "",
        overlay=wants.overlay if wants is not None else "",
        allowed=allowed,
        keepalive=held.keepalive if held is not None else 0,
        mtu=min((sizes[prefix] for prefix in allowed if prefix in sizes), default=0),
        handshake_age=age,
        rx=counted.rx,
        tx=counted.tx,
        preshared=held is not None and bool(held.preshared),
        alternates=wants.alternates if wants is not None else (),
        sighted=wants.sighted if wants is not None else (),
        spare=wants is not None and wants.spare,
    )


def written(view: TunnelView) -> str:
    """As a file of wg-quick(8) says it, with what was counted as comments. The private key is left out."""
    lines = [
        f"# {view.node} of {view.member}: {view.device}, {'up' if view.up else 'down'}, public key {view.key}",
        "[Interface]",
        "# PrivateKey is not shown",
        *(f"Address = {address}" for address in view.addresses),
        f"ListenPort = {view.port}",
        f"MTU = {view.mtu}",
    ]
    for peer in view.peers:
        lines += ["", *_peer_lines(peer)]
    return "\n".join(lines)


def _peer_lines(peer: PeerView) -> Iterable[str]:
    yield f"# {peer.name}: {_told(peer)}"
    if peer.state == "missing":
        yield f"# PublicKey = {peer.key} is not in the device"
        return
    if peer.recorded not in ("", peer.endpoint):
        yield f"# its record says {peer.recorded}"
    if peer.alternates:
        yield f"# its record says as well {', '.join(peer.alternates)}"
    if peer.sighted:
        yield f"# others hear it at {', '.join(peer.sighted)}"
    yield "[Peer]"
    yield f"PublicKey = {peer.key}"
    if peer.preshared:
        yield "# PresharedKey is not shown"
    if peer.endpoint:
        yield f"Endpoint = {peer.endpoint}"
    yield f"AllowedIPs = {', '.join(peer.allowed)}"
    if peer.keepalive:
        yield f"PersistentKeepalive = {peer.keepalive}"


def _told(peer: PeerView) -> str:
    if peer.state == "missing":
        return "missing"
    heard = "no handshake yet" if peer.handshake_age < 0 else f"handshake {peer.handshake_age} s ago"
    heard += ", through a third member" if peer.endpoint.startswith(LOOPBACK) else ""
    heard += ", spare: while a key is exchanged" if peer.spare else ""
    size = f", packets of {peer.mtu} bytes" if peer.mtu else ""
    return f"{peer.state}, {heard}, received {peer.rx} bytes, sent {peer.tx} bytes{size}"


def _text(key: bytes) -> str:
    return b64encode(key).decode()
