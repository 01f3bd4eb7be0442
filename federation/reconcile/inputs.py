"""What the plan of one service depends on, gathered from everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.model.local import LocalFacts
from federation.plan.service import Offered, ServiceInputs, own_export, wanted_listeners
from federation.reconcile.parts import Around

if TYPE_CHECKING:
    from federation.reconcile.loop import Loop


def inputs_of(loop: Loop, local: LocalFacts, peers: tuple[Offered, ...], around: Around) -> ServiceInputs:
    """The inputs of the plan of one service."""
    key = local.key
    imported = bool(peers) or own_export(local) is not None
    marks = wanted_listeners(local, peers) if imported else ()
    own = around.members[loop.parts.own.name]
    return ServiceInputs(
        own=own.name,
        region=own.region,
        order=own.number,
        local=local,
        peers=peers,
        addresses=(loop.allocations.address(key),) if imported and not loop.parts.cluster.native else (),
        listeners={mark: loop.allocations.listener(key, mark) for mark in marks},
        bounds=around.bounds,
        names=loop.names.accepted(key),
        definitions=loop.names.hosts.won(key, around.members),
        ingress=around.ingress,
        leaving=around.leaving,
        labels=dict(loop.parts.labels),
        demand=loop.demands.of(key),
        paths=around.paths,
        asks=loop.index.wants(key),
        importers=around.importers,
        shifts=loop.moves.shifts_of(key, (*loop.index.shifts(key, around.members), *around.settings.shifts)),
        own_shifts=loop.moves.own_shifts(key),
        refused_names=loop.names.refused(key),
        numbers=loop.numbers.of(key),
        registers=loop.registers,
        native=loop.parts.cluster.native,
        member=own.state == "active",
        granted=own.granted(key.namespace),
        federation=around.settings.policy,
        nodes=loop.nodes.all,
        refused_by=loop.refused_by(key),
        images=loop.flat.images(own),
        kept=loop.memory.of(key),
        now=int(loop.parts.clock.wall() * 1_000),
    )
