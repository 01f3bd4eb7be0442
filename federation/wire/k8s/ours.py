"""Our own kinds (isthmus.dev/v1alpha1). The limits are the model's; `rules.py` says what a type cannot."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from federation.model import policy as model
from federation.model import public
from federation.model import routing as routes
from federation.model.names import LABEL_MAX, NAME_MAX
from federation.wire.k8s.accesses import AccessPolicySpec
from federation.wire.k8s.egress import EgressPolicySpec
from federation.wire.k8s.meta import Conditions, Count64, ObjectMeta, Time
from federation.wire.k8s.policies import SteeringSpec, TrafficPolicySpec, spoken, within
from federation.wire.k8s.routing import RoutingSpec

ApiVersion = Literal["isthmus.dev/v1alpha1"]
REASON_MAX = 1_024
"""Characters of the reason of a Drain."""
_MIN_TTL = "The same while shares move or a target is newly down; unset: ttl."
_ALPN = "Protocols that the name's HTTPS record tells, preferred first; none: it has no such record."
_ROUTING = "A tree of policies, the first one first; none: the law over all members."
_OVER = "How long it takes, in ten steps: a duration such as 10m, at most 24h (none: at once)."


class ConditionsStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """Written by the controller: condition Accepted says whether the object is in force, and if not, why."""

    observed_generation: Count64 | UnsetType = UNSET
    conditions: Conditions = []


class TrafficPolicy(Struct, frozen=True, kw_only=True, rename="camel"):
    """Steers the service of its own namespace and name, or every service of the namespace."""

    api_version: ApiVersion = "isthmus.dev/v1alpha1"
    kind: Literal["TrafficPolicy"] = "TrafficPolicy"
    metadata: ObjectMeta
    spec: TrafficPolicySpec = TrafficPolicySpec()
    status: Any = None


class AccessPolicy(Struct, frozen=True, kw_only=True, rename="camel"):
    """Admits callers of other members to what this cluster exports; several add up, whom none admits is refused."""

    api_version: ApiVersion = "isthmus.dev/v1alpha1"
    kind: Literal["AccessPolicy"] = "AccessPolicy"
    metadata: ObjectMeta
    spec: AccessPolicySpec
    status: Any = None


class EgressPolicy(Struct, frozen=True, kw_only=True, rename="camel"):
    """Confines clients of its namespace at other members to what it lists; several add up, whom none is for may call
    everything.
    """

    api_version: ApiVersion = "isthmus.dev/v1alpha1"
    kind: Literal["EgressPolicy"] = "EgressPolicy"
    metadata: ObjectMeta
    spec: EgressPolicySpec = EgressPolicySpec()
    status: Any = None


class GlobalNameSpec(SteeringSpec, frozen=True, kw_only=True, rename=spoken):
    """The host, and which members of those that offer the service it is answered with."""

    host: Annotated[str, Meta(max_length=NAME_MAX, description="The public name, such as shop.example.com.")]
    service: Annotated[str, Meta(max_length=LABEL_MAX, description="The service, in the object's namespace.")]
    policy: Annotated[
        public.Steering, Meta(description="steered: by the law, for each client's place; weighted: by weights.")
    ] = "steered"
    ttl: Annotated[int, within(model.TTL, "Seconds that resolvers may keep an answer.")] = 30
    min_ttl: Annotated[int, within(model.TTL, _MIN_TTL)] | None = None
    answers: Annotated[int, within(routes.ANSWERS, "Members whose addresses are in one answer.")] = 1
    apart: Annotated[public.Apart, Meta(description="What no two members of one answer share.")] = "member"
    ignore_subnet: Annotated[
        bool, Meta(description="Steer by the resolver's address alone, not by client subnets.")
    ] = False
    alpn: Annotated[list[public.Protocol], Meta(max_length=3, description=_ALPN)] = field(default_factory=list)
    routing: Annotated[list[RoutingSpec], Meta(max_length=routes.NODES_MAX, description=_ROUTING)] = field(
        default_factory=list
    )


class GlobalName(Struct, frozen=True, kw_only=True, rename="camel"):
    """A public name, answered with the members that offer a service."""

    api_version: ApiVersion = "isthmus.dev/v1alpha1"
    kind: Literal["GlobalName"] = "GlobalName"
    metadata: ObjectMeta
    spec: GlobalNameSpec
    status: Any = None


class DrainSpec(Struct, frozen=True, kw_only=True):
    """Who is drained, and why."""

    member: Annotated[
        str, Meta(max_length=LABEL_MAX, description="The member; none: the one of this cluster. Cannot be changed.")
    ] = ""
    over: Annotated[str, Meta(max_length=18, description=_OVER)] = ""
    reason: Annotated[str, Meta(max_length=REASON_MAX, description="Why, for people who look at it later.")] = ""


class Drain(Struct, frozen=True, kw_only=True, rename="camel"):
    """A member gets no requests while anyone else is ready: this cluster's own from anywhere, another from here."""

    api_version: ApiVersion = "isthmus.dev/v1alpha1"
    kind: Literal["Drain"] = "Drain"
    metadata: ObjectMeta
    spec: DrainSpec = DrainSpec()
    status: Any = None


class MemberClusterStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """Written by the controller: the member as this cluster sees it, with conditions Ready and Reachable."""

    number: Annotated[Count64, Meta(description="Its admission number.")] | UnsetType = UNSET
    region: Annotated[str, Meta(description="Its region.")] | UnsetType = UNSET
    connected: Annotated[bool, Meta(description="Whether its controller has a session with ours.")] | UnsetType = UNSET
    last_heard: Annotated[Time, Meta(description="When it was last heard, roughly.")] | UnsetType = UNSET
    addresses: Annotated[list[str], Meta(description="CIDRs in which its endpoints may lie.")] = []
    exports: Annotated[Count64, Meta(description="How many services it exports.")] | UnsetType = UNSET
    observed_generation: Count64 | UnsetType = UNSET
    conditions: Conditions = []


class MemberCluster(Struct, frozen=True, kw_only=True, rename="camel"):
    """A member of the federation as this cluster sees it. The controller writes it; there is nothing to set."""

    api_version: ApiVersion = "isthmus.dev/v1alpha1"
    kind: Literal["MemberCluster"] = "MemberCluster"
    metadata: ObjectMeta
    status: Any = None
