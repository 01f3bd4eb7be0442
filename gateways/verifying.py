"""Measures the links of this gateway for `isthmus gateway verify`. Blocks."""

import socket
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from federation.model.errors import InputError
from gateways.probe.burst import Burst
from gateways.probe.sizes import SIZES
from gateways.state import GATEWAY_PORT
from gateways.tunnel_view import PeerView, TunnelView
from gateways.verify import LARGE, SMALL, Check, Measured, checks, throughput

PAUSE, PATIENCE = 0.05, 1.0
"""Seconds between two echoes to one peer, and after the last: twice the way around the world."""

AGAIN = 3
"""Each size, and the large echo, is sent so often: one lost packet is no finding."""

CONNECTIONS = 32


def verified(views: Iterable[TunnelView], member: str, count: int) -> list[Check]:
    """What is found about each link, or about those to this member. InputError where there is none."""
    peers = links_of(views, member)
    return [check for peer, found in zip(peers, measured(peers, count), strict=True) for check in checks(peer, found)]


def loaded(views: Iterable[TunnelView], member: str, seconds: float) -> list[Check]:
    """What each link carries, one after the other."""
    from gateways.bench.link import measured as filled

    return [throughput(peer, filled(peer, seconds, 0)) for peer in links_of(views, member)]


def links_of(views: Iterable[TunnelView], member: str) -> list[PeerView]:
    """The links, or those to this member. InputError where there is none."""
    everyone = [peer for view in views for peer in view.peers if not (peer.node or peer.spare)]
    peers = [peer for peer in everyone if peer.state != "not ours" and member in ("", peer.member)]
    if not peers:
        known = ", ".join(sorted({peer.member for peer in everyone if peer.member})) or "none yet"
        raise InputError(f'--member "{member}": no link to it; members with links: {known}', "E104")
    return peers


def measured(peers: Sequence[PeerView], count: int) -> list[Measured]:
    """All at once, so that a hundred take no longer than one."""
    addresses = [peer.overlay for peer in peers]
    sizes = SIZES * AGAIN
    with closing(Burst()) as burst:
        small = burst.send(addresses, [SMALL] * count, PAUSE, PATIENCE)
        sized = burst.send(addresses, sizes, PAUSE, PATIENCE)
        large = burst.send(addresses, [LARGE] * AGAIN, PAUSE, PATIENCE, fragments=True)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        doors = list(pool.map(_door, addresses))
    return [
        Measured(
            trips=tuple(small.get((address, place)) for place in range(count)),
            sizes=frozenset(sizes[place] for place in range(len(sizes)) if (address, place) in sized),
            large=any((address, place) in large for place in range(AGAIN)),
            door=door,
        )
        for address, door in zip(addresses, doors, strict=True)
    ]


def _door(address: str) -> float | None:
    began = time.monotonic()
    try:
        with socket.create_connection((address, GATEWAY_PORT), PATIENCE):
            return time.monotonic() - began
    except OSError:
        return None
