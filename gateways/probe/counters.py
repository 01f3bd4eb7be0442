"""WireGuard's counters and measured round trips as link reports. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from federation.model.handout import LinkReport
from federation.model.names import MemberName
from federation.model.standing import Standing
from gateways.probe.paths import Trip
from gateways.render.wireguard import Actual, Counters
from gateways.state import Tunnel, WgPeer
from gateways.sync import Outcome

NEVER = -1
REJECTED = 180
"""Seconds after which a session without a new handshake is over (WireGuard whitepaper 6.1, Reject-After-Time)."""


def link_reports(
    tunnels: Iterable[Tunnel],
    actual: Mapping[str, Actual],
    now: float,
    trip: Callable[[str], Trip],
    standing: Callable[[str], Standing],
    mtus: Mapping[str, int],
) -> dict[str, LinkReport]:
    """One report a peer gateway, by its key in the report feed. `actual` are the devices by name.

    `now` is Unix seconds, as the handshake's time is. For an overlay address `trip` gives the round trip,
    `standing` what probes say of the way there, `mtus` how large packets pass.
    """
    reports: dict[str, LinkReport] = {}
    for peer, count in _counted(tunnels, actual):
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


def silent_gateways(tunnels: Iterable[Tunnel], outcome: Outcome, now: float) -> tuple[str, ...]:
    """One line for each gateway of its own member that a node has no session with, at this Unix second."""
    if outcome.waiting:
        return ()
    lines: list[str] = []
    for tunnel in tunnels:
        for peer in tunnel.peers:
            if not tunnel.rail and peer.endpoint and tunnel.device in outcome.actual:
                handshake = outcome.actual[tunnel.device].counters.get(peer.key, Counters()).handshake
                if now - handshake > REJECTED:
                    lines.append(
                        f"E190 gateway {peer.gateway} of our own: no handshake at {peer.endpoint}; open that UDP port "
                        "between the nodes"
                    )
    return tuple(lines)


def received(tunnels: Iterable[Tunnel], actual: Mapping[str, Actual]) -> dict[str, int]:
    """Bytes received from each peer gateway, by its overlay address."""
    return {peer.overlay: count.rx for peer, count in _counted(tunnels, actual)}


def _counted(tunnels: Iterable[Tunnel], actual: Mapping[str, Actual]) -> Iterator[tuple[WgPeer, Counters]]:
    """The gateways of other members, with what was counted."""
    for tunnel in tunnels:
        if tunnel.rail:
            counters = actual[tunnel.device].counters if tunnel.device in actual else {}
            for peer in tunnel.peers:
                yield peer, counters.get(peer.key, Counters())
