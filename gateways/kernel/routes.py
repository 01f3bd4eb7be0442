"""Links, addresses and routes by netlink (rtnetlink(7), pyroute2)."""

import errno
import socket
from collections.abc import Iterable
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from federation.model.errors import Unavailable
from gateways.render.routes import (
    PROTOCOL,
    AddAddress,
    AddRoute,
    AddRule,
    DropAddress,
    DropLink,
    DropRoute,
    Link,
    RuleStep,
    SetLink,
    Step,
)
from gateways.state import Way

SCOPE_LINK = 253
ALREADY = (errno.EEXIST,)
ABSENT = (errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENODEV)
IFF_UP = 1
NO_DAD = 0x02
MAIN = 254
"""The main routing table (rtnetlink(7), RT_TABLE_MAIN)."""

METRIC = 1024
"""What the kernel gives to an IPv6 route that asks for none (ipv6.h, IP6_RT_PRIO_USER)."""

FAMILIES = {"ip": socket.AF_INET, "ip6": socket.AF_INET6}
PRIORITY = 157
"""Of our rules: before that of the main table (32766)."""


class LinuxRoutes:
    """The port `Routes` on Linux, in the network namespace of this process."""

    def read(self, device: str) -> Link | None:
        """The link as it stands; None when there is none."""
        with IPRoute() as ip:
            index = next(iter(ip.link_lookup(ifname=device)), None)
            if index is None:
                return None
            link = next(iter(ip.get_links(index)))
            return Link(
                device=device,
                mtu=link.get_attr("IFLA_MTU"),
                up=bool(link["flags"] & IFF_UP),
                addresses=tuple(sorted(_addresses(ip, index))),
                routes=tuple(sorted(_routes(ip, index))),
            )

    def rules(self) -> tuple[tuple[int, str], ...]:
        """The tables that rules of our protocol number lead to, by family."""
        with IPRoute() as ip:
            return tuple(
                (rule.get_attr("FRA_TABLE"), name)
                for name, family in FAMILIES.items()
                for rule in ip.get_rules(family=family)
                if rule.get_attr("FRA_PROTOCOL") == PROTOCOL
            )

    def apply_rules(self, steps: Iterable[RuleStep]) -> None:
        """Do these steps in order."""
        with IPRoute() as ip:
            for step in steps:
                verb, accepted = ("add", ALREADY) if isinstance(step, AddRule) else ("del", ABSENT)
                mark = {"fwmark": step.table, "table": step.table, "FRA_PROTOCOL": PROTOCOL}
                try:
                    ip.rule(verb, family=FAMILIES[step.family], priority=PRIORITY, **mark)
                except NetlinkError as error:
                    if error.code not in accepted:
                        raise Unavailable(f"{type(step).__name__} {step.table}: {error}") from None

    def apply(self, steps: Iterable[Step]) -> None:
        """Do these steps in order."""
        with IPRoute() as ip:
            for step in steps:
                index = next(iter(ip.link_lookup(ifname=step.device)), None)
                if index is None:
                    if isinstance(step, DropLink | DropRoute | DropAddress):
                        continue
                    raise Unavailable(f"device {step.device} does not exist")
                _apply(ip, index, step)


def _addresses(ip: IPRoute, index: int) -> Iterable[str]:
    for message in ip.get_addr(index=index):
        if message["scope"] != SCOPE_LINK:
            yield f"{message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"


def _routes(ip: IPRoute, index: int) -> Iterable[Way]:
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in ip.get_routes(family=family, oif=index, proto=PROTOCOL):
            if message["proto"] == PROTOCOL and message.get_attr("RTA_OIF") == index:
                metrics = message.get_attr("RTA_METRICS")
                mtu = 0 if metrics is None else metrics.get_attr("RTAX_MTU") or 0
                table, metric = message.get_attr("RTA_TABLE"), message.get_attr("RTA_PRIORITY") or 0
                prefix = f"{message.get_attr('RTA_DST')}/{message['dst_len']}"
                yield Way(prefix, mtu, 0 if table == MAIN else table, 0 if metric == METRIC else metric)


def _apply(ip: IPRoute, index: int, step: Step) -> None:
    accepted = ALREADY if isinstance(step, AddAddress | AddRoute) else ABSENT
    try:
        _do(ip, index, step)
    except NetlinkError as error:
        if isinstance(step, SetLink) or error.code not in accepted:
            raise Unavailable(f"{type(step).__name__} on {step.device}: {error}") from None


def _do(ip: IPRoute, index: int, step: Step) -> None:
    match step:
        case SetLink():
            ip.link("set", index=index, mtu=step.mtu, state="up")
        case AddAddress():
            ip.addr("add", index=index, **_address(step.address))
        case DropAddress():
            ip.addr("del", index=index, **_address(step.address))
        case AddRoute():
            size = {"metrics": {"mtu": step.route.mtu}} if step.route.mtu else {}
            ip.route("replace", oif=index, proto=PROTOCOL, **_place(step.route), **size)
        case DropRoute():
            ip.route("del", oif=index, proto=PROTOCOL, **_place(step.route))
        case DropLink():
            ip.link("del", index=index)


def _place(way: Way) -> dict[str, Any]:
    return {"dst": way.prefix, "table": way.table or MAIN, **({"priority": way.metric} if way.metric else {})}


def _address(text: str) -> dict[str, Any]:
    address, _, length = text.partition("/")
    made: dict[str, Any] = {"address": address, "prefixlen": int(length)}
    if ":" in address:
        made["flags"] = NO_DAD
    return made
