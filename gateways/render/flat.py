"""Flat mode in nft: what packets pass between our pods and the peers'. Pure.

A gateway keeps no state, so that another may carry the next packet of a connection: it lets in what begins none, and
what begins one where that is open. The node of a pod sees all of its packets whichever gateways carry them: it knows
which are answers (connection tracking), and lets in nothing else but what is open.
"""

from collections.abc import Iterable, Iterator, Sequence

from gateways.flat_state import FlatMode, FlatPeer, PodRange, Source
from gateways.render.nft import (
    Addresses,
    Chain,
    Json,
    Map,
    Named,
    Rule,
    Set,
    equal,
    from_devices,
    meta,
    payload,
    prefix_of,
    to_devices,
)
from gateways.tunnels import FLAT

ACCEPT: Json = {"accept": None}
DROP: Rule = ({"counter": {"packets": 0, "bytes": 0}}, {"drop": None})
KNOWN: Json = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
JUMP: Json = {"jump": {"target": "flat_in"}}
OPENS: Json = {"match": {"op": "==", "left": {"&": [payload("tcp", "flags"), {"|": ["syn", "ack"]}]}, "right": "syn"}}
FAMILIES = ("ip", "ip6")
ANYBODY = 0
"""In names of sets, where members have their numbers (from 1)."""

SOURCE_NAT, TARGET_NAT = 90, -110
"""Before what others do at 100 and -100 (nft(8), srcnat and dstnat): whoever translates first is the one who does, so
that a CNI's masquerading leaves the addresses of flat mode alone.
"""


def sets_of(flat: FlatMode) -> tuple[Named, ...]:
    """What each peer may open, and what any may, by family; so of those namespaces of theirs that are named. And from
    which address each own pod goes to them.
    """
    numbers = {peer.member: peer.number for peer in flat.peers} | {"": ANYBODY}
    spaces = {peer.number: _spaces(flat, peer) for peer in flat.peers}
    spaces[ANYBODY] = tuple(sorted({name for found in spaces.values() for name in found}))
    found: dict[tuple[str, int, str], list[tuple[str, str, int]]] = {
        (family, number, space): []
        for number in sorted(spaces)
        for space in ("", *spaces[number])
        for family in FAMILIES
    }
    for one in flat.openings:
        key = (_family_of(one.address), numbers.get(one.member, -1), one.namespace)
        if key in found:
            found[key].append((one.address, one.protocol, one.port))
    opened = [Set(_name(*key), key[0], tuple(elements)) for key, elements in found.items()]
    return (*opened, *(_map(family, flat.sources) for family in FAMILIES if flat.sources), *_kept(flat))


def _kept(flat: FlatMode) -> Iterator[Addresses]:
    for number in sorted({one.peer for one in flat.kept}):
        for family in FAMILIES:
            pods = (one.pod for one in flat.kept if one.peer == number and _family_of(one.pod) == family)
            yield Addresses(f"kept_{family}_{number}", family, tuple((pod,) for pod in pods))


def _spaces(flat: FlatMode, peer: FlatPeer) -> tuple[str, ...]:
    """The namespaces of this peer by whose egress addresses something may be open."""
    named = {one.namespace for one in flat.openings}
    return tuple(name for name, _ in peer.egress if name in named)


def _map(family: str, sources: Iterable[Source]) -> Map:
    found = ((one.pod, one.egress) for one in sources if _family_of(one.pod) == family)
    return Map(f"egress_{family}", family, tuple(found))


def gateway_chains(flat: FlatMode, rails: Sequence[str], inside: Sequence[str]) -> Iterator[Chain]:
    """What peers' pods may send to ours, and that none of it is tracked but for pods on this very machine."""
    behind = [one.seen for one in flat.pods] if inside else []
    rules: list[Rule] = []
    for family in FAMILIES:
        ours = _of(family, [*behind, *flat.beside])
        rules.append((*_family(family), *_none_of(family, ours), *DROP))
        if there := _of(family, behind):
            to_node: Rule = (to_devices(inside), _among(family, "daddr", there))
            rules.append((*to_node, {"match": {"op": "!=", "left": meta("l4proto"), "right": "tcp"}}, ACCEPT))
            rules.append((*to_node, _negated(OPENS), ACCEPT))
    rules.append((KNOWN, ACCEPT))
    yield Chain(name="flat_in", rules=(*rules, *_open(flat), DROP))
    if behind:
        yield Chain(name="flat_ways", kind="filter", hook="prerouting", priority=-150, rules=tuple(_ways(flat, rails)))
        yield Chain(
            name="flat_raw", kind="filter", hook="prerouting", priority=-300, rules=tuple(_raw(flat, rails, inside))
        )


def gateway_crossing(flat: FlatMode, rails: Sequence[str], inside: Sequence[str]) -> Iterator[Rule]:
    """From peers' pods what `flat_in` says; of ours everything may go there: the other end decides. From an egress
    address comes what a node sent over its tunnel; of the pods here none has one.
    """
    for family in FAMILIES:
        if egress := _of(family, flat.egress):
            here: Rule = (_negated(from_devices(inside)),) if inside else ()
            yield (*here, to_devices(rails), _among(family, "saddr", egress), *DROP)
        if theirs := _ranges(family, flat.peers):
            yield from_devices(rails), _among(family, "saddr", theirs), JUMP
            if inside:
                yield from_devices(inside), to_devices(rails), _among(family, "daddr", theirs), ACCEPT


def gateway_entering(flat: FlatMode, rails: Sequence[str]) -> Iterator[Rule]:
    """The gateway itself is no pod: peers' pods have nothing to ask of it."""
    for family in FAMILIES:
        if theirs := _ranges(family, flat.peers):
            yield (from_devices(rails), _among(family, "saddr", theirs), *DROP)


def _ways(flat: FlatMode, rails: Sequence[str]) -> Iterator[Rule]:
    """What comes from peers' pods looks for its way in a table of its own, where ours are behind their nodes."""
    for family in FAMILIES:
        if theirs := _ranges(family, flat.peers):
            yield from_devices(rails), _among(family, "saddr", theirs), {"mangle": {"key": meta("mark"), "value": FLAT}}


def _raw(flat: FlatMode, rails: Sequence[str], inside: Sequence[str]) -> Iterator[Rule]:
    for family in FAMILIES:
        theirs, ours = _ranges(family, flat.peers), _of(family, [one.seen for one in flat.pods])
        if theirs and ours:
            yield from_devices(inside), _among(family, "daddr", theirs), {"notrack": None}
            yield from_devices(rails), _among(family, "daddr", ours), {"notrack": None}


def node_chains(flat: FlatMode, tunnels: Sequence[str]) -> Iterator[Chain]:
    """What peers' pods may send to this node's, addresses as each side knows them, and how large segments are."""
    ours = [text for one in flat.pods for text in {one.local, one.seen}] + list(flat.egress)
    crossing: list[Rule] = []
    entering: list[Rule] = []
    for family in FAMILIES:
        theirs, here, egress = _ranges(family, flat.peers), _of(family, ours), _of(family, flat.egress)
        crossing += _leaving(flat, family)
        if tunnels and egress:
            crossing.append((to_devices(tunnels), _among(family, "saddr", egress), *DROP))
        if theirs and here:
            crossing.append((_among(family, "saddr", theirs), _among(family, "daddr", here), JUMP))
        if theirs:
            entering += [(_among(family, "saddr", theirs), *rule) for rule in ((KNOWN, ACCEPT), DROP)]
    yield Chain(name="flat_in", rules=((KNOWN, ACCEPT), *_open(flat), DROP))
    if flat.kept:
        yield Chain(name="flat_kept", rules=((KNOWN, ACCEPT), DROP))
    yield Chain(name="flat_forward", kind="filter", hook="forward", rules=tuple(crossing))
    yield Chain(name="flat_input", kind="filter", hook="input", rules=tuple(entering))
    yield Chain(name="flat_from", kind="nat", hook="postrouting", priority=SOURCE_NAT, rules=tuple(_sources(flat)))
    yield Chain(name="flat_to", kind="nat", hook="prerouting", priority=TARGET_NAT, rules=tuple(_targets(flat)))
    if tunnels:
        yield Chain(name="mss", kind="filter", hook="postrouting", priority=-150, rules=(clamp(tunnels),))


def _leaving(flat: FlatMode, family: str) -> Iterator[Rule]:
    """What pods that are kept from a peer's send there is an answer, or nothing."""
    numbers = {one.peer for one in flat.kept}
    for peer in flat.peers:
        if peer.number in numbers and (theirs := _of(family, peer.ranges)):
            from_kept = equal(payload(family, "saddr"), f"@kept_{family}_{peer.number}")
            yield from_kept, _among(family, "daddr", theirs), {"jump": {"target": "flat_kept"}}


def _sources(flat: FlatMode) -> Iterator[Rule]:
    """Ours from their namespace's egress address, or as others know them; theirs as they are."""
    for family in FAMILIES:
        theirs, ours = _ranges(family, flat.peers), _pods(family, flat.pods)
        if theirs and flat.sources:
            address: Json = {"map": {"key": payload(family, "saddr"), "data": f"@egress_{family}"}}
            yield _among(family, "daddr", theirs), {"snat": {"family": family, "addr": address}}
        for pods in ours if theirs else ():
            outwards = _among(family, "saddr", [pods.local]), _among(family, "daddr", theirs)
            yield (*outwards, _translated("snat", family, "saddr", [(pods.local, pods.seen)]))
            inwards = _among(family, "saddr", theirs), _among(family, "daddr", [pods.local])
            yield (*inwards, _translated("snat", family, "saddr", [(one, one) for one in theirs]))


def _targets(flat: FlatMode) -> Iterator[Rule]:
    for family in FAMILIES:
        theirs = _ranges(family, flat.peers)
        for pods in _pods(family, flat.pods) if theirs else ():
            if pods.local != pods.seen:
                inwards = _among(family, "saddr", theirs), _among(family, "daddr", [pods.seen])
                yield (*inwards, _translated("dnat", family, "daddr", [(pods.seen, pods.local)]))


def _translated(verb: str, family: str, field: str, pairs: Iterable[tuple[str, str]]) -> Json:
    """Prefix by prefix: the last bits stay (nft(8), netmap)."""
    found = [[prefix_of(one), prefix_of(other)] for one, other in pairs]
    mapped: Json = {"map": {"key": payload(family, field), "data": {"set": found}}}
    return {verb: {"family": family, "addr": mapped, "flags": "netmap", "type_flags": "prefix"}}


def _open(flat: FlatMode) -> Iterator[Rule]:
    """What a peer's pods may open, then what any may: who they are is told by their ranges, which WireGuard holds. So
    for each of its namespaces with egress addresses that is named.
    """
    for family in FAMILIES:
        for peer in flat.peers:
            named = set(_spaces(flat, peer))
            spaces = [(name, ranges) for name, ranges in peer.egress if name in named]
            for space, ranges in (("", peer.ranges), *spaces):
                if theirs := _of(family, ranges):
                    for number in (peer.number, ANYBODY):
                        yield _among(family, "saddr", theirs), _listed(family, number, space), ACCEPT


def _listed(family: str, number: int, space: str) -> Json:
    key = [payload(family, "daddr"), meta("l4proto"), payload("th", "dport")]
    return equal({"concat": key}, f"@{_name(family, number, space)}")


def _name(family: str, number: int, space: str) -> str:
    """nft takes no "-" in a name, and no namespace has a "."."""
    return f"open_{family}_{number}" + (f"_{space.replace('-', '.')}" if space else "")


def _family_of(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def clamp(devices: Sequence[str]) -> Rule:
    """TCP segments no larger than what passes on the way."""
    syn: Json = {"match": {"op": "in", "left": payload("tcp", "flags"), "right": "syn"}}
    size: Json = {"tcp option": {"name": "maxseg", "field": "size"}}
    return (to_devices(devices), syn, {"mangle": {"key": size, "value": {"rt": {"key": "mtu"}}}})


def _family(family: str) -> Rule:
    return (equal(meta("nfproto"), "ipv4" if family == "ip" else "ipv6"),)


def _none_of(family: str, ranges: Sequence[str]) -> Rule:
    return (_negated(_among(family, "daddr", ranges)),) if ranges else ()


def _negated(test: Json) -> Json:
    match = test["match"]
    assert isinstance(match, dict)
    return {"match": match | {"op": "!="}}


def _among(family: str, field: str, ranges: Sequence[str]) -> Json:
    found = [prefix_of(text) for text in sorted(ranges)]
    return equal(payload(family, field), found[0] if len(found) == 1 else {"set": found})


def _of(family: str, ranges: Iterable[str]) -> list[str]:
    return sorted({text for text in ranges if (":" in text) == (family == "ip6")})


def _ranges(family: str, peers: Iterable[FlatPeer]) -> list[str]:
    return _of(family, (text for peer in peers for text in peer.ranges))


def _pods(family: str, pods: Iterable[PodRange]) -> list[PodRange]:
    return [one for one in pods if (":" in one.local) == (family == "ip6")]
