"""What keeps a tree of policies from being one that answers every client, in one line. Pure."""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from itertools import chain

from federation.model.cidr import forbidden_address
from federation.model.names import is_label
from federation.model.policy import PPM, WEIGHT, Range, is_target
from federation.model.routing import (
    ADDRESSES,
    AT_LEAST,
    BIAS,
    BRANCHES,
    EVERYBODY,
    LATITUDE,
    LONGITUDE,
    MATCHES,
    NODES_MAX,
    RULES,
    TOGETHER,
    AnyNode,
    Canary,
    Geo,
    Law,
    Match,
    Proximity,
    Routing,
    Static,
    Subnets,
    Weighted,
    branches_of,
    node_name,
)

V6_LONGEST = 64
_GEO = re.compile(
    r"continent/(AF|AN|AS|EU|NA|OC|SA)|country/[A-Z]{2}|subdivision/[A-Z]{2}-[A-Z0-9]{1,3}|asn/[1-9][0-9]{0,9}"
)
NO_GEO = "is no place: write asn/NUMBER, subdivision/US-CA, country/FR or continent/EU"
NO_REFERENCE = "is no branch: write policy/NAME, a region, member/NAME, label/KEY=VALUE or *"


def routing_fault(routing: Routing) -> str:
    """What is wrong with it, naming the policy, the value and what to do; "" for a good one."""
    if not 1 <= len(routing.nodes) <= NODES_MAX:
        return f"{len(routing.nodes)} policies, write 1 to {NODES_MAX}"
    count = sum(len(branches_of(node)) for node in routing.nodes.values())
    if count > TOGETHER.high:
        return f"{count} branches in all policies together, at most {TOGETHER.high}"
    if routing.root not in routing.nodes:
        return f'there is no policy "{routing.root[:80]}" to begin with'
    for name, node in routing.nodes.items():
        wrong = _name_fault(name) or _node_fault(node)
        if wrong:
            return f'policy "{name[:80]}": {wrong}'
    return shape_fault(routing)


def _name_fault(name: str) -> str:
    return "" if is_label(name) else "its name is not a DNS label"


def _node_fault(node: AnyNode) -> str:
    fault = _ranges_fault(node) or _references_fault(node)
    if fault:
        return fault
    match node:
        case Geo():
            return _matches_fault(node.rules, _geo_fault)
        case Subnets():
            return _matches_fault(node.rules, _cidr_fault)
        case Weighted():
            return "" if any(one.weight for one in node.to) else "all weights are 0: give at least one branch a weight"
        case Static():
            return _twice(node.addresses) or next(filter(None, map(_address_fault, node.addresses)), "")
        case _:
            return ""


def _ranges_fault(node: AnyNode) -> str:
    found = next((one for one in _numbers(node) if not one[2].low <= one[1] <= one[2].high), None)
    if found is None:
        return ""
    what, value, allowed = found
    return f"{what} {value} is not {allowed.low} to {allowed.high}"


_Number = tuple[str, int, Range]


def _numbers(node: AnyNode) -> Iterator[_Number]:
    yield "atLeast", node.at_least, AT_LEAST
    match node:
        case Static():
            yield "number of addresses", len(node.addresses), ADDRESSES
            return
        case Geo() | Subnets():
            yield "number of rules", len(node.rules), RULES
            yield "branches of otherwise", len(node.otherwise), BRANCHES
            yield from chain.from_iterable(map(_of_rule, node.rules))
        case Canary():
            yield "parts per million", node.ppm, Range(1, PPM.high)
            yield "branches of otherwise", len(node.otherwise), BRANCHES
        case Weighted():
            yield from ((f"weight of {one.to[:80]}", one.weight, WEIGHT) for one in node.to)
            yield "number of branches", len(node.to), BRANCHES
        case Proximity():
            for one in node.to:
                yield f"latitude of {one.to[:80]}", one.latitude, LATITUDE
                yield f"longitude of {one.to[:80]}", one.longitude, LONGITUDE
                yield f"bias of {one.to[:80]}", one.bias, BIAS
            yield "number of branches", len(node.to), BRANCHES
        case _:
            yield "number of branches", len(node.to), BRANCHES


def _of_rule(rule: Match) -> Iterator[_Number]:
    yield "number of matches of a rule", len(rule.match), MATCHES
    yield "branches of a rule", len(rule.to), BRANCHES


def _references_fault(node: AnyNode) -> str:
    for reference in branches_of(node):
        if reference != EVERYBODY and not is_target(reference) and not is_label(node_name(reference)):
            return f'"{reference[:80]}" {NO_REFERENCE}'
        if isinstance(node, Law) and node_name(reference):
            return f'"{reference[:80]}": steered takes members, not policies; write failover'
    return ""


def _matches_fault(rules: tuple[Match, ...], fault: Callable[[str], str]) -> str:
    every = [one for rule in rules for one in rule.match]
    return next(filter(None, map(fault, every)), "") or _twice(every)


def _twice(every: list[str] | tuple[str, ...]) -> str:
    seen: set[str] = set()
    for one in every:
        if one in seen:
            return f'"{one}" stands there twice'
        seen.add(one)
    return ""


def _geo_fault(text: str) -> str:
    return "" if _GEO.fullmatch(text) else f'"{text[:80]}" {NO_GEO}'


def _cidr_fault(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError:
        return f'"{text[:80]}" is no range such as 192.0.2.0/24, without host bits'
    if text != str(network):
        return f'"{text[:80]}": write {network}'
    if network.version == 6 and network.prefixlen > V6_LONGEST:
        return f'"{text}": /{V6_LONGEST} is the longest prefix of IPv6'
    return ""


def _address_fault(text: str) -> str:
    why = forbidden_address(text)
    if why is not None:
        return f'address "{text[:80]}" {why}'
    return "" if text == str(ip_address(text)) else f'address "{text[:80]}": write {ip_address(text)}'


def shape_fault(routing: Routing) -> str:
    """What keeps this from being a tree that answers every client, or ""."""
    return _unknown(routing) or _circle(routing) or _unused(routing)


def _below(routing: Routing, name: str) -> Iterator[str]:
    return filter(None, map(node_name, branches_of(routing.nodes[name])))


def _unknown(routing: Routing) -> str:
    for name in routing.nodes:
        missing = next((below for below in _below(routing, name) if below not in routing.nodes), None)
        if missing is not None:
            return f'policy "{name}": there is no policy "{missing}"; known: {", ".join(sorted(routing.nodes))}'
    return ""


def _circle(routing: Routing) -> str:
    """Depth first from each node that was not seen yet, so that its cost is that of the tree."""
    done: set[str] = set()
    for name in routing.nodes:
        way = _back(routing, name, (), done)
        if way:
            return f'policy "{name}": {" -> ".join(way)} leads back to itself'
    return ""


def _back(routing: Routing, name: str, above: tuple[str, ...], done: set[str]) -> tuple[str, ...]:
    if name in above:
        return (*above[above.index(name) :], name)
    if name in done:
        return ()
    for below in _below(routing, name):
        way = _back(routing, below, (*above, name), done)
        if way:
            return way
    done.add(name)
    return ()


def _unused(routing: Routing) -> str:
    reached, todo = {routing.root}, [routing.root]
    while todo:
        fresh = set(_below(routing, todo.pop())) - reached
        reached |= fresh
        todo += fresh
    left = sorted(routing.nodes.keys() - reached)
    return f'policy "{left[0]}": no other leads to it, and "{routing.root}" is the first' if left else ""
