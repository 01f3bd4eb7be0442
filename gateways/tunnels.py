"""Which WireGuard devices this node has, and what leads where over them. Pure.

A prefix has one owner on a device, so of each member a *rail*, a device of its own, carries one gateway: all of a
member's gateways are in use at once, each for its member's whole prefix, and none has to hand a prefix over.
A node on another machine than its gateways has a device to each of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from ipaddress import ip_address

from msgspec import structs

from federation.model.cidr import host_of, network_of
from federation.model.handout import OwnGateway, OwnNode, Peer, PeerGateway, Site
from federation.model.overlay import RAILS, SLOTS, federation_of, nodes_of, port_after, rail_key
from federation.model.record import Spare
from federation.model.sighting import SIGHTED_MAX, Sighted
from federation.model.standing import UNKNOWN, Standing
from federation.model.standing import best as better
from gateways.probe.sizes import LEAST, MOST
from gateways.state import Preshared, Situation, Tunnel, Way, WgPeer

TABLE = 0x1110
"""Rail r has the routing table, and its packets the mark, TABLE + r."""

FLAT = TABLE + 9
"""The table, and the mark, of what flat peers send to our pods: the gateway itself reaches them as it did."""

STANDBY = 2048
"""The metric of ways that stand by, together with the gateway's id."""

INSIDE = 9
"""The last digit of the name of a gateway's device for its nodes; a rail's is one less than its number."""

SECOND = "b"
"""What the names of devices under the key in the second slot end with."""

Standings = Mapping[str, Standing]
Sizes = Mapping[str, int]


def rails(
    situation: Situation, site: Site, address: str, peers: Sequence[Peer], sighted: Iterable[Sighted] = ()
) -> tuple[Tunnel, ...]:
    """The devices of this gateway towards other members: the first, and those on which one has a gateway.

    Both ends of a link know it by the other's rail: our device for rail 2 of theirs meets their device for ours. So a
    gateway listens on a port for each rail, counted from that of the first. One of theirs that has two keys has two
    rails.
    """
    own = site.rails.get(rail_key(situation.node, situation.slot), 1)
    by_rail: dict[int, list[WgPeer]] = {1: []}
    told: dict[tuple[str, int], list[Sighted]] = {}
    for one in sighted:
        told.setdefault((one.member, one.gateway), []).append(one)
    for peer in peers:
        for gateway in peer.gateways:
            by_rail.setdefault(gateway.rail, []).append(
                _link(site, peer, gateway, own, told.get((peer.member, gateway.id), ()))
            )
            if gateway.spare is not None:
                link = _link(site, peer, _under_spare(gateway, gateway.spare), own, ())
                by_rail.setdefault(gateway.spare.rail, []).append(structs.replace(link, spare=True))
    return tuple(
        Tunnel(
            device=device_name(situation.device, rail - 1, situation.slot),
            private_key=situation.private_key,
            listen_port=situation.listen_port + situation.slot * RAILS + rail - 1,
            address=address,
            peers=tuple(by_rail[rail]),
            rail=rail,
        )
        for rail in sorted(by_rail)
    )


def device_name(prefix: str, number: int, slot: int) -> str:
    """A device under the key in this slot."""
    return f"{prefix}{number}{SECOND if slot else ''}"


def slot_of(device: str) -> int:
    """The slot of the key under which this device is."""
    return int(device.endswith(SECOND))


def key_under(situation: Situation, device: str) -> bytes:
    """The public key that this device of ours has."""
    held = (situation, situation.spare) if situation.role == "gateway" else ()
    return next((one.public_key for one in held if one and one.slot == slot_of(device)), situation.public_key)


def spare(made: Iterable[Tunnel]) -> tuple[Tunnel, ...]:
    """The devices under our other key: ready, and nothing leaves over them."""
    return tuple(
        structs.replace(one, ways=(), spare=True, peers=tuple(structs.replace(peer, spare=True) for peer in one.peers))
        for one in made
    )


def _under_spare(gateway: PeerGateway, key: Spare) -> PeerGateway:
    return structs.replace(
        gateway, key=key.key, endpoint=key.endpoint, rail=key.rail, alternates=key.alternates, spare=None
    )


def sealed(made: Iterable[Tunnel], preshared: Preshared) -> tuple[Tunnel, ...]:
    """With the preshared keys. Where a member's was never read there is no link to it: none with less."""
    return tuple(
        structs.replace(
            tunnel,
            peers=tuple(
                structs.replace(peer, preshared=preshared.keys.get(peer.member, b""))
                for peer in tunnel.peers
                if peer.member in preshared.keys or peer.member not in preshared.faults
            ),
        )
        for tunnel in made
    )


def _link(site: Site, peer: Peer, gateway: PeerGateway, own_rail: int, told: Collection[Sighted]) -> WgPeer:
    """Of two members the one admitted first starts handshakes anew."""
    return WgPeer(
        member=peer.member,
        gateway=gateway.id,
        key=gateway.key,
        endpoint=port_after(gateway.endpoint, own_rail - 1),
        allowed=(peer.overlay, *peer.flat),
        overlay=gateway.overlay,
        starts=site.number < peer.number,
        alternates=tuple(port_after(endpoint, own_rail - 1) for endpoint in gateway.alternates),
        sighted=tuple(one for one in _seen_at(gateway, own_rail, told) if not _in_tunnel(one, peer)),
        number=peer.number,
        relay=gateway.relay,
    )


def _in_tunnel(endpoint: str, peer: Peer) -> bool:
    """True where packets for this endpoint would be led into the very tunnel."""
    return any(ip_address(host_of(endpoint)) in network_of(text) for text in peer.flat)


def _seen_at(gateway: PeerGateway, own_rail: int, told: Collection[Sighted]) -> tuple[str, ...]:
    """Where others hear the socket that speaks with us; of another socket that bears its own port there, the NAT keeps
    ports, and so ours is beside it.
    """
    first = int(gateway.endpoint.rpartition(":")[2] or 0)
    found = [endpoint for one in told if one.rail == own_rail for endpoint in one.endpoints]
    for one in sorted((one for one in told if one.rail != own_rail), key=lambda one: one.rail):
        for endpoint in one.endpoints:
            host, _, port = endpoint.rpartition(":")
            if int(port) == first + one.rail - 1:
                found.append(f"{host}:{first + own_rail - 1}")
    return tuple(dict.fromkeys(found))[:SIGHTED_MAX]


def led(made: tuple[Tunnel, ...], node: str, peers: Iterable[Peer], ways: Standings, mtus: Sizes) -> tuple[Tunnel, ...]:
    """With what leads to each peer over the rails, in packets as large as pass there.

    To a member with several gateways each has its own address on its rail; its nodes are answered on the rail on which
    they asked (`render/gateway_table.py`) while that is up, else on another. The gateways themselves never are: else
    the probe of a rail that is down would leave over another. Pods of a flat peer are behind all of its gateways: of
    those that are up this gateway takes its own by hash.
    """
    found: dict[int, list[Way]] = {tunnel.rail: [] for tunnel in made}
    for peer in peers:
        if len(peer.gateways) == 1:
            (lone,) = peer.gateways
            found[lone.rail].append(Way(peer.overlay, _size(lone.overlay, mtus)))
        elif peer.gateways:
            _lead(peer, ways, mtus, found)
        if peer.flat and peer.gateways:
            _lead_flat(peer, node, ways, mtus, found)
    return tuple(structs.replace(tunnel, ways=tuple(sorted(found[tunnel.rail]))) for tunnel in made)


def _lead(peer: Peer, ways: Standings, mtus: Sizes, found: dict[int, list[Way]]) -> None:
    up = [gateway for gateway in peer.gateways if ways.get(gateway.overlay, UNKNOWN).up]
    first = (up or peer.gateways)[0]
    found[first.rail].append(Way(peer.overlay, _size(first.overlay, mtus)))
    for gateway in peer.gateways:
        size = _size(gateway.overlay, mtus)
        found[gateway.rail].append(Way(f"{gateway.overlay}/128", size))
        taken = gateway if gateway in up else first
        found[taken.rail].append(Way(nodes_of(peer.overlay), _size(taken.overlay, mtus), TABLE + gateway.rail))


def _lead_flat(peer: Peer, node: str, ways: Standings, mtus: Sizes, found: dict[int, list[Way]]) -> None:
    ranked = sorted(peer.gateways, key=lambda one: sha256(f"{node} {one.id}".encode()).digest())
    taken = next((one for one in ranked if ways.get(one.overlay, UNKNOWN).up), ranked[0])
    found[taken.rail] += [Way(text, _size(taken.overlay, mtus)) for text in peer.flat]


def beside(situation: Situation, node: OwnNode) -> bool:
    """True for the node on this gateway's machine: it has no tunnel, its pods' packets are here already."""
    here = {situation.address, host_of(situation.inside)} - {""}
    return bool(node.address) and ip_address(node.address) in map(ip_address, here)


def inside(
    situation: Situation,
    site: Site,
    address: str,
    nodes: Iterable[OwnNode],
    pods: Mapping[str, tuple[str, ...]],
    problems: list[str],
) -> Tunnel:
    """The device of this gateway for the nodes of its own member; they start, from wherever they are. `pods` by node
    lead there.
    """
    taken: dict[bytes, str] = {}
    peers: list[WgPeer] = []
    for node in sorted(nodes, key=lambda one: one.node):
        other = taken.setdefault(node.key, node.node)
        if other != node.node:
            problems.append(f"E121 node {node.node}: has the WireGuard key of node {other}; it is left out")
            continue
        peers.append(
            WgPeer(
                member=site.member,
                gateway=0,
                key=node.key,
                endpoint="",
                allowed=(f"{node.overlay}/128", *pods.get(node.node, ())),
                overlay=node.overlay,
                node=node.node,
            )
        )
    return Tunnel(
        device=device_name(situation.device, INSIDE, situation.slot),
        private_key=situation.private_key,
        listen_port=int(situation.inside.rpartition(":")[2]) + situation.slot,
        address=address,
        peers=tuple(peers),
        ways=(
            Way(nodes_of(site.overlay)),
            *(Way(text, table=FLAT) for one in peers for text in pods.get(one.node, ())),
        ),
        rail=0,
    )


def to_gateways(
    situation: Situation,
    site: Site,
    address: str,
    own: Iterable[OwnGateway],
    flat: tuple[str, ...] = (),
    pods: bool = False,
) -> tuple[Tunnel, ...]:
    """The devices of a node to the gateways of its member; none where one of them stands on this very machine, but for
    what the others have for its `pods`. `flat` are the ranges of flat peers' pods, which are behind each. One that has
    two keys has two, of which one is spare.
    """
    gateways = sorted(own, key=lambda one: one.id)
    here = ip_address(situation.address) if situation.address else None
    others = [one for one in gateways if ip_address(host_of(one.endpoint)) != here]
    inwards = len(others) < len(gateways)
    if not address or (inwards and not (flat and pods)):
        return ()
    allowed = (federation_of(site.overlay), *flat)
    made = [_to(situation, site, one, allowed) for one in others]
    made += spare(_to(situation, site, _other_key(one), allowed) for one in others if one.spare_key)
    return tuple(structs.replace(one, address=address, inwards=inwards) for one in made)


def _to(situation: Situation, site: Site, one: OwnGateway, allowed: tuple[str, ...]) -> Tunnel:
    peer = WgPeer(
        member=site.member,
        gateway=one.id,
        key=one.key,
        endpoint=one.endpoint,
        allowed=allowed,
        overlay=one.overlay,
        starts=True,
    )
    return Tunnel(
        device=device_name(situation.device, one.id, one.slot),
        private_key=situation.private_key,
        listen_port=0,
        address="",
        peers=(peer,),
        ways=(Way(f"{one.overlay}/128"),),
        rail=0,
    )


def _other_key(one: OwnGateway) -> OwnGateway:
    return structs.replace(one, key=one.spare_key, endpoint=one.spare_endpoint, slot=SLOTS - 1 - one.slot)


def spread(
    made: tuple[Tunnel, ...], node: str, peers: Iterable[Peer], ways: Standings, mtus: Sizes
) -> tuple[Tunnel, ...]:
    """With the way to each peer's gateway over one of ours: of those that get there, the one that is this node's by
    hash. So nodes spread over gateways, and when one is lost nobody else's way is another. Behind it stand the ways
    over the others: they are probed, and the kernel takes one when a device is gone. To the pods of a flat peer leads
    what gets to any of its gateways, in packets that pass to each.
    """
    outwards = [one for one in made if not (one.inwards or one.spare)]
    ranked = sorted(outwards, key=lambda tunnel: sha256(f"{node} {tunnel.peers[0].gateway}".encode()).digest())
    found = {tunnel.device: list(tunnel.ways) for tunnel in made}
    peers = tuple(peers)
    for gateway in (gateway for peer in peers for gateway in peer.gateways) if ranked else ():
        keys = {tunnel.device: scoped(gateway.overlay, tunnel.device) for tunnel in ranked}
        taken = next((one.device for one in ranked if ways.get(keys[one.device], UNKNOWN).up), ranked[0].device)
        for one in ranked:
            metric = 0 if one.device == taken else STANDBY + one.peers[0].gateway
            found[one.device].append(Way(f"{gateway.overlay}/128", _size(keys[one.device], mtus), metric=metric))
    for peer in peers if ranked else ():
        if peer.flat and peer.gateways:
            _spread_flat(peer, ranked, ways, mtus, found)
    return tuple(structs.replace(tunnel, ways=tuple(sorted(found[tunnel.device]))) for tunnel in made)


def _spread_flat(
    peer: Peer, ranked: Sequence[Tunnel], ways: Standings, mtus: Sizes, found: dict[str, list[Way]]
) -> None:
    def up(tunnel: Tunnel) -> list[str]:
        keys = (scoped(gateway.overlay, tunnel.device) for gateway in peer.gateways)
        return [key for key in keys if ways.get(key, UNKNOWN).up]

    taken = next((one for one in ranked if up(one)), ranked[0])
    for one in ranked:
        metric = 0 if one is taken else STANDBY + one.peers[0].gateway
        size = min((size for key in up(one) if (size := _size(key, mtus))), default=0)
        found[one.device] += [Way(text, size, metric=metric) for text in peer.flat]


def scoped(address: str, device: str) -> str:
    """This address as it is reached over this device (RFC 4007 section 11)."""
    return f"{address}%{device}"


def unscoped(found: Mapping[str, Standing]) -> Mapping[str, Standing]:
    """By address: what stands best of the devices that lead there. The very object where there is one of each."""
    if not any("%" in key for key in found):
        return found
    best: dict[str, Standing] = {}
    for key, standing in found.items():
        address = key.partition("%")[0]
        held = best.get(address)
        best[address] = standing if held is None else better((held, standing))
    return best


def _size(key: str, mtus: Sizes) -> int:
    """Where not even LEAST passes, that is asked of the network below; 0: all that the device carries."""
    size = mtus.get(key, MOST)
    return 0 if size >= MOST else size or LEAST


def hosts_of(situation: Situation, own: Iterable[OwnGateway]) -> tuple[str, ...]:
    """The underlay addresses of our member's that this node knows."""
    found = {situation.address, host_of(situation.inside), *(host_of(one.endpoint) for one in own)}
    return tuple(sorted(found - {""}))
