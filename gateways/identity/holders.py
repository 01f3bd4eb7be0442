"""Which certificates this node keeps, and what the Workload API answers from. Made anew only when one moved."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_

from federation.model.spiffe import account
from gateways.identity.answers import Book
from gateways.identity.attested import Attested
from gateways.identity.keeper import Keeper
from gateways.identity.serve import WorkloadServer
from gateways.node_parts import kept
from gateways.render.envoy.resources import Certificate
from gateways.state import NodeState, Registered


class Holders:
    """Everyone whom this node holds a certificate for: Envoy's workloads, registered processes, attested pods.

    `domain` is the member's trust domain. Without a `server` there is no Workload API: gateways have no workloads.
    """

    def __init__(self, keeper: Keeper, attested: Attested, server: WorkloadServer | None, domain: str) -> None:
        self._keeper = keeper
        self._attested = attested
        self._server = server
        self._domain = domain
        self._registered: tuple[Registered, ...] = ()
        self._wanted: tuple[object, ...] = (None, None)
        self._book: tuple[object, ...] = (None,) * 7

    def want(self, state: NodeState) -> None:
        """Keep certificates for exactly those of this state, and for the pods that were attested."""
        pods = self._pods(state)
        self._registered = kept(self._registered, (*state.registered, *pods) if pods else state.registered)
        wanted = (state.identities, self._registered)
        if not all(map(is_, wanted, self._wanted)):
            self._wanted = wanted
            self._keeper.want((*state.identities, *(one.identity for one in self._registered)))

    def answer(self, state: NodeState, certificates: Mapping[str, Certificate], attests: bool) -> None:
        """Answer the callers of the Workload API from this from now on; `attests`: every pod is somebody."""
        registered = self._registered
        book = (state.known, registered, state.anchors, certificates, state.authorities, state.foreign, attests)
        if self._server is None or all(map(is_, book, self._book)):
            return
        self._book = book
        names = {str(one.identity) for one in registered}
        self._server.offer(
            Book(
                known=state.known,
                registered=registered,
                anchors=state.anchors,
                certificates={name: held for name, held in certificates.items() if name in names},
                authorities=state.authorities,
                foreign=state.foreign,
                attests=attests,
            )
        )

    def _pods(self, state: NodeState) -> tuple[Registered, ...]:
        """Whose pods were attested here, beside those that are registered."""
        known = {one.identity for one in state.registered}
        found = (account(self._domain, *who) for who in self._attested.accounts())
        return tuple(Registered(identity, (), True) for identity in found if identity not in known)
