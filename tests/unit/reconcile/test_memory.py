"""What is remembered of services does not grow without end."""

from federation.adapters.memory import MemoryStore
from federation.model.names import ServiceKey
from federation.plan.steering import Kept
from federation.reconcile.memory import LEFT_MAX, Memory


def test_of_too_many_that_nobody_exports_the_longest_gone_are_forgotten() -> None:
    store = MemoryStore()
    memory = Memory(store)
    for number in range(LEFT_MAX + 2):
        memory.keep(ServiceKey("shop", f"s{number}"), Kept(addresses=("10.96.0.7",), left=1_000 + number))
    for once_more in (memory, Memory(store)):
        once_more.expire(2_000)
        assert len(store.items("steering/")) == LEFT_MAX
        assert once_more.of(ServiceKey("shop", "s1")) == Kept()
        assert once_more.of(ServiceKey("shop", "s2")).addresses
