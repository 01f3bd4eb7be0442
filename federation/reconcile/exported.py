"""Which services our record offers, kept: a restart must not take a sudden emptiness for the truth."""

from collections.abc import Mapping

import msgspec

from federation.model.names import ServiceKey
from federation.plan.service import ServicePlan
from federation.ports import Store

KEY = "exported"


class Exported:
    """`services` are those of the last pass, in this life of the controller or the one before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        data = store.get(KEY)
        self.services = set() if data is None else set(msgspec.msgpack.decode(data, type=list[ServiceKey]))

    def follow(self, plans: Mapping[ServiceKey, ServicePlan]) -> tuple[set[ServiceKey], set[ServiceKey]]:
        """From now on these plans hold; the services that came and those that left."""
        new = {key for key, plan in plans.items() if plan.offers} - self.services
        gone = {key for key, plan in plans.items() if not plan.offers} & self.services
        if new or gone:
            self.services = (self.services - gone) | new
            self._store.put(KEY, msgspec.msgpack.encode(sorted(self.services)))
        return new, gone
