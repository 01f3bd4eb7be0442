"""Which process of this node is which workload: by unix user, or by the service account of its pod. Pure."""

from collections.abc import Iterable

from msgspec import Struct

from federation.model.handout import Site, UnixUser, Workload
from federation.model.spiffe import SpiffeId, account, trust_domain
from federation.model.tokens import ServiceAccount
from gateways.state import Registered


class Caller(Struct, frozen=True):
    """Who calls. `account` is None when no registration of this node asks Kubernetes, or before it answered."""

    user: UnixUser
    account: ServiceAccount | None = None


def registered_workloads(site: Site, workloads: Iterable[Workload]) -> tuple[Registered, ...]:
    """The workloads whose processes are known, by identity."""
    domain = trust_domain(site.member, site.domain)
    found = [
        Registered(account(domain, w.namespace, w.account), w.uids, w.kubernetes)
        for w in workloads
        if w.uids or w.kubernetes
    ]
    return tuple(sorted(found, key=lambda one: one.identity))


def identities_of(caller: Caller, registered: Iterable[Registered]) -> tuple[SpiffeId, ...]:
    """Every identity that this caller may have, in the order of `registered`."""
    return tuple(one.identity for one in registered if _is(caller, one))


def _is(caller: Caller, one: Registered) -> bool:
    if any(entry.covers(caller.user) for entry in one.users):
        return True
    attested = caller.account
    if not one.kubernetes or attested is None:
        return False
    return one.identity.segments[1::2] == (attested.namespace, attested.name)
