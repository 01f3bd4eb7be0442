"""Measures one link with echoes, which every gateway answers: nothing has to listen at the other end. Blocks."""

import time
from contextlib import closing

from gateways.bench.pour import PATIENCE, Pour
from gateways.bench.result import Carried, LinkResult, Trips, trips_of
from gateways.bench.window import Period, best_window, next_window
from gateways.probe.burst import Burst
from gateways.probe.sizes import MOST
from gateways.tunnel_view import PeerView
from gateways.verify import SMALL

IDLE = 200
PAUSE = 0.01
"""Small echoes to an idle link, and the seconds between two."""

PACKETS = (1, 4, 16)
"""Sizes of the large ones, in packets of the link: a fast link wants fewer and larger ones of one program."""

TRY = 0.3
"""Seconds to try a window, at least: a few round trips."""


def measured(peer: PeerView, seconds: float, limit: float) -> LinkResult:
    """This link for about so many seconds under load, with at most `limit` bytes per second each way (0: all it
    carries)."""
    idle = _idle(peer.overlay)
    carried = None if idle is None else _carried(peer, seconds, limit, idle.median_ms / 1_000)
    return LinkResult(member=peer.member, gateway=peer.gateway, idle=idle, carried=carried)


def _idle(address: str) -> Trips | None:
    with closing(Burst()) as burst:
        answers = burst.send([address], [SMALL] * IDLE, PAUSE, PATIENCE)
    return trips_of(list(answers.values()), IDLE - len(answers))


def _carried(peer: PeerView, seconds: float, limit: float, trip: float) -> Carried | None:
    found = [
        _poured(peer.overlay, count * (peer.mtu or MOST), seconds / len(PACKETS), limit, trip) for count in PACKETS
    ]
    return max((one for one in found if one is not None), key=lambda one: one.mbit, default=None)


def _poured(address: str, size: int, seconds: float, limit: float, trip: float) -> Carried | None:
    tried: list[Period] = []
    with closing(Pour(address, size, limit)) as pour:
        while window := next_window(tried, size):
            tried.append(pour.run(window, max(TRY, 4 * trip), []))
            pour.drain()
        trips: list[float] = []
        used, window = time.process_time(), best_window(tried)
        period = pour.run(window, seconds, trips)
        own = (time.process_time() - used) / period.seconds
    said = trips_of(trips, period.lost)
    if said is None:
        return None
    return Carried(
        mbit=round(period.rate * 8 / 1e6, 2), bytes=size, window=window, seconds=seconds, own=round(own, 2), trips=said
    )
