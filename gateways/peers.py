"""Which peers count, and what follows from them for the node as a whole. Pure."""

from bisect import bisect
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from operator import is_

from msgspec import structs

from federation.model.cidr import NETWORKS_KEPT, Network, first_overlap, network_of
from federation.model.handout import Peer, PeerGateway, Site
from federation.model.spiffe import trust_domain
from gateways.flat import accept_flat
from gateways.state import Admitted, Anchor, Situation


def accept_peers(
    site: Site, peers: Iterable[Peer], problems: list[str], own_key: bytes = b"", hosts: Sequence[str] = ()
) -> tuple[Peer, ...]:
    """The peers whose overlay prefix and gateway keys are theirs alone; the later of two claimants is refused.

    WireGuard itself would silently move a prefix to the last claimant, so ownership is decided here. Order is the
    admission number: the elder keeps what it has. So with the ranges of flat mode, which alone are left out then.
    `hosts` are the underlay addresses of our own member's programs.
    """
    taken = _Taken(network_of(site.overlay))
    keys: set[bytes] = set()
    accepted: list[Peer] = []
    for peer in sorted(peers, key=lambda p: (p.number, p.member)):
        if peer.member == site.member:
            continue
        wrong = _wrong_with(peer, site, taken, keys, own_key)
        if wrong:
            problems.append(f"{wrong}; the peer is left out")
            continue
        taken.add(network_of(peer.overlay))
        keys.update(_keys_of(peer))
        accepted.append(_one_a_rail(peer, problems))
    return _flat_accepted(accepted, site, hosts, problems)


def _flat_accepted(peers: Sequence[Peer], site: Site, hosts: Sequence[str], problems: list[str]) -> tuple[Peer, ...]:
    found: list[Peer] = []
    held = [peer.overlay for peer in peers] if any(peer.flat for peer in peers) else []
    for peer in peers:
        good = not peer.flat or accept_flat(peer, site, held, hosts, problems)
        held += peer.flat if good else ()
        found.append(peer if good else structs.replace(peer, flat=()))
    return tuple(found)


def _keys_of(peer: Peer) -> list[bytes]:
    return [key for g in peer.gateways for key in (g.key, *((g.spare.key,) if g.spare else ()))]


def _one_a_rail(peer: Peer, problems: list[str]) -> Peer:
    """With the first gateway of each rail; whoever knows of no rails says 1 of all of them. A spare key has a rail that
    is nobody else's.
    """
    first: dict[int, PeerGateway] = {}
    for gateway in sorted(peer.gateways, key=lambda g: g.id):
        other = first.setdefault(gateway.rail, gateway)
        if other is not gateway:
            text = f"gateway {gateway.id} is on the rail of gateway {other.id}; it is left out"
            problems.append(f"E121 peer {peer.member}: {text}")
    kept = tuple(_own_spare(peer.member, gateway, first, problems) for gateway in list(first.values()))
    same = all(map(is_, kept, peer.gateways)) and len(kept) == len(peer.gateways)
    return peer if same else structs.replace(peer, gateways=kept)


def _own_spare(member: str, gateway: PeerGateway, by_rail: dict[int, PeerGateway], problems: list[str]) -> PeerGateway:
    if gateway.spare is None:
        return gateway
    if gateway.spare.rail != gateway.rail and by_rail.setdefault(gateway.spare.rail, gateway) is gateway:
        return gateway
    text = f"the spare key of gateway {gateway.id} is on a rail that is taken; that key is left out"
    problems.append(f"E121 peer {member}: {text}")
    return structs.replace(gateway, spare=None)


class _Taken:
    """Prefixes that have an owner. None overlaps another, so only the neighbours of a new one can overlap it."""

    def __init__(self, first: Network) -> None:
        self._sorted = [_place(first)]
        self._networks = {_place(first): first}

    def add(self, network: Network) -> None:
        place = _place(network)
        self._sorted.insert(bisect(self._sorted, place), place)
        self._networks[place] = network

    def overlapping(self, network: Network) -> Network | None:
        at = bisect(self._sorted, _place(network))
        return first_overlap(network, (self._networks[place] for place in self._sorted[max(0, at - 1) : at + 1]))


def _place(network: Network) -> tuple[int, int]:
    return network.version, int(network.network_address)


def _wrong_with(peer: Peer, site: Site, taken: _Taken, keys: set[bytes], own_key: bytes) -> str | None:
    try:
        prefix = network_of(peer.overlay)
        outside = next((g.overlay for g in peer.gateways if not _lies_in(g.overlay, peer.overlay)), None)
    except ValueError as error:
        return f"E101 peer {peer.member}: {error}"
    other = taken.overlapping(prefix)
    if other is not None:
        return f"E101 peer {peer.member}: overlay {prefix} overlaps {other}, which has another owner"
    if outside is not None:
        return f"E121 peer {peer.member}: gateway address {outside} lies outside its overlay {prefix}"
    if peer.trust_domain != trust_domain(peer.member, site.domain):
        return f"E107 peer {peer.member}: trust domain {peer.trust_domain} is not its own"
    own = _keys_of(peer)
    if own_key and own_key in own:
        return f"E121 peer {peer.member}: one of its gateways has our own WireGuard key"
    if len(set(own) - keys) != len(own):
        return f"E121 peer {peer.member}: a WireGuard key of its gateways is used twice"
    if any(len(key) != 32 for key in own):
        return f"E121 peer {peer.member}: a WireGuard key of its gateways is not 32 bytes"
    return None


@lru_cache(NETWORKS_KEPT)
def _lies_in(address: str, prefix: str) -> bool:
    return ip_address(address) in network_of(prefix)


def anchors_of(site: Site, peers: Iterable[Peer]) -> tuple[Anchor, ...]:
    """The own member's first, then the peers' by name."""
    own = Anchor(site.member, trust_domain(site.member, site.domain), site.anchor)
    return (own, *(Anchor(p.member, p.trust_domain, p.anchor) for p in sorted(peers, key=lambda p: p.member)))


def admitted_of(peers: Iterable[Peer]) -> tuple[Admitted, ...]:
    """Who may enter at a gateway, by name."""
    found = (Admitted(p.member, f"spiffe://{p.trust_domain}/", str(network_of(p.overlay))) for p in peers)
    return tuple(sorted(found, key=lambda one: one.member))


def own_overlay(situation: Situation, site: Site) -> str | None:
    """The overlay address of this gateway: i of the member's prefix for the id i that the controller gave it."""
    number = site.gateways.get(situation.node)
    return None if number is None else str(network_of(site.overlay)[number])
