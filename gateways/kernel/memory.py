"""The twin: a kernel in memory with real state, for tests of everything above the ports.

It keeps WireGuard's own habit that a prefix set on one peer is taken from every other, prints itself as the commands
that a person would type, and fails the call that it is told to fail.
"""

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from federation.model.errors import Unavailable
from gateways.kernel.port import Kernel
from gateways.render import nft, routes, wireguard
from gateways.render.commands import route_command, rule_command, wireguard_command


class Ledger(Struct):
    """What the three ports share: the commands so far, and which call is to fail (1 is the next)."""

    commands: list[str] = field(default_factory=list)
    fail: int = 0

    def call(self) -> None:
        """Count one applied step; Unavailable when it is the one to fail."""
        if self.fail:
            self.fail -= 1
            if self.fail == 0:
                raise Unavailable("the twin was told to fail this call")


class MemoryWireGuard:
    """Devices in memory."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.devices: dict[str, wireguard.Actual] = {}

    def read(self, device: str) -> wireguard.Actual | None:
        """What the device holds."""
        return self.devices.get(device)

    def apply(self, steps: Iterable[wireguard.Step]) -> None:
        """Do these steps."""
        for step in steps:
            self._ledger.call()
            self._ledger.commands.append(wireguard_command(step))
            self._do(step)

    def _do(self, step: wireguard.Step) -> None:
        if isinstance(step, wireguard.Create):
            self.devices[step.name] = wireguard.Actual(wireguard.Device(name=step.name, private_key=b"", port=0), {})
            return
        actual = self.devices[step.name]
        device = actual.device
        match step:
            case wireguard.SetDevice():
                device = msgspec.structs.replace(device, private_key=step.private_key, port=step.port)
            case wireguard.SetPeer():
                device = msgspec.structs.replace(device, peers=_with_peer(device.peers, step.peer))
            case wireguard.DropPeer():
                kept = tuple(peer for peer in device.peers if peer.key != step.key)
                device = msgspec.structs.replace(device, peers=kept)
        counters = {peer.key: actual.counters.get(peer.key, wireguard.Counters()) for peer in device.peers}
        self.devices[step.name] = wireguard.Actual(device, counters)


def _with_peer(peers: tuple[wireguard.Peer, ...], new: wireguard.Peer) -> tuple[wireguard.Peer, ...]:
    held = next((peer for peer in peers if peer.key == new.key), None)
    endpoint = new.endpoint or (held.endpoint if held else "")
    made = [msgspec.structs.replace(new, endpoint=endpoint)]
    for peer in peers:
        if peer.key != new.key:
            left = tuple(prefix for prefix in peer.allowed if prefix not in new.allowed)
            made.append(msgspec.structs.replace(peer, allowed=left))
    return tuple(sorted(made))


class MemoryRoutes:
    """Links in memory. A link exists when the twin's WireGuard made the device."""

    def __init__(self, ledger: Ledger, devices: MemoryWireGuard) -> None:
        self._ledger = ledger
        self._devices = devices
        self.links: dict[str, routes.Link] = {}
        self.tables: set[tuple[int, str]] = set()
        self.broken: set[str] = set()
        """Devices that take no route."""

    def rules(self) -> tuple[tuple[int, str], ...]:
        """The tables that rules lead to, by family."""
        return tuple(sorted(self.tables))

    def apply_rules(self, steps: Iterable[routes.RuleStep]) -> None:
        """Do these steps."""
        for step in steps:
            self._ledger.call()
            self._ledger.commands.append(rule_command(step))
            (self.tables.add if isinstance(step, routes.AddRule) else self.tables.discard)((step.table, step.family))

    def read(self, device: str) -> routes.Link | None:
        """The link as it stands."""
        if device not in self._devices.devices:
            return None
        empty = routes.Link(device=device, mtu=1420, up=False, addresses=(), routes=())
        return self.links.get(device, empty)

    def apply(self, steps: Iterable[routes.Step]) -> None:
        """Do these steps."""
        for step in steps:
            self._ledger.call()
            self._ledger.commands.append(route_command(step))
            if isinstance(step, routes.DropLink):
                self._devices.devices.pop(step.device, None)
                self.links.pop(step.device, None)
                continue
            link = self.read(step.device)
            if link is None or (isinstance(step, routes.AddRoute) and step.device in self.broken):
                raise Unavailable(f"device {step.device} does not exist")
            self.links[step.device] = _after(link, step)


def _after(link: routes.Link, step: routes.Step) -> routes.Link:
    addresses, held = set(link.addresses), set(link.routes)
    mtu, up = link.mtu, link.up
    match step:
        case routes.SetLink():
            mtu, up = step.mtu, True
        case routes.AddAddress():
            addresses.add(step.address)
        case routes.DropAddress():
            addresses.discard(step.address)
        case routes.AddRoute():
            held = {route for route in held if route.place != step.route.place} | {step.route}
        case routes.DropRoute():
            held = {route for route in held if route.place != step.route.place}
    return routes.Link(
        device=link.device,
        mtu=mtu,
        up=up,
        addresses=tuple(sorted(addresses)),
        routes=tuple(sorted(held)),
    )


class MemoryFilter:
    """Tables in memory."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.tables: dict[str, nft.Table] = {}

    def read(self, table: str) -> str | None:
        """The fingerprint of the table."""
        held = self.tables.get(table)
        return None if held is None else hashlib.sha256(msgspec.json.encode(held)).hexdigest()

    def apply(self, table: nft.Table, before: nft.Table | None = None) -> None:
        """Replace the table."""
        self._ledger.call()
        self._ledger.commands.append(f"nft -j -f - # replace table {nft.FAMILY} {table.name}")
        self.tables[table.name] = table

    def remove(self, table: str) -> None:
        """Remove the table."""
        self._ledger.call()
        self._ledger.commands.append(f"nft delete table {nft.FAMILY} {table}")
        self.tables.pop(table, None)


class Twin:
    """A whole kernel in memory."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.wireguard = MemoryWireGuard(self.ledger)
        self.routes = MemoryRoutes(self.ledger, self.wireguard)
        self.filter = MemoryFilter(self.ledger)
        self.kernel: Kernel = self

    def named(self, prefix: str) -> tuple[str, ...]:
        """The links whose names begin so."""
        return tuple(sorted(name for name in self.wireguard.devices if name.startswith(prefix)))
