"""Compare what a node must have with what its kernel holds, apply the difference, read back.

Blocks; the daemon runs it in a thread. Knows nothing of Envoy: that is the xDS session's to say.
"""

from msgspec import Struct

from federation.model.errors import IsthmusError
from gateways.kernel.port import Kernel
from gateways.render import nft, routes, wireguard
from gateways.render.commands import route_command, wireguard_command
from gateways.render.nft import Table, table_of
from gateways.render.routes import Link, link_of
from gateways.render.wireguard import Actual, Device, device_of
from gateways.state import NodeState

STIRS = 3
"""How often a peer that never shook hands is set anew, a pass apart; then it is left to WireGuard's own pace."""


class Wanted(Struct, frozen=True):
    """What the kernel must hold. `device` and `link` only at a gateway."""

    table: Table
    device: Device | None = None
    link: Link | None = None


class Outcome(Struct, frozen=True):
    """What one pass found. `actual` is the device read back; `changed` names what had to be changed.

    `waiting` when a peer is waited for that was set moments ago: the next pass should come soon.
    """

    problems: tuple[str, ...]
    changed: tuple[str, ...]
    actual: Actual | None = None
    waiting: bool = False


def wanted_of(state: NodeState) -> Wanted:
    """What the kernel must hold for this state."""
    if state.tunnel is None:
        return Wanted(table_of(state))
    return Wanted(table_of(state), device_of(state.tunnel), link_of(state.tunnel))


class Sync:
    """Keeps what it last wished and read, so that it can tell a changed wish from a kernel that lost something."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._device: Device | None = None
        self._table: Table | None = None
        self._fingerprint: str | None = None
        self._stirs: dict[bytes, int] = {}

    def once(self, wanted: Wanted) -> Outcome:
        """One pass. Without the filter in force nothing else is changed: no link without its default deny."""
        problems: list[str] = []
        changed: list[str] = []
        actual: Actual | None = None
        try:
            if self._filter(wanted.table):
                changed.append("nft")
        except IsthmusError as error:
            return Outcome((str(error),), ())
        try:
            if wanted.device is not None:
                actual = self._wireguard(wanted.device, changed)
            if wanted.link is not None:
                self._routes(wanted.link, changed)
        except IsthmusError as error:
            problems.append(str(error))
        return Outcome(tuple(problems), tuple(changed), actual, self._waits(wanted.device, actual))

    def _filter(self, table: Table) -> bool:
        port = self._kernel.filter
        held = port.read(table.name)
        if held is not None and held == self._fingerprint and table == self._table:
            return False
        port.apply(table)
        self._fingerprint, self._table = port.read(table.name), table
        if self._fingerprint is None:
            raise IsthmusError(f"nft table {table.name} is not there after it was written", "E190")
        return True

    def _wireguard(self, wanted: Device, changed: list[str]) -> Actual | None:
        port = self._kernel.wireguard
        actual = port.read(wanted.name)
        steps = wireguard.changes(wanted, actual, self._device)
        if steps:
            port.apply(steps)
            changed.append("wireguard")
            actual = port.read(wanted.name)
            left = wireguard.changes(wanted, actual, wanted)
            if left:
                raise IsthmusError(f"{wanted.name} does not hold: {wireguard_command(left[0])}", "E190")
        else:
            self._stir(wanted, actual)
        self._device = wanted
        return actual

    def _stir(self, wanted: Device, actual: Actual | None) -> None:
        """Set peers anew that were set in an earlier pass and never shook hands."""
        due = [peer for peer in wireguard.silent(wanted, actual) if self._stirs.get(peer.key, 0) < STIRS]
        self._kernel.wireguard.apply(wireguard.anew(wanted.name, due))
        for peer in due:
            self._stirs[peer.key] = self._stirs.get(peer.key, 0) + 1

    def _waits(self, wanted: Device | None, actual: Actual | None) -> bool:
        silent = () if wanted is None else wireguard.silent(wanted, actual)
        return any(self._stirs.get(peer.key, 0) < STIRS for peer in silent)

    def _routes(self, wanted: Link, changed: list[str]) -> None:
        port = self._kernel.routes
        steps = routes.changes(wanted, port.read(wanted.device))
        if steps:
            port.apply(steps)
            changed.append("routes")
            left = routes.changes(wanted, port.read(wanted.device))
            if left:
                raise IsthmusError(f"{wanted.device} does not hold: {route_command(left[0])}", "E190")


def remove(kernel: Kernel, role: str, device: str) -> None:
    """Remove exactly what bears our name: the role's table, and the device with its addresses and routes."""
    kernel.filter.remove(nft.table_name(role))
    if device:
        kernel.routes.apply([routes.DropLink(device)])
