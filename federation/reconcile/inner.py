"""How the nodes and the gateways of our own member reach each other, as last reported: one that is away is unknown, not
gone.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from federation.config import Enrolment
from federation.model.flat import Image, placed
from federation.model.handout import OwnGateway, OwnNode
from federation.model.ledger import Member
from federation.model.overlay import SLOTS, gateway_address, port_after
from federation.model.report import NodeReport
from federation.ports import Store
from federation.reconcile.allocations import Allocations
from federation.wire.keyed import encode

T = TypeVar("T", bound=Struct)
GATEWAY, NODE = "own-gateway/", "own-node/"


class Inner:
    """What stands in the handouts of our gateways and nodes about each other, kept in the store."""

    def __init__(self, store: Store, allocations: Allocations) -> None:
        self._store = store
        self._allocations = allocations
        self._gateways = _kept(store, GATEWAY, OwnGateway)
        self._nodes = _kept(store, NODE, OwnNode)

    def handout(
        self,
        own: Member,
        gateways: Mapping[str, int],
        enrolled: Mapping[str, Enrolment],
        reports: Mapping[str, NodeReport | None],
        images: tuple[Image, ...] = (),
        further: Callable[[str, Member], tuple[str, ...]] = lambda name, own: (),
    ) -> dict[str, Struct]:
        """The resources, by key: nodes while a gateway takes them, or they have pods. `gateways` are the ids of those
        that are enrolled.

        Pods are those that lie in our ranges: what a node says of others' leads nowhere. `further` says which
        other addresses are for those of a node.
        """
        for name, number in gateways.items():
            report = reports.get(name)
            if report is not None:
                self._note(GATEWAY, self._gateways, name, _gateway(own, number, report))
        nodes = {name for name, one in enrolled.items() if one.role == "node"}
        for name in nodes:
            report = reports.get(name)
            if report is not None and report.wireguard_key:
                overlay = self._allocations.node(name, own.overlay)
                pods = placed(report.pods or enrolled[name].pods, own.reachable, images)
                behind = (*(seen for _, seen in pods), *further(name, own))
                self._note(NODE, self._nodes, name, _node(overlay, report, behind))
        for name in self._gateways.keys() - gateways.keys():
            self._note(GATEWAY, self._gateways, name, None)
        for name in self._nodes.keys() - nodes:
            self._note(NODE, self._nodes, name, None)
        found: dict[str, Struct] = {f"{GATEWAY}{one.id}": one for one in self._gateways.values()}
        return found | {f"{NODE}{one.node}": one for one in self._nodes.values() if self._gateways or one.pods}

    def nodes(self) -> Iterable[OwnNode]:
        """Those that are known."""
        return self._nodes.values()

    def _note(self, prefix: str, held: dict[str, T], name: str, value: T | None) -> None:
        if held.get(name) == value:
            return
        if value is None:
            del held[name]
            self._store.drop(prefix + name)
        else:
            held[name] = value
            self._store.put(prefix + name, encode(value))


def _node(overlay: str, report: NodeReport, pods: tuple[str, ...]) -> OwnNode:
    return OwnNode(node=report.node, key=report.wireguard_key, overlay=overlay, pods=pods, address=report.address)


def _gateway(own: Member, number: int, report: NodeReport) -> OwnGateway | None:
    """As its nodes reach it; None when they do not."""
    if not (report.wireguard_key and report.gateway_inside):
        return None
    slot = report.gateway_slot
    return OwnGateway(
        id=number,
        node=report.node,
        key=report.wireguard_key,
        endpoint=port_after(report.gateway_inside, slot),
        overlay=gateway_address(own.overlay, number),
        slot=slot,
        spare_key=report.spare_key,
        spare_endpoint=port_after(report.gateway_inside, SLOTS - 1 - slot) if report.spare_key else "",
    )


def _kept(store: Store, prefix: str, kind: type[T]) -> dict[str, T]:
    """What was written down; what another version wrote is asked for anew."""
    found: dict[str, T] = {}
    for key, data in store.items(prefix).items():
        with contextlib.suppress(msgspec.MsgspecError):
            found[key.removeprefix(prefix)] = msgspec.msgpack.decode(data, type=kind)
    return found
