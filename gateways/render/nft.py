"""Our one nft table of each role, as libnftables JSON (libnftables-json(5)). Nothing outside it is ever touched.

Every rule bears a comment with the hash of its own expression, so that reading the table back tells what stands there
whatever spelling nft prefers in its answers.
"""

from collections.abc import Iterable
from hashlib import sha256
from ipaddress import ip_address

import msgspec
from msgspec import Struct

from gateways.state import GATEWAY_PORT, Capture, NodeState

Json = dict[str, object]

NODE_TABLE = "isthmus_node"
GATEWAY_TABLE = "isthmus_gateway"
FAMILY = "inet"


class Chain(Struct, frozen=True, kw_only=True):
    """A chain. `hook` is "" for one that is only jumped to; `kind` is filter, nat or route."""

    name: str
    kind: str = ""
    hook: str = ""
    priority: int = 0
    rules: tuple[tuple[Json, ...], ...] = ()

    def marks(self) -> tuple[str, ...]:
        """The comments of its rules, in order."""
        return tuple(mark(rule) for rule in self.rules)


class Table(Struct, frozen=True):
    """The whole of what bears our name."""

    name: str
    chains: tuple[Chain, ...]


def mark(rule: tuple[Json, ...]) -> str:
    """The comment of a rule: our name and the hash of its expression."""
    return f"isthmus:{sha256(msgspec.json.encode(rule, order='sorted')).hexdigest()[:12]}"


def table_of(state: NodeState) -> Table:
    """The table of this node's role."""
    if state.tunnel is not None and state.situation.role == "gateway":
        return gateway_table(state.tunnel.device, state.tunnel.address, GATEWAY_PORT)
    return node_table(state.situation.address, state.captures)


def table_name(role: str) -> str:
    """The name of the table of a role."""
    return GATEWAY_TABLE if role == "gateway" else NODE_TABLE


def node_table(address: str, captures: Iterable[Capture]) -> Table:
    """TCP to a clusterset IP, from pods and from the node itself, arrives at the listener on `address`."""
    rules = tuple(_capture(address, capture) for capture in captures)
    return Table(
        NODE_TABLE,
        (
            Chain(name="output", kind="nat", hook="output", priority=-100, rules=rules),
            Chain(name="prerouting", kind="nat", hook="prerouting", priority=-100, rules=rules),
        ),
    )


def gateway_table(device: str, address: str, port: int) -> Table:
    """Default deny: from a peer only the gateway's port and echo are reachable, and nothing is forwarded."""
    from_peers: tuple[tuple[Json, ...], ...] = (
        (_state(), {"accept": None}),
        (_equal(_payload("icmpv6", "type"), "echo-request"), {"accept": None}),
        (_equal(_payload("ip6", "daddr"), address), _equal(_payload("tcp", "dport"), port), {"accept": None}),
        ({"counter": {"packets": 0, "bytes": 0}}, {"drop": None}),
    )
    forward: tuple[tuple[Json, ...], ...] = (
        (_equal(_meta("iifname"), device), _state(), {"accept": None}),
        (_equal(_meta("iifname"), device), {"counter": {"packets": 0, "bytes": 0}}, {"drop": None}),
    )
    return Table(
        GATEWAY_TABLE,
        (
            Chain(name="from_peers", rules=from_peers),
            Chain(name="forward", kind="filter", hook="forward", rules=forward),
            Chain(
                name="input",
                kind="filter",
                hook="input",
                rules=((_equal(_meta("iifname"), device), {"jump": {"target": "from_peers"}}),),
            ),
            Chain(name="mss", kind="filter", hook="postrouting", priority=-150, rules=(_clamp(device),)),
        ),
    )


def replace_commands(table: Table) -> Json:
    """One atomic transaction: the table as it must be, whatever stood there before."""
    target = {"family": FAMILY, "name": table.name}
    commands: list[Json] = [{"add": {"table": target}}, {"delete": {"table": target}}, {"add": {"table": target}}]
    commands.extend({"add": {"chain": _chain(table.name, chain)}} for chain in table.chains)
    for chain in table.chains:
        for rule in chain.rules:
            body: Json = {
                "family": FAMILY,
                "table": table.name,
                "chain": chain.name,
                "comment": mark(rule),
                "expr": list(rule),
            }
            commands.append({"add": {"rule": body}})
    return {"nftables": commands}


def delete_commands(name: str) -> Json:
    """One transaction that removes our table; adding it first makes removing the absent succeed."""
    target = {"family": FAMILY, "name": name}
    return {"nftables": [{"add": {"table": target}}, {"delete": {"table": target}}]}


def _chain(table: str, chain: Chain) -> Json:
    body: Json = {"family": FAMILY, "table": table, "name": chain.name}
    if chain.hook:
        body |= {"type": chain.kind, "hook": chain.hook, "prio": chain.priority, "policy": "accept"}
    return body


def _capture(address: str, capture: Capture) -> tuple[Json, ...]:
    family = "ip" if ip_address(capture.address).version == 4 else "ip6"
    return (
        _equal(_payload(family, "daddr"), capture.address),
        _equal(_payload("tcp", "dport"), capture.port),
        {"dnat": {"family": family, "addr": address, "port": capture.listener}},
    )


def _clamp(device: str) -> tuple[Json, ...]:
    syn: Json = {"match": {"op": "in", "left": _payload("tcp", "flags"), "right": "syn"}}
    size: Json = {"tcp option": {"name": "maxseg", "field": "size"}}
    return (
        _equal(_meta("oifname"), device),
        syn,
        {"mangle": {"key": size, "value": {"rt": {"key": "mtu"}}}},
    )


def _state() -> Json:
    return {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}


def _meta(key: str) -> Json:
    return {"meta": {"key": key}}


def _payload(protocol: str, field: str) -> Json:
    return {"payload": {"protocol": protocol, "field": field}}


def _equal(left: Json, right: object) -> Json:
    return {"match": {"op": "==", "left": left, "right": right}}
