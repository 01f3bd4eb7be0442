"""Who acts from which address on this node. Pure."""

from collections.abc import Iterable

from federation.model.confine import Confined, may_call, policies_for
from federation.model.handout import Site, Workload
from federation.model.names import ServiceKey
from federation.model.spiffe import SpiffeId, account, trust_domain
from gateways.view import Acting, View


def callers(view: View, service: ServiceKey) -> tuple[Acting, ...]:
    """Who may call this service at other members. Whoever an EgressPolicy keeps from it is like one without an
    identity: he reaches own endpoints, or nothing.
    """
    if not view.confined:
        return view.acting
    return tuple(one for one in view.acting if may_call(confining(view.confined, one.identity), service))


def confining(policies: Iterable[Confined], identity: SpiffeId) -> tuple[Confined, ...]:
    """Those that are for this identity of our own member."""
    match identity.segments:
        case ("ns", namespace, "sa", name):
            return policies_for(policies, namespace, name)
    return ()


def acting_workloads(site: Site, workloads: Iterable[Workload], problems: list[str]) -> tuple[Acting, ...]:
    """Who acts from which address. An address that two workloads claim belongs to the first by name."""
    domain = trust_domain(site.member, site.domain)
    owner: dict[str, SpiffeId] = {}
    found: list[Acting] = []
    for workload in sorted(workloads, key=lambda w: (w.namespace, w.account)):
        identity = account(domain, workload.namespace, workload.account)
        mine: list[str] = []
        for address in sorted(set(workload.addresses)):
            if owner.setdefault(address, identity) == identity:
                mine.append(address)
            else:
                problems.append(f"E105 {identity}: address {address} already acts as {owner[address]}")
        if mine:
            found.append(Acting(identity, tuple(mine)))
    return tuple(found)
