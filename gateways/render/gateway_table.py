"""The nft table of the role gateway: what may enter, what may cross, and on which rail it is answered."""

from collections.abc import Iterable, Sequence

from gateways.flat_state import FlatMode
from gateways.render import flat as flat_mode
from gateways.render.flat import ACCEPT, DROP, KNOWN, clamp
from gateways.render.nft import (
    GATEWAY_TABLE,
    Chain,
    Json,
    Rule,
    Table,
    equal,
    from_devices,
    meta,
    one_of,
    payload,
    to_devices,
)
from gateways.state import RELAY_PORT, Tunnel
from gateways.tunnels import TABLE

ERRORS = ("destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem")
QUESTIONS, ANSWERS = ("echo-request", *ERRORS), ("echo-reply", *ERRORS)
"""ICMPv6 that a node may send to other members, and get from there (RFC 4890 section 4.3)."""

ECHO: Json = equal(payload("icmpv6", "type"), "echo-request")
CT_MARK: Json = {"ct": {"key": "mark"}}


def gateway_table(
    tunnels: Iterable[Tunnel],
    address: str,
    port: int,
    *,
    drained: bool = False,
    relay: bool = False,
    flat: FlatMode | None = None,
) -> Table:
    """Default deny: from a peer only the gateway's port and echo are reachable, and nothing crosses but what own nodes
    ask of peers' gateways, and the answers. One that is drained carries all this, but echo: so its peers and nodes take
    it for lost and go elsewhere, while what they sent still arrives. With flat peers more may cross.
    """
    made = tuple(tunnels)
    rails = [one for one in made if one.rail]
    nodes = [one for one in made if not one.rail]
    devices, inside = [one.device for one in rails], [one.device for one in nodes]
    to_port = (equal(payload("ip6", "daddr"), address), equal(payload("tcp", "dport"), port), ACCEPT)
    echo: Rule = (ECHO, *DROP) if drained else (ECHO, ACCEPT)
    frames = _relayed(rails, address, relay)
    chains = [Chain(name="from_peers", rules=(echo, (KNOWN, ACCEPT), to_port, *frames, DROP))]
    entering: list[Rule] = [(from_devices(devices), {"jump": {"target": "from_peers"}})]
    crossing: list[Rule] = [(from_devices(devices), KNOWN, ACCEPT), (from_devices(devices), *DROP)]
    if nodes:
        chains.append(Chain(name="from_nodes", rules=(echo, (KNOWN, ACCEPT), DROP)))
        entering.append((from_devices(inside), {"jump": {"target": "from_nodes"}}))
        silent: list[Rule] = [(from_devices(inside), ECHO, *DROP)] if drained else []
        crossing = [*silent, *_crossing(devices, inside, port), *crossing, (from_devices(inside), *DROP)]
    if flat is not None:
        crossing = [*flat_mode.gateway_crossing(flat, devices, inside), *crossing]
        entering = [*flat_mode.gateway_entering(flat, devices), *entering]
        chains += flat_mode.gateway_chains(flat, devices, inside)
    chains += [
        Chain(name="forward", kind="filter", hook="forward", rules=tuple(crossing)),
        Chain(name="input", kind="filter", hook="input", rules=tuple(entering)),
        Chain(name="mss", kind="filter", hook="postrouting", priority=-150, rules=(clamp([*devices, *inside]),)),
    ]
    if nodes:
        chains.append(_untracked(devices, nodes, port))
    if len(rails) > 1:
        chains += _pinned(rails, address)
    return Table(GATEWAY_TABLE, tuple(chains), () if flat is None else flat_mode.sets_of(flat))


def _relayed(rails: Iterable[Tunnel], address: str, relay: bool) -> Iterable[Rule]:
    """What is carried through a third member comes from anybody to one that carries, else from those that do."""
    here = (equal(payload("ip6", "daddr"), address), equal(payload("udp", "dport"), RELAY_PORT), ACCEPT)
    carriers = sorted({peer.overlay for one in rails for peer in one.peers if peer.relay})
    if relay:
        yield here
    elif carriers:
        yield (one_of(payload("ip6", "saddr"), carriers), *here)


def _crossing(devices: Sequence[str], inside: Sequence[str], port: int) -> Iterable[Rule]:
    """What own nodes may ask, and what may answer them. Which packets belong together is not asked: another gateway of
    ours may have carried the first ones. A peer begins nothing, for what opens a connection is never an answer.
    """
    there, back = (from_devices(inside), to_devices(devices)), (from_devices(devices), to_devices(inside))
    flags: Json = {"&": [payload("tcp", "flags"), {"|": ["syn", "ack"]}]}
    opens_nothing: Json = {"match": {"op": "!=", "left": flags, "right": "syn"}}
    yield *there, equal(payload("tcp", "dport"), port), ACCEPT
    yield *there, one_of(payload("icmpv6", "type"), QUESTIONS), ACCEPT
    yield *back, equal(payload("tcp", "sport"), port), opens_nothing, ACCEPT
    yield *back, one_of(payload("icmpv6", "type"), ANSWERS), ACCEPT
    yield *back, *DROP


def _untracked(devices: Sequence[str], nodes: Sequence[Tunnel], port: int) -> Chain:
    """What crosses to nodes (where the first way leads) is not tracked: there is no state that a lost gateway would
    take with it, and no limit.
    """
    rules: list[Rule] = [
        (from_devices([one.device for one in nodes]), equal(payload("tcp", "dport"), port), {"notrack": None})
    ]
    for way in nodes[0].ways[:1]:
        first, _, bits = way.prefix.partition("/")
        to_node = equal(payload("ip6", "daddr"), {"prefix": {"addr": first, "len": int(bits)}})
        rules.append((from_devices(devices), to_node, equal(payload("tcp", "sport"), port), {"notrack": None}))
    return Chain(name="untracked", kind="filter", hook="prerouting", priority=-300, rules=tuple(rules))


def _pinned(rails: Iterable[Tunnel], address: str) -> Iterable[Chain]:
    """What came over a rail is answered on it: the mark of its connection leads to the rail's own table."""
    coming: list[Rule] = []
    going: list[Rule] = []
    devices: dict[int, list[str]] = {}
    for one in rails:
        devices.setdefault(TABLE + one.rail, []).append(one.device)
    for mark, names in devices.items():
        coming.append((from_devices(names), {"mangle": {"key": CT_MARK, "value": mark}}))
        marked: Json = {"mangle": {"key": meta("mark"), "value": mark}}
        going.append((equal(payload("ip6", "saddr"), address), equal(CT_MARK, mark), marked))
    yield Chain(name="rails_in", kind="filter", hook="prerouting", priority=-150, rules=tuple(coming))
    yield Chain(name="rails_out", kind="route", hook="output", priority=-150, rules=tuple(going))
