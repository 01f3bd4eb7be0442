"""The ports of the controller: what it needs of the outside, as Protocols. Adapters implement them; plan never sees
them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, runtime_checkable

from msgspec import Struct

from federation.model.confine import Confined
from federation.model.errors import Refused
from federation.model.handout import Workload
from federation.model.ledger import Ledger
from federation.model.local import Drained, LocalFacts, Outside
from federation.model.moves import Order
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Head, Resource
from federation.model.report import EndpointReport, EnvoyRefusal, LinkReport, NodeReport, TargetReport
from federation.model.tokens import JwtKey, ServiceAccount
from federation.session.tree import Tree

Certainty = Literal["unknown", "fresh", "stale"]


Wake = Callable[[ServiceKey | None], None]
"""Called with the service that changed, or None for "look at everything"."""


class Wanted(Struct, frozen=True, kw_only=True):
    """A Kubernetes object that shall be in our cluster, under our field manager.

    `body` is what we say of it beside apiVersion, kind, name and namespace ("" for what is cluster-wide): labels and
    annotations under `metadata`, and `spec` or what the kind has instead. None: the object is another's, and only its
    `status` is ours; it is never created. A condition in `status` has no `lastTransitionTime`: the adapter gives it.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    body: dict[str, Any] | None
    status: dict[str, Any] | None = None


class ClusterApi(Protocol):
    """Our own cluster: Kubernetes, or a folder of manifests."""

    @property
    def certainty(self) -> Certainty:
        """`unknown` until the first whole list; `stale` while the source cannot be read. Unknown is never empty."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Inputs that were refused, one line each; their last good state is in force."""

    @property
    def native(self) -> bool:
        """True for a Kubernetes API: it gives clusterset IPs, and holds imports and conditions."""

    @property
    def drains(self) -> Mapping[str, Drained] | None:
        """Every Drain, by its name; None while they were not read once."""

    @property
    def confined(self) -> Mapping[str, Confined]:
        """Every EgressPolicy, by `namespace/name`: another mapping after each change."""

    def refused(self, kind: str) -> Mapping[tuple[str, str], tuple[str, int]]:
        """What is wrong with objects of this kind, and as of which generation, by (namespace, name)."""

    def generation(self, key: tuple[str, str, str]) -> int:
        """That of the object (kind, namespace, name) whose content counts; 0 when there is none."""

    @property
    def regions(self) -> frozenset[str]:
        """The regions that the labels of the cluster's nodes name; none where nodes are not known."""

    def services(self) -> Iterable[ServiceKey]:
        """Every service that has a Service, an EndpointSlice or a ServiceExport."""

    def service(self, key: ServiceKey) -> LocalFacts:
        """What is known of this service now."""

    def zone(self, node: str) -> str:
        """The availability zone of this node of the cluster; "" where it is not known."""

    def outside(self, node: str) -> Outside:
        """Where a gateway on this node of the cluster is reached from outside; nothing where that is not known."""

    def pod_ranges(self, node: str) -> tuple[str, ...]:
        """The ranges of the pods of this node of the cluster; none where they are not known."""

    def workloads(self, node: str) -> tuple[Workload, ...]:
        """The accounts whose pods run on this node of the cluster, with the pods' addresses; none where pods are not
        known.
        """

    def take_moved_nodes(self) -> set[str]:
        """The nodes whose `workloads`, `zone` or `outside` changed since the last look."""

    def want(self, owner: str, objects: Iterable[Wanted]) -> None:
        """From now on this owner wants these and no others: what bears our mark and nobody wants any more is deleted.

        A source that cannot be written to (a folder of manifests) does nothing. Returns at once; `problems` says what
        could not be done. Owners never want the same object.
        """

    def complete(self) -> None:
        """Everything was wanted once: what bears our mark and was not is deleted."""

    async def run(self, wake: Wake) -> None:
        """Watch until cancelled."""


@runtime_checkable
class TokenReviewer(Protocol):
    """A cluster that knows whose a service account token is, and which nodes there are: Kubernetes."""

    @property
    def nodes(self) -> frozenset[str] | None:
        """The names of all nodes; None while they are not known for certain."""

    async def review(self, token: str, audience: str = "") -> ServiceAccount:
        """The account of this token, which must be for this audience ("": for the API server). Refused when it is
        none's; Unavailable when the cluster does not say.
        """


@runtime_checkable
class DrainKeeper(Protocol):
    """A cluster that holds Drain objects and lets us write them: Kubernetes."""

    async def make_drain(self, name: str, member: MemberName, order: Order) -> None:
        """Make the Drain of this name, or give it another duration. Refused, Unavailable."""

    async def end_drain(self, name: str) -> None:
        """Delete the Drain of this name; one that is gone is no fault. Refused, Unavailable."""


class Store(Protocol):
    """Small state of the controller that must survive a restart.

    What is written is read back at once, and durable when the next `flush` returned: nothing that depends on it may
    leave the process before. A store may be durable earlier.
    """

    @property
    def problems(self) -> tuple[str, ...]:
        """What an operator should know of the store, one line each."""

    def get(self, key: str) -> bytes | None:
        """The value, or None."""

    def put(self, key: str, value: bytes) -> None:
        """Set the value. Unavailable when it is not taken: then the old one stays."""

    def drop(self, key: str) -> None:
        """Forget the key; removing the absent succeeds."""

    def items(self, prefix: str) -> dict[str, bytes]:
        """Every key with this prefix."""

    async def flush(self) -> None:
        """Wait until everything written is durable. Unavailable when that cannot be confirmed: call again."""


class Disk(Protocol):
    """Where the controller keeps small files of its own."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What it did not take, one line each."""


class Journal(Protocol):
    """What the law was told, by time, so that a ruling of yesterday can be looked at."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not kept as it should be, one line each."""

    def note(self, at: int, values: Mapping[str, Struct | None]) -> None:
        """From the Unix millisecond `at` these keys have these values (None: no more)."""

    def standing(self) -> set[str]:
        """The keys that have a value."""

    def find(self, key: str, at: int) -> bytes | None:
        """The JSON of the value that the key had at that millisecond; None when it had none, or it is forgotten."""


class Clock(Protocol):
    """Time, so that tests can drive it."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wall(self) -> float:
        """Unix seconds."""


class PeerState(Struct, frozen=True, kw_only=True):
    """What we know of one other member. `view` is live: the resources of its record that passed the rules.

    `age` is the seconds since it was last heard on a session, None when never in this process's life. `via` is the
    member that brings its record while there is no session with it.
    """

    view: Mapping[str, Resource]
    head: Head | None
    connected: bool
    age: float | None
    refusals: tuple[Refused, ...]
    via: MemberName | None = None


class ForeignState(Struct, frozen=True, kw_only=True):
    """What we know of a foreign trust domain: its last good bundle (`anchors` PEM), had at the Unix second `fetched`
    (0: never), and what was wrong with the last look.
    """

    trust_domain: str
    url: str
    profile: str
    anchors: str
    keys: tuple[JwtKey, ...]
    sequence: int
    fetched: int
    problem: str


class Peers(Protocol):
    """The records of the other members, and ours towards them."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not kept as it should be, one line each."""

    def states(self) -> dict[MemberName, PeerState]:
        """Every other active member."""

    def publish(self, tree: Tree, head: bytes) -> None:
        """Offer our record to every peer from now on."""


class AgentState(Struct, frozen=True, kw_only=True):
    """One enrolled program: `wanted` is the root of its handout, `links` and `node` what it last reported.

    `targets` are the public targets that it, a DNS server, finds down; `failing` the own endpoints that it, a node
    agent, does, and `refusals` what its Envoy refuses.
    """

    connected: bool
    wanted: bytes
    node: NodeReport | None
    links: tuple[LinkReport, ...]
    refused: str
    targets: tuple[TargetReport, ...] = ()
    failing: tuple[EndpointReport, ...] = ()
    refusals: tuple[EnvoyRefusal, ...] = ()


class Agents(Protocol):
    """Our own node agents and DNS servers."""

    def states(self) -> Mapping[str, AgentState]:
        """Every program that was given a handout or connected. A live view: look, do not keep."""

    def publish(self, name: str, tree: Tree, head: bytes) -> None:
        """Give this handout to this program from now on."""

    def forget(self, name: str) -> None:
        """The program is no longer enrolled."""


class RecordSigner(Protocol):
    """Signs the content of our own record."""

    @property
    def order(self) -> tuple[int, int]:
        """(epoch, generation) of the last head."""

    def head(self, tree: Tree) -> bytes:
        """The encoded signed head for this content; a new generation when the content is new."""


class LedgerSource(Protocol):
    """Where the ledger in force is read."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not kept as it should be, one line each."""

    @property
    def ledger(self) -> Ledger:
        """The ledger as verified last."""
