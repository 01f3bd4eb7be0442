"""WireGuard's counters and measured round trips as link reports. Pure."""

from collections.abc import Callable, Mapping

from federation.model.handout import LinkReport
from federation.model.names import MemberName
from federation.model.standing import Standing
from gateways.probe.paths import Trip
from gateways.render.wireguard import Actual, Counters
from gateways.state import Tunnel

NEVER = -1


def link_reports(
    tunnel: Tunnel,
    actual: Actual | None,
    now: float,
    trip: Callable[[str], Trip],
    standing: Callable[[str], Standing],
    mtus: Mapping[str, int],
) -> dict[str, LinkReport]:
    """One report a peer gateway, by its key in the report feed.

    `now` is Unix seconds, as the handshake's time is. For an overlay address `trip` gives the round trip,
    `standing` what probes say of the way there, `mtus` how large packets pass.
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
            rtt_us=trip(peer.overlay).rtt_us,
            jitter_us=trip(peer.overlay).jitter_us,
            up=standing(peer.overlay).up,
            since=standing(peer.overlay).since,
            loss=standing(peer.overlay).loss,
            mtu=mtus.get(peer.overlay, NEVER),
        )
    return reports


def received(tunnel: Tunnel, actual: Actual | None) -> dict[str, int]:
    """Bytes received from each peer gateway, by its overlay address."""
    counters = {} if actual is None else actual.counters
    return {peer.overlay: counters.get(peer.key, Counters()).rx for peer in tunnel.peers}
