"""EndpointSlices: defaults and what the API server refuses."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from federation.lab.kubernetes import names
from federation.lab.kubernetes.status import Cause, bad_value, duplicate, required, shown, too_many, unsupported

Object = dict[str, Any]
TYPES = ["FQDN", "IPv4", "IPv6"]
MOST_ENDPOINTS, MOST_PORTS, MOST_ADDRESSES = 1000, 20_000, 100
RANGES = (
    (("127.0.0.0/8", "::1/128"), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
    (("169.254.0.0/16", "fe80::/10"), "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
    (("224.0.0.0/24", "ff02::/16"), "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
)


def defaulted(value: Object) -> Object:
    """The slice with what the API server fills in."""
    endpoints, ports = value.get("endpoints"), value.get("ports")
    filled = {**value, "endpoints": endpoints, "ports": ports}
    if endpoints is not None:
        filled["endpoints"] = [{"conditions": {}, **one} for one in endpoints]
    if ports is not None:
        filled["ports"] = [{"name": "", "protocol": "TCP", **one} for one in ports]
    return filled


def causes(value: Object, old: Object | None) -> Iterator[Cause]:
    """All that is wrong with a slice."""
    kind = value.get("addressType", "")
    if not kind:
        yield required("addressType")
    elif kind not in TYPES:
        yield unsupported("addressType", kind, list(TYPES))
    if old is not None and old.get("addressType") != kind:
        yield bad_value("addressType", kind, "field is immutable")
    endpoints, ports = value.get("endpoints") or [], value.get("ports") or []
    if len(endpoints) > MOST_ENDPOINTS:
        yield too_many("endpoints", len(endpoints), MOST_ENDPOINTS)
        return
    if len(ports) > MOST_PORTS:
        yield too_many("ports", len(ports), MOST_PORTS)
        return
    yield from _ports(ports)
    for index, one in enumerate(endpoints):
        yield from _endpoint(one, kind, f"endpoints[{index}]")


def _ports(ports: list[Object]) -> Iterator[Cause]:
    seen: list[str] = []
    for index, one in enumerate(ports):
        name = one["name"]
        if name and (text := names.label(name)):
            yield bad_value(f"ports[{index}].name", name, text)
        if name in seen:
            yield duplicate(f"ports[{index}].name", name)
        if one["protocol"] not in ("TCP", "UDP", "SCTP"):
            yield unsupported(f"ports[{index}].protocol", one["protocol"], ["SCTP", "TCP", "UDP"])
        seen.append(name)


def _endpoint(one: Object, kind: str, path: str) -> Iterator[Cause]:
    addresses = one.get("addresses") or []
    if not addresses:
        yield required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > MOST_ADDRESSES:
        yield too_many(f"{path}.addresses", len(addresses), MOST_ADDRESSES)
    for index, text in enumerate(addresses):
        yield from _address(text, kind, f"{path}.addresses", index)
    hostname = one.get("hostname")
    if hostname is not None and (fault := names.label(hostname)):
        yield bad_value(f"{path}.hostname", hostname, fault)


def _address(text: str, kind: str, path: str, index: int) -> Iterator[Cause]:
    at = f"{path}[{index}]"
    if kind == "FQDN":
        if fault := names.subdomain(text):
            yield bad_value(at, text, fault)
        return
    try:
        address = ip_address(text)
    except ValueError:
        yield bad_value(at, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
        return
    if f"IPv{address.version}" != kind and kind in TYPES:
        yield Cause(path, "FieldValueInvalid", f"Invalid value: {shown(text)}: must be an {kind} address")
    yield from _special(address, text, at)


def _special(address: IPv4Address | IPv6Address, text: str, at: str) -> Iterator[Cause]:
    if address.is_unspecified:
        yield bad_value(at, text, f"may not be unspecified ({text})")
    for networks, why in RANGES:
        if any(address in ip_network(one) for one in networks):
            yield bad_value(at, text, why)
