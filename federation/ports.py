"""The ports of the controller: what it needs of the outside, as Protocols. Adapters implement them; plan never sees them."""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from msgspec import Struct

from federation.model.names import ServiceKey
from federation.model.record import Port, Slice

Certainty = Literal["unknown", "fresh", "stale"]


class LocalFacts(Struct, frozen=True, kw_only=True):
    """What our own cluster says of one service. `kind` is None when there is no such Service."""

    key: ServiceKey
    kind: Literal["ClusterSetIP", "Headless", "ExternalName"] | None = None
    ports: tuple[Port, ...] = ()
    session_affinity: str = "None"
    slices: tuple[Slice, ...] = ()
    exported: bool = False


Wake = Callable[[ServiceKey | None], None]
"""Called with the service that changed, or None for "look at everything"."""


class ClusterApi(Protocol):
    """Our own cluster: Kubernetes, or a folder of manifests."""

    @property
    def certainty(self) -> Certainty:
        """`unknown` until the first whole list; `stale` while the source cannot be read. Unknown is never empty."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Inputs that were refused, one line each; their last good state is in force."""

    def services(self) -> Iterable[ServiceKey]:
        """Every service that has a Service, an EndpointSlice or a ServiceExport."""

    def service(self, key: ServiceKey) -> LocalFacts:
        """What is known of this service now."""

    async def run(self, wake: Wake) -> None:
        """Watch until cancelled."""


class Store(Protocol):
    """Small state of the controller that must survive a restart."""

    def get(self, key: str) -> bytes | None:
        """The value, or None."""

    def put(self, key: str, value: bytes) -> None:
        """Set the value durably."""

    def drop(self, key: str) -> None:
        """Forget the key; removing the absent succeeds."""

    def items(self, prefix: str) -> dict[str, bytes]:
        """Every key with this prefix."""


class Clock(Protocol):
    """Time, so that tests can drive it."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wall(self) -> float:
        """Unix seconds."""
