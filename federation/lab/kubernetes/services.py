"""Services: defaults, the addresses that the API server gives them, and what it refuses."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from federation.lab.kubernetes import names
from federation.lab.kubernetes.status import Cause, bad_value, duplicate, required, shown, unsupported

Object = dict[str, Any]
Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
PROTOCOLS = ["SCTP", "TCP", "UDP"]
NO_RANGE = "the provided network does not match the current range"


def defaulted(value: Object) -> Object:
    """The Service with what the API server fills in, save its addresses."""
    spec = dict(value.get("spec") or {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if "ports" in spec:
        spec["ports"] = [_port(one) for one in spec["ports"]]
    return {**value, "spec": spec, "status": value.get("status") or {"loadBalancer": {}}}


def _port(one: Object) -> Object:
    protocol = one.get("protocol") or "TCP"
    return {"name": one["name"], **_ported(one, protocol)} if "name" in one else _ported(one, protocol)


def _ported(one: Object, protocol: str) -> Object:
    return {**one, "protocol": protocol, "targetPort": one.get("targetPort") or one.get("port", 0)}


def causes(value: Object, old: Object | None) -> Iterator[Cause]:
    """All that is wrong with a Service's spec."""
    spec = value["spec"]
    kind = spec["type"]
    if kind != "ExternalName" and not spec.get("ports") and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    if kind == "ExternalName" and not spec.get("externalName"):
        yield bad_value("spec.externalName", "", names.SAY_SUBDOMAIN)
    yield from _ports(spec.get("ports") or [])
    if spec["sessionAffinity"] not in ("None", "ClientIP"):
        yield unsupported("spec.sessionAffinity", spec["sessionAffinity"], ["ClientIP", "None"])
    if kind not in TYPES:
        yield unsupported("spec.type", kind, list(TYPES))
    if spec.get("internalTrafficPolicy", "Cluster") not in ("Cluster", "Local"):
        yield unsupported("spec.internalTrafficPolicy", spec["internalTrafficPolicy"], ["Cluster", "Local"])
    if old is not None:
        yield from _kept(spec, old["spec"])


def _ports(ports: list[Object]) -> Iterator[Cause]:
    seen: list[Any] = []
    used: list[Any] = []
    for index, one in enumerate(ports):
        at = f"spec.ports[{index}]"
        name = one.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{at}.name")
        elif name and (text := names.label(name)):
            yield bad_value(f"{at}.name", name, text)
        if name and name in seen:
            yield duplicate(f"{at}.name", name)
        if not 1 <= one.get("port", 0) <= 65535:
            yield bad_value(f"{at}.port", one.get("port", 0), "must be between 1 and 65535, inclusive")
        if one["protocol"] not in PROTOCOLS:
            yield unsupported(f"{at}.protocol", one["protocol"], list(PROTOCOLS))
        target = one["targetPort"]
        if isinstance(target, int) and not 1 <= target <= 65535:
            yield bad_value(f"{at}.targetPort", target, "must be between 1 and 65535, inclusive")
        key = (one["protocol"], one.get("port"))
        if key in used:
            yield duplicate(at, {"protocol": one["protocol"], "port": one.get("port")})
        seen.append(name)
        used.append(key)


def _kept(spec: Object, old: Object) -> Iterator[Cause]:
    if "ExternalName" in (spec["type"], old["type"]):
        return
    was, now = old.get("clusterIPs") or [], spec.get("clusterIPs") or []
    if was and now and was[0] != now[0]:
        yield bad_value("spec.clusterIPs[0]", now, "may not change once set")


class Addresses:
    """The service ranges of one cluster, the first one's family being the default."""

    def __init__(self, ranges: tuple[Network, ...]) -> None:
        self.ranges = {f"IPv{one.version}": one for one in ranges}
        self.default = f"IPv{ranges[0].version}"

    def given(self, value: Object, taken: set[str], old: Object | None) -> tuple[Object, list[Cause]]:
        """The Service with its families and addresses; causes when what it asks for cannot be had."""
        spec = dict(value["spec"])
        if spec["type"] == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(name, None)
            return {**value, "spec": spec}, []
        if old is not None and not spec.get("clusterIP") and old["spec"].get("clusterIP"):
            for name in ("clusterIP", "clusterIPs"):
                spec[name] = old["spec"][name]
        asked = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
        if old is not None and spec.get("clusterIP") not in (None, *asked[:1]):
            asked = [spec["clusterIP"]]
        found = self._families(spec, asked, old)
        if isinstance(found, Cause):
            return value, [found]
        ips, wrong = self._ips(asked, found, taken)
        spec |= {"clusterIP": ips[0] if ips else "", "clusterIPs": ips, "ipFamilies": found}
        spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or ("RequireDualStack" if len(found) > 1 else "SingleStack")
        return {**value, "spec": spec}, wrong

    def _families(self, spec: Object, asked: list[str], old: Object | None) -> list[str] | Cause:
        families = list(spec.get("ipFamilies") or (old or {}).get("spec", {}).get("ipFamilies") or [])
        for index, family in enumerate(families):
            if family not in self.ranges:
                said = f"Invalid value: {shown(family)}: not configured on this cluster"
                return Cause(f"spec.ipFamilies[{index}]", "FieldValueInvalid", said)
        if not families:
            families = [f"IPv{ip_address(one).version}" for one in asked if _is_ip(one)] or [self.default]
        policy = spec.get("ipFamilyPolicy", "SingleStack")
        if policy == "RequireDualStack" and len(self.ranges) < 2:
            text = "this cluster is not configured for dual-stack services"
            return Cause("spec.ipFamilyPolicy", "FieldValueInvalid", f'Invalid value: "{policy}": {text}')
        if policy != "SingleStack":
            families += [one for one in self.ranges if one not in families]
        return families

    def _ips(self, asked: list[str], families: list[str], taken: set[str]) -> tuple[list[str], list[Cause]]:
        if asked[:1] == ["None"]:
            return ["None"], []
        chosen: list[str] = []
        for index, family in enumerate(families):
            if index < len(asked):
                wrong = self._asked(asked, index, family, taken)
                if wrong:
                    return asked, [wrong]
                chosen.append(asked[index])
            else:
                chosen.append(self._free(family, taken))
        return chosen, []

    def _asked(self, asked: list[str], index: int, family: str, taken: set[str]) -> Cause | None:
        text = asked[index]
        if not _is_ip(text):
            why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            return bad_value(f"spec.clusterIPs[{index}]", text, why)
        if ip_address(text) not in self.ranges[family]:
            return bad_value("spec.clusterIPs", asked, f"failed to allocate IP {text}: {NO_RANGE}")
        if text in taken:
            return bad_value(
                "spec.clusterIPs", asked, f"failed to allocate IP {text}: provided IP is already allocated"
            )
        return None

    def _free(self, family: str, taken: set[str]) -> str:
        network = self.ranges[family]
        first = int(network.network_address) + 10
        make: Callable[[int], Address] = IPv4Address if family == "IPv4" else IPv6Address
        return next(
            str(make(one)) for one in range(first, int(network.broadcast_address)) if str(make(one)) not in taken
        )


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
