"""Compare what a node must have with what its kernel holds, apply the difference, read back.

Blocks; the daemon runs it in a thread. Knows nothing of Envoy: that is the xDS session's to say.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from msgspec import Struct

from federation.model.errors import IsthmusError
from gateways.kernel.port import Kernel
from gateways.reach import NO_RELAYS, Contacts, Now, Place
from gateways.render import nft, routes, wireguard
from gateways.render.commands import route_command, wireguard_command
from gateways.render.nft import Table
from gateways.render.routes import Link, link_of
from gateways.render.tables import table_name, table_of
from gateways.render.wireguard import Actual, Device, device_of
from gateways.state import NodeState

STIRS = 3
"""How often a peer that never shook hands is set anew, a pass apart; then it is left to WireGuard's own pace."""


class Wired(Struct, frozen=True):
    """A WireGuard device, and it as a link."""

    device: Device
    link: Link


class Wanted(Struct, frozen=True):
    """What the kernel must hold. Devices whose names begin with `prefix` are ours, `tables` asked by their marks."""

    table: Table
    prefix: str = ""
    wired: tuple[Wired, ...] = ()
    tables: tuple[int, ...] = ()


class Outcome(Struct, frozen=True):
    """What one pass found. `actual` are the devices read back, by name; `changed` names what had to be changed.

    `waiting` when a peer is waited for that was set moments ago: the next pass should come soon. `heard` is where peers
    are heard, by device and key; `lost` are those to be looked for through a third member, `relayed` those heard so.
    """

    problems: tuple[str, ...]
    changed: tuple[str, ...]
    actual: Mapping[str, Actual] = {}
    waiting: bool = False
    heard: Mapping[Place, str] = {}
    lost: frozenset[Place] = frozenset()
    relayed: frozenset[Place] = frozenset()


def wanted_of(state: NodeState) -> Wanted:
    """What the kernel must hold for this state."""
    wired = tuple(Wired(device_of(one), link_of(one)) for one in state.tunnels)
    tables = {route.table for one in wired for route in one.link.routes if route.table}
    return Wanted(table_of(state), state.situation.device, wired, tuple(sorted(tables)))


class Sync:
    """Keeps what it last wished and read, so that it can tell a changed wish from a kernel that lost something."""

    def __init__(self, kernel: Kernel, clock: Callable[[], Now] = lambda: Now(time.monotonic(), time.time())) -> None:
        self._kernel = kernel
        self._clock = clock
        self._contacts = Contacts()
        self._relays: Mapping[Place, str] = NO_RELAYS
        self._devices: dict[str, Device] = {}
        self._table: Table | None = None
        self._fingerprint: str | None = None
        self._stirs: dict[tuple[str, bytes], int] = {}
        self._moved = False

    def once(self, wanted: Wanted, relays: Mapping[Place, str] = NO_RELAYS) -> Outcome:
        """One pass. Without the filter in force nothing else is changed: no link without its default deny. `relays` are
        where peers stand that are reached through a third member.

        One device that cannot be set up keeps no other waiting.
        """
        self._relays = relays
        problems: list[str] = []
        changed: dict[str, None] = {}
        actual: dict[str, Actual] = {}
        try:
            if self._filter(wanted.table):
                changed["nft"] = None
        except IsthmusError as error:
            return Outcome((str(error),), ())
        steps = (*(partial(self._wire, one, actual) for one in wanted.wired), partial(self._settle, wanted))
        for step in steps:
            try:
                changed |= dict.fromkeys(step())
            except IsthmusError as error:
                problems.append(str(error))
        now, contacts = self._clock().seconds, self._contacts
        return Outcome(
            problems=tuple(problems),
            changed=tuple(changed),
            actual=actual,
            waiting=self._waits(wanted, actual),
            heard=contacts.heard(),
            lost=contacts.lost(now),
            relayed=contacts.relayed(now),
        )

    def _wire(self, one: Wired, actual: dict[str, Actual]) -> Iterator[str]:
        if self._wireguard(one.device, actual):
            yield "wireguard"
        if self._routes(one.link):
            yield "routes"

    def _settle(self, wanted: Wanted) -> Iterator[str]:
        """Routes, devices and rules that are wanted no more: only now, for what leads to a prefix over another device
        has taken the place of what led there before.
        """
        names = {one.device.name for one in wanted.wired}
        gone = [name for name in self._kernel.named(wanted.prefix) if name not in names] if wanted.prefix else []
        if not (wanted.wired or gone):
            return
        port = self._kernel.routes
        try:
            self._lead_away(wanted)
        finally:
            self._remove(gone)
        yield from ("wireguard" for _ in gone)
        if wanted.table.name == nft.GATEWAY_TABLE and (rules := routes.rule_changes(wanted.tables, port.rules())):
            port.apply_rules(rules)
            yield "rules"

    def _remove(self, devices: Iterable[str]) -> None:
        for name in devices:
            self._kernel.routes.apply([routes.DropLink(name)])
            self._devices.pop(name, None)
            self._contacts.forget(name)

    def _lead_away(self, wanted: Wanted) -> None:
        """Take away routes that are wanted no more, once all that are wanted are there."""
        port = self._kernel.routes
        links = [one.link for one in wanted.wired] if self._moved else []
        steps = [step for link in links for step in routes.changes(link, port.read(link.device))]
        port.apply([step for step in steps if not isinstance(step, routes.DropRoute)])
        port.apply([step for step in steps if isinstance(step, routes.DropRoute)])
        for link in links if steps else ():
            if left := routes.changes(link, port.read(link.device)):
                raise IsthmusError(f"{link.device} does not hold: {route_command(left[0])}", "E190")
        self._moved = False

    def _filter(self, table: Table) -> bool:
        port = self._kernel.filter
        held = port.read(table.name)
        if held is not None and held == self._fingerprint and table == self._table:
            return False
        port.apply(table, self._table if held is not None and held == self._fingerprint else None)
        self._fingerprint, self._table = port.read(table.name), table
        if self._fingerprint is None:
            raise IsthmusError(f"nft table {table.name} is not there after it was written", "E190")
        return True

    def _wireguard(self, wanted: Device, read: dict[str, Actual]) -> bool:
        """True when something had to be changed."""
        port = self._kernel.wireguard
        actual = port.read(wanted.name)
        steps = wireguard.changes(wanted, actual, self._devices.get(wanted.name))
        if steps:
            port.apply(steps)
            actual = port.read(wanted.name)
            left = wireguard.changes(wanted, actual, wanted)
            if left:
                raise IsthmusError(f"{wanted.name} does not hold: {wireguard_command(left[0])}", "E190")
        else:
            self._stir(wanted, actual)
        self._devices[wanted.name] = wanted
        if actual is not None:
            read[wanted.name] = actual
            port.apply(self._contacts.look(wanted, actual, self._clock(), self._relays))
        return bool(steps)

    def _stir(self, wanted: Device, actual: Actual | None) -> None:
        """Set peers anew that were set in an earlier pass and never shook hands."""
        due = [peer for peer in wireguard.silent(wanted, actual) if self._stirs.get((wanted.name, peer.key), 0) < STIRS]
        aimed = (self._contacts.aimed(wanted.name, peer) for peer in due)
        self._kernel.wireguard.apply(wireguard.anew(wanted.name, aimed))
        for peer in due:
            self._stirs[wanted.name, peer.key] = self._stirs.get((wanted.name, peer.key), 0) + 1

    def _waits(self, wanted: Wanted, actual: Mapping[str, Actual]) -> bool:
        return any(
            self._stirs.get((one.device.name, peer.key), 0) < STIRS
            for one in wanted.wired
            for peer in wireguard.silent(one.device, actual.get(one.device.name))
        )

    def _routes(self, wanted: Link) -> bool:
        """Everything but what goes; True when something had to be changed."""
        port = self._kernel.routes
        steps = routes.changes(wanted, port.read(wanted.device))
        port.apply([step for step in steps if not isinstance(step, routes.DropRoute)])
        self._moved = self._moved or bool(steps)
        return bool(steps)


def remove(kernel: Kernel, role: str, prefix: str) -> None:
    """Remove exactly what bears our name: the role's table, the devices with their addresses and routes, and of a
    gateway the rules.
    """
    kernel.filter.remove(table_name(role))
    kernel.routes.apply([routes.DropLink(name) for name in kernel.named(prefix)])
    if role == "gateway":
        kernel.routes.apply_rules(routes.rule_changes((), kernel.routes.rules()))
