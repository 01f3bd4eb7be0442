"""What a machine must have to be a gateway, and what may surprise: each finding says what to do. Pure but for
`facts_of`, which reads /proc, /sys and /etc below a root.
"""

import configparser
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from gateways.machine import number_in
from gateways.probe.sizes import LEAST, MOST
from gateways.verify import Check, Verdict

AROUND = 80
"""Bytes that a link adds to a packet, at most: IPv6 and UDP headers, WireGuard's own and its tag."""

V4 = {0: "", 1: "00000000", 7: "00000000"}
V6 = {0: "0" * 32, 1: "00", 9: ""}
"""Columns of a default route in /proc/net/route and /proc/net/ipv6_route: destination and mask, and the device."""

NETWORKD = ("etc/systemd", "run/systemd", "usr/lib/systemd")
"""Where networkd.conf and its parts are (networkd.conf(5)); of equal names the first counts."""


class Facts(Struct, frozen=True, kw_only=True):
    """What was read. `no_ipv6` are the defaults by which IPv6 is off, `underlay` the devices of default routes with
    their MTUs; `networkd` says that systemd-networkd runs, `foreign` that it looks after routes that others made.
    """

    no_ipv6: tuple[str, ...] = ()
    underlay: tuple[tuple[str, int], ...] = ()
    networkd: bool = False
    foreign: bool = True


def facts_of(root: Path) -> Facts:
    """What this machine's files say; of a container, its network namespace's."""
    devices = sorted({*_devices(root / "proc/net/route", V4), *_devices(root / "proc/net/ipv6_route", V6)} - {"lo"})
    sizes = ((name, number_in(root / "sys/class/net" / name / "mtu")) for name in devices)
    return Facts(
        no_ipv6=tuple(name for name in ("all", "default") if _off(root / "proc/sys/net/ipv6/conf" / name)),
        underlay=tuple(one for one in sizes if one[1]),
        networkd=(root / "run/systemd/netif/state").exists(),
        foreign=_foreign(root),
    )


def findings(facts: Facts) -> Iterable[Check]:
    """What follows from the files."""
    yield Check("machine", "ipv6", *_ipv6(facts))
    yield Check("machine", "underlay", *_underlay(facts))
    yield Check("machine", "networkd", *_networkd(facts))


def _ipv6(facts: Facts) -> tuple[Verdict, str]:
    if not facts.no_ipv6:
        return "ok", "on; links carry it, whatever the underlay is"
    what = " ".join(f"net.ipv6.conf.{name}.disable_ipv6=0" for name in facts.no_ipv6)
    return "failed", f"off, and links carry IPv6: run `sysctl -w {what}`"


def _underlay(facts: Facts) -> tuple[Verdict, str]:
    if not facts.underlay:
        return "warning", "no default route: peers must be reached by routes of their own"
    device, mtu = min(facts.underlay, key=lambda one: one[1])
    if mtu < LEAST + AROUND:
        return "failed", f"{device} has an MTU of {mtu}, a link needs {LEAST + AROUND}: raise it"
    if mtu < MOST + AROUND:
        return "warning", f"{device} has an MTU of {mtu}, less than {MOST + AROUND}: links will carry smaller packets"
    return "ok", f"{device} has an MTU of {mtu}"


def _networkd(facts: Facts) -> tuple[Verdict, str]:
    if not facts.networkd:
        return "ok", "systemd-networkd does not run"
    if not facts.foreign:
        return "ok", "systemd-networkd leaves others' routes alone"
    why = "systemd-networkd removes routes that it did not make, when it restarts; ours come back within 3 s"
    return "warning", f"{why}: set ManageForeignRoutes=no in /etc/systemd/networkd.conf"


def _foreign(root: Path) -> bool:
    """The last part by name counts, whose folder ever it is in, before any whole file (systemd-system.conf(5))."""
    parts = {
        path.name: path for folder in reversed(NETWORKD) for path in (root / folder).glob("networkd.conf.d/*.conf")
    }
    files = [root / folder / "networkd.conf" for folder in NETWORKD]
    for path in (*(parts[name] for name in sorted(parts, reverse=True)), *files):
        said = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            said.read(path)
            return said.getboolean("Network", "ManageForeignRoutes")
        except (configparser.Error, ValueError):
            continue
    return True


def _devices(path: Path, columns: dict[int, str]) -> Iterable[str]:
    """The devices of the lines with these words in these columns; the device is in the column without a word."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if len(words) > max(columns) and all(words[at] == word for at, word in columns.items() if word):
            yield from (words[at] for at, word in columns.items() if not word)


def _off(folder: Path) -> bool:
    return number_in(folder / "disable_ipv6", absent=1) == 1
