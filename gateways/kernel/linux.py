"""The real kernel, in the network namespace of this process."""

import socket
from functools import cached_property
from typing import TYPE_CHECKING

from gateways.kernel.nft import LinuxFilter

if TYPE_CHECKING:
    from gateways.kernel.routes import LinuxRoutes
    from gateways.kernel.wg import LinuxWireGuard


class LinuxKernel:
    """The three ports of this node. Netlink is loaded when there is a tunnel: most nodes of a site of one machine have
    none.
    """

    def __init__(self) -> None:
        self.filter = LinuxFilter()

    @cached_property
    def wireguard(self) -> "LinuxWireGuard":
        """WireGuard devices."""
        from gateways.kernel.wg import LinuxWireGuard

        return LinuxWireGuard()

    @cached_property
    def routes(self) -> "LinuxRoutes":
        """Links and routes."""
        from gateways.kernel.routes import LinuxRoutes

        return LinuxRoutes()

    def named(self, prefix: str) -> tuple[str, ...]:
        """The links whose names begin so."""
        return tuple(sorted(name for _, name in socket.if_nameindex() if name.startswith(prefix)))
