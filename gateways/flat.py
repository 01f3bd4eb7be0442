"""Flat mode on a node: whose pods reach ours by address, where ours are, and which of their ports are open. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from federation.model.access import opened_to
from federation.model.cidr import host_of, network_of
from federation.model.confine import Confined, may_open, policies_for
from federation.model.flat import Image, meeting, placed, seen_address, within
from federation.model.handout import Offer, OwnNode, Peer, Pool, Site, Workload
from federation.model.record import family_of
from gateways.flat_state import FlatPeer, Kept, Opening, PodRange, Source


def accept_flat(peer: Peer, site: Site, held: Iterable[str], hosts: Iterable[str], problems: list[str]) -> bool:
    """True when this peer's pods may have its flat ranges: they are nobody else's, and no tunnel ends in them.

    `held` are the ranges of the peers before it, `hosts` the underlay addresses of our own member's programs.
    """
    wrong = _wrong_with(peer, (*site.reachable, *site.local, site.overlay, *held), hosts)
    if wrong:
        problems.append(f"{wrong}; flat mode with it is off")
    return not wrong


def _wrong_with(peer: Peer, taken: Sequence[str], hosts: Iterable[str]) -> str | None:
    said = (one for gateway in peer.gateways for one in (gateway.endpoint, *gateway.alternates))
    ends = [*hosts, *(host_of(endpoint) for endpoint in said)]
    for text in peer.flat:
        try:
            other, network = meeting(text, taken), network_of(text)
        except ValueError as error:
            return f"E101 peer {peer.member}: flat range {error}"
        if other is not None:
            return f"E101 peer {peer.member}: flat range {text} overlaps {other}, which has another owner"
        end = next((one for one in ends if one and ip_address(one) in network), None)
        if end is not None:
            return f"E122 peer {peer.member}: flat range {text} holds {end}, where a tunnel ends"
    return None


def flat_peers_of(peers: Iterable[Peer]) -> tuple[FlatPeer, ...]:
    """With whom flat mode is in force, by number."""
    found = (FlatPeer(peer.member, peer.number, peer.flat, _egress_of(peer)) for peer in peers if peer.flat)
    return tuple(sorted(found, key=lambda one: one.number))


def _egress_of(peer: Peer) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = ((name, tuple(text for text in ranges if within(text, peer.flat))) for name, ranges in peer.egress.items())
    return tuple(sorted((name, ranges) for name, ranges in found if ranges))


def sources_of(workloads: Iterable[Workload], egress: Mapping[str, tuple[str, ...]]) -> tuple[Source, ...]:
    """The pods whose namespace has an egress address of their family at this node; an address counts once."""
    found: dict[str, Source] = {}
    for one in sorted(workloads, key=lambda one: (one.namespace, one.account)):
        given = {family_of(address): address for address in egress.get(one.namespace, ())}
        for address in one.addresses:
            if family_of(address) in given:
                found.setdefault(address, Source(address, given[family_of(address)]))
    return tuple(sorted(found.values()))


def kept_pods(
    workloads: Iterable[Workload], peers: Iterable[FlatPeer], policies: Sequence[Confined]
) -> tuple[Kept, ...]:
    """The pods that an EgressPolicy keeps from each flat peer's."""
    told = [(one, policies_for(policies, one.namespace, one.account)) for one in workloads] if policies else []
    found = {
        Kept(peer.number, address)
        for peer in peers
        for one, by in told
        if not may_open(by, peer.member)
        for address in one.addresses
    }
    return tuple(sorted(found))


def own_pods(ranges: tuple[str, ...], site: Site, problems: list[str]) -> tuple[PodRange, ...]:
    """This node's pods, in these ranges. What lies in none of the member's ranges in the ledger is left out."""
    found = tuple(PodRange(*one) for one in placed(ranges, site.reachable, site.images))
    for text in sorted(set(ranges) - {one.local for one in found}):
        listed = ", ".join(site.reachable) or "none"
        if within(text, site.local):
            why = "lies in a local range without a --flat-map at the controller"
        else:
            why = f"lies in none of this member's reachable ranges in the ledger [{listed}]"
        problems.append(f"E103 pods {text}: {why}; flat mode leaves its pods out")
    return found


def nodes_pods(nodes: Iterable[OwnNode], site: Site, problems: list[str]) -> dict[str, tuple[str, ...]]:
    """By node the ranges of its pods: in the member's own, and of two nodes that say one the first has it."""
    found: dict[str, tuple[str, ...]] = {}
    taken: dict[str, str] = {}
    for node in sorted(nodes, key=lambda one: one.node):
        kept = []
        for text in node.pods:
            other = None if within(text, site.reachable) else "no range of this member has it"
            met = meeting(text, taken)
            other = f"{met} is node {taken[met]}'s" if met else other
            if other is not None:
                problems.append(f"E101 node {node.node}: pods {text}: {other}; they are left out")
                continue
            taken[text] = node.node
            kept.append(text)
        found[node.node] = tuple(kept)
    return found


def unreached_pods(behind: Mapping[str, Sequence[str]], inside: bool, peers: Sequence[FlatPeer]) -> list[str]:
    """What a gateway says that takes no nodes while flat peers may send it what is for theirs."""
    nodes = sorted(name for name, ranges in behind.items() if ranges)
    if inside or not nodes or not peers:
        return []
    return [
        f"E122 --inside is missing: pods of node {nodes[0]} are not reached over this gateway in flat mode; give it"
    ]


def openings_of(offer: Offer, pools: Iterable[Pool], images: Sequence[Image]) -> tuple[Opening, ...]:
    """Every port of an endpoint that some member, a namespace of one, or all may open.

    An endpoint stands there under each of its addresses, its own and the one that others know. Readiness counts for
    nothing: it is no permission.
    """
    who = {(port.name, port.protocol): opened_to(port, offer.access) for port in offer.ports}
    found = {
        Opening(address, port.protocol.lower(), port.port, source.member, source.namespace)
        for pool in pools
        for port in pool.ports
        for source in who.get((port.name, port.protocol), ())
        for endpoint in pool.endpoints
        for address in {endpoint.address, seen_address(endpoint.address, images)}
    }
    return tuple(sorted(found))
