"""What clients of our own cluster may call at other members: everything, until an EgressPolicy is for them."""

from collections.abc import Iterable

from msgspec import Struct

from federation.model.names import ServiceKey


class Callee(Struct, frozen=True, order=True):
    """Services: of this namespace and name; "" is any."""

    namespace: str = ""
    name: str = ""

    def covers(self, service: ServiceKey) -> bool:
        """True for one of these services."""
        return self.namespace in ("", service.namespace) and self.name in ("", service.name)


class Confined(Struct, frozen=True, kw_only=True):
    """An EgressPolicy: clients of its `namespace`, of these `accounts` (none: all), may call these services at other
    members, and open ports of these members' pods by address; nothing else there but what another such policy adds. Key
    `confined/<namespace>/<name>`.
    """

    namespace: str
    name: str
    accounts: tuple[str, ...] = ()
    services: tuple[Callee, ...] = ()
    members: tuple[str, ...] = ()

    def is_for(self, namespace: str, account: str) -> bool:
        """True when these clients are meant."""
        return self.namespace == namespace and (not self.accounts or account in self.accounts)


def policies_for(policies: Iterable[Confined], namespace: str, account: str) -> tuple[Confined, ...]:
    """Those that confine this account; none: it may do everything."""
    return tuple(one for one in policies if one.is_for(namespace, account))


def may_call(policies: tuple[Confined, ...], service: ServiceKey) -> bool:
    """Whether whom these confine may call this service at other members."""
    return not policies or any(callee.covers(service) for one in policies for callee in one.services)


def may_open(policies: tuple[Confined, ...], member: str) -> bool:
    """Whether whom these confine may open ports of this member's pods by address."""
    return not policies or any(member in one.members for one in policies)


def kept_from(policies: Iterable[Confined], service: ServiceKey) -> tuple[str, ...]:
    """The clients that may not call this service at other members, as `namespace/account`; * is every other account."""
    held = tuple(policies)
    places = {(one.namespace, account) for one in held for account in (*one.accounts, "")}
    by = {place: policies_for(held, *place) for place in sorted(places)}
    return tuple(f"{place[0]}/{place[1] or '*'}" for place, found in by.items() if not may_call(found, service))
