"""WireGuard's counters and measured round trips as link reports. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from federation.model.names import MemberName
from federation.model.report import LinkReport
from federation.model.standing import Standing
from gateways.probe.trips import Trip
from gateways.reach import REJECTED, Place
from gateways.render.wireguard import Actual, Counters
from gateways.state import Tunnel, WgPeer
from gateways.sync import Outcome

NEVER = -1


def link_reports(
    tunnels: Iterable[Tunnel],
    actual: Mapping[str, Actual],
    now: float,
    trip: Callable[[str], Trip],
    standing: Callable[[str], Standing],
    mtus: Mapping[str, int],
    heard: Mapping[Place, str] = MappingProxyType({}),
    relays: Mapping[Place, str] = MappingProxyType({}),
) -> dict[str, LinkReport]:
    """One report a peer gateway, by its key in the report feed. `actual` are the devices by name.

    `now` is Unix seconds, as the handshake's time is. For an overlay address `trip` gives the round trip,
    `standing` what probes say of the way there, `mtus` how large packets pass; `heard` is by device and key where peers
    are heard (`reach`), `relays` the members through which they are.
    """
    reports: dict[str, LinkReport] = {}
    for device, peer, count in _counted(tunnels, actual):
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
            heard=_elsewhere(peer, heard.get((device, peer.key), "")),
            relay=relays.get((device, peer.key), ""),
        )
    return reports


def unsealed(tunnels: Iterable[Tunnel], outcome: Outcome, now: float) -> tuple[str, ...]:
    """One line for each link with a preshared key and without a session, at this Unix second."""
    if outcome.waiting:
        return ()
    found = ((peer, count) for _, peer, count in _counted(tunnels, outcome.actual) if peer.preshared)
    why = "no handshake, with a preshared key: give both ends the same one"
    return tuple(
        f"E122 link to {peer.member} gateway {peer.gateway}: {why}"
        for peer, count in found
        if now - count.handshake > REJECTED
    )


def silent_gateways(tunnels: Iterable[Tunnel], outcome: Outcome, now: float) -> tuple[str, ...]:
    """One line for each gateway of its own member that a node has no session with, at this Unix second."""
    if outcome.waiting:
        return ()
    lines: list[str] = []
    for tunnel in tunnels:
        for peer in tunnel.peers:
            if not (tunnel.rail or tunnel.spare) and peer.endpoint and tunnel.device in outcome.actual:
                handshake = outcome.actual[tunnel.device].counters.get(peer.key, Counters()).handshake
                if now - handshake > REJECTED:
                    lines.append(
                        f"E190 gateway {peer.gateway} of our own: no handshake at {peer.endpoint}; open that UDP port "
                        "between the nodes"
                    )
    return tuple(lines)


def unreached(tunnels: Iterable[Tunnel], outcome: Outcome, through: Mapping[Place, str]) -> tuple[str, ...]:
    """One line for each gateway that others hear and this one does not; `through` are the members that carry there."""
    lines: list[str] = []
    for tunnel in tunnels:
        for peer in tunnel.peers:
            place = (tunnel.device, peer.key)
            if peer.sighted and not peer.spare and place in outcome.lost:
                carrier = through.get(place)
                why = "and no member that we reach carries between others (`--relay`)"
                if carrier is not None:
                    why = f"and nothing comes through {carrier}, which carries between others"
                what = f"others hear it at {peer.sighted[0]}, we do not: a NAT changes ports,"
                lines.append(f"E190 link to {peer.member} gateway {peer.gateway}: {what} {why}")
    return tuple(lines)


def received(tunnels: Iterable[Tunnel], actual: Mapping[str, Actual], ways: Collection[str]) -> dict[str, int]:
    """Bytes received on each of the `ways` that are probed. A node knows them by gateway of its own, over which it
    reaches many others: each of these has an equal part.
    """
    found = {peer.overlay: count.rx for _, peer, count in _counted(tunnels, actual)}
    for tunnel in tunnels:
        over = [] if tunnel.rail else [one for one in ways if one.endswith(f"%{tunnel.device}")]
        if over and tunnel.device in actual:
            whole = sum(count.rx for count in actual[tunnel.device].counters.values())
            found |= dict.fromkeys(over, whole // len(over))
    return found


def _elsewhere(peer: WgPeer, endpoint: str) -> str:
    return "" if endpoint in (peer.endpoint, *peer.alternates) else endpoint


def _counted(tunnels: Iterable[Tunnel], actual: Mapping[str, Actual]) -> Iterator[tuple[str, WgPeer, Counters]]:
    """The gateways of other members, each with the device that is in use and what was counted."""
    for tunnel in tunnels:
        if tunnel.rail:
            counters = actual[tunnel.device].counters if tunnel.device in actual else {}
            for peer in (one for one in tunnel.peers if not one.spare):
                yield tunnel.device, peer, counters.get(peer.key, Counters())
