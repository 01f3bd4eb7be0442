"""Which process of this node is which workload: registration entries by unix user. Pure."""

from collections.abc import Iterable

from federation.model.handout import Site, UnixUser, Workload
from federation.model.spiffe import SpiffeId, account, trust_domain
from gateways.state import Registered


def registered_workloads(site: Site, workloads: Iterable[Workload]) -> tuple[Registered, ...]:
    """The workloads that are known by users, by identity."""
    domain = trust_domain(site.member, site.domain)
    found = [Registered(account(domain, w.namespace, w.account), w.uids) for w in workloads if w.uids]
    return tuple(sorted(found, key=lambda one: one.identity))


def identities_of(user: UnixUser, registered: Iterable[Registered]) -> tuple[SpiffeId, ...]:
    """Every identity that this user may have, in the order of `registered`."""
    return tuple(one.identity for one in registered if any(entry.covers(user) for entry in one.users))
