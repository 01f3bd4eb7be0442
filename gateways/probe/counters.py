"""WireGuard's counters and measured round trips as link reports. Pure."""

from collections.abc import Callable

from federation.model.handout import LinkReport
from federation.model.names import MemberName
from gateways.render.wireguard import Actual, Counters
from gateways.state import Tunnel

NEVER = -1


def link_reports(
    tunnel: Tunnel, actual: Actual | None, now: float, rtt_us: Callable[[str], int]
) -> dict[str, LinkReport]:
    """One report a peer gateway, by its key in the report feed.

    `now` is Unix seconds, as the handshake's time is; `rtt_us` gives the round trip to an overlay address, or -1.
    """
    counters = {} if actual is None else actual.counters
    reports: dict[str, LinkReport] = {}
    for peer in tunnel.peers:
        count = counters.get(peer.key, Counters())
        reports[f"link/{peer.member}/{peer.gateway}"] = LinkReport(
            member=MemberName(peer.member),
            gateway=peer.gateway,
            handshake_age=max(0, int(now - count.handshake)) if count.handshake else NEVER,
            rx=count.rx,
            tx=count.tx,
            rtt_us=rtt_us(peer.overlay),
        )
    return reports
