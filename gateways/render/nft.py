"""nft tables as values, and as libnftables JSON (libnftables-json(5)). Nothing outside ours is ever touched.

Every rule bears a comment with the hash of its own expression, so that reading the table back tells what stands there
whatever spelling nft prefers in its answers.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

Json = dict[str, object]

Rule = tuple[Json, ...]

NODE_TABLE = "isthmus_node"
GATEWAY_TABLE = "isthmus_gateway"
FAMILY = "inet"


class Chain(Struct, frozen=True, kw_only=True):
    """A chain. `hook` is "" for one that is only jumped to; `kind` is filter, nat or route."""

    name: str
    kind: str = ""
    hook: str = ""
    priority: int = 0
    rules: tuple[Rule, ...] = ()

    def marks(self) -> tuple[str, ...]:
        """The comments of its rules, in order."""
        return tuple(mark(rule) for rule in self.rules)


class Set(Struct, frozen=True):
    """A set of addresses of this family (`ip`, `ip6`) with protocols and ports, which rules name by `@name`."""

    name: str
    family: str
    elements: tuple[tuple[str, str, int], ...] = ()


class Map(Struct, frozen=True):
    """A map from addresses of this family to others of it, which rules name by `@name`."""

    name: str
    family: str
    elements: tuple[tuple[str, str], ...] = ()


class Addresses(Struct, frozen=True):
    """A set of addresses of this family, which rules name by `@name`."""

    name: str
    family: str
    elements: tuple[tuple[str], ...] = ()


Named = Set | Map | Addresses
Element = tuple[str, str, int] | tuple[str, str] | tuple[str]


class Table(Struct, frozen=True):
    """The whole of what bears our name."""

    name: str
    chains: tuple[Chain, ...]
    sets: tuple[Named, ...] = ()


def mark(rule: Rule) -> str:
    """The comment of a rule: our name and the hash of its expression."""
    return f"isthmus:{sha256(msgspec.json.encode(rule, order='sorted')).hexdigest()[:12]}"


def replace_commands(table: Table) -> Json:
    """One atomic transaction: the table as it must be, whatever stood there before."""
    target = {"family": FAMILY, "name": table.name}
    commands: list[Json] = [{"add": {"table": target}}, {"delete": {"table": target}}, {"add": {"table": target}}]
    commands.extend({"add": _named(table.name, one)} for one in table.sets)
    commands.extend(_elements("add", table.name, one, one.elements) for one in table.sets if one.elements)
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


def change_commands(table: Table, before: Table) -> Json | None:
    """One transaction from the table as it was; None where more than elements of sets is another."""
    shape = [(one.name, one.family) for one in table.sets]
    if table.chains != before.chains or shape != [(one.name, one.family) for one in before.sets]:
        return None
    commands: list[Json] = []
    for one, other in zip(table.sets, before.sets, strict=True):
        if one.elements is not other.elements:
            now, then = set[Element](one.elements), set[Element](other.elements)
            changes = (("delete", sorted(then - now)), ("add", sorted(now - then)))
            commands += [_elements(verb, table.name, one, found) for verb, found in changes if found]
    return {"nftables": commands}


def _named(table: str, one: Named) -> Json:
    address = "ipv4_addr" if one.family == "ip" else "ipv6_addr"
    target = {"family": FAMILY, "table": table, "name": one.name}
    if isinstance(one, Map):
        return {"map": target | {"type": address, "map": address}}
    if isinstance(one, Addresses):
        return {"set": target | {"type": address}}
    return {"set": target | {"type": [address, "inet_proto", "inet_service"]}}


def _elements(verb: str, table: str, one: Named, elements: Iterable[Element]) -> Json:
    listed = [_written(one, element) for element in elements]
    return {verb: {"element": {"family": FAMILY, "table": table, "name": one.name, "elem": listed}}}


def _written(one: Named, element: Element) -> object:
    if isinstance(one, Addresses):
        return element[0]
    return list(element) if isinstance(one, Map) else {"concat": list(element)}


def delete_commands(name: str) -> Json:
    """One transaction that removes our table; adding it first makes removing the absent succeed."""
    target = {"family": FAMILY, "name": name}
    return {"nftables": [{"add": {"table": target}}, {"delete": {"table": target}}]}


def _chain(table: str, chain: Chain) -> Json:
    body: Json = {"family": FAMILY, "table": table, "name": chain.name}
    if chain.hook:
        body |= {"type": chain.kind, "hook": chain.hook, "prio": chain.priority, "policy": "accept"}
    return body


def meta(key: str) -> Json:
    """Something of the packet's way (`iifname`)."""
    return {"meta": {"key": key}}


def payload(protocol: str, field: str) -> Json:
    """A field of a header."""
    return {"payload": {"protocol": protocol, "field": field}}


def equal(left: Json, right: object) -> Json:
    """The one is the other."""
    return {"match": {"op": "==", "left": left, "right": right}}


def prefix_of(text: str) -> Json:
    """A range in its text form."""
    first, _, bits = text.partition("/")
    return {"prefix": {"addr": first, "len": int(bits)}}


def from_devices(devices: Sequence[str]) -> Json:
    """It came in by one of these."""
    return one_of(meta("iifname"), devices)


def to_devices(devices: Sequence[str]) -> Json:
    """It leaves by one of these."""
    return one_of(meta("oifname"), devices)


def one_of(left: Json, values: Sequence[str]) -> Json:
    """It is any of these."""
    return equal(left, values[0] if len(values) == 1 else {"set": list(values)})
