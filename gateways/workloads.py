"""Who acts from which address on this node. Pure."""

from collections.abc import Iterable

from federation.model.handout import Site, Workload
from federation.model.spiffe import SpiffeId, account, trust_domain
from gateways.view import Acting


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
