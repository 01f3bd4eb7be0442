"""The tree of policies of a GlobalName: its spec, and what it is in the model's words. The limits are the model's."""

from typing import Annotated

from msgspec import Meta, Struct, structs

from federation.model import routing as model
from federation.model.names import LABEL_MAX
from federation.model.routing_faults import routing_fault
from federation.wire.k8s.policies import Term, Weight, spoken, within

_PPM = 10_000
_BRANCHES = model.BRANCHES.high
Branch = Annotated[str, Meta(min_length=1, max_length=400)]
Branches = Annotated[list[Branch], Meta(max_length=_BRANCHES)]
_GEO = "Places of clients, and their branches: asn/NUMBER, subdivision/US-CA, country/FR, continent/EU."
_STATIC = "These addresses, whatever the health of anybody."


class WeightSpec(Struct, frozen=True, kw_only=True):
    """A branch and its weight."""

    to: Annotated[Branch, Meta(description="policy/NAME, a region, member/NAME, label/KEY=VALUE or *.")]
    weight: Annotated[Weight, Meta(description="With 0 it stands by for when all others are down.")]


class CanarySpec(Struct, frozen=True, kw_only=True):
    """A branch, and the part of all clients that it gets."""

    to: Annotated[Branch, Meta(description="policy/NAME, a region, member/NAME, label/KEY=VALUE or *.")]
    percent: Annotated[float, Meta(ge=0.1, le=100, description="Per cent of all clients, from 0.1 on.")]


class SpotSpec(Struct, frozen=True, kw_only=True):
    """A branch and where it is."""

    to: Annotated[Branch, Meta(description="policy/NAME, a region, member/NAME, label/KEY=VALUE or *.")]
    latitude: Annotated[float, Meta(ge=-90, le=90, description="Degrees north.")]
    longitude: Annotated[float, Meta(ge=-180, le=180, description="Degrees east.")]
    bias: Annotated[int, within(model.BIAS, "Per cent that it counts as nearer; below 0 as farther.")] = 0


class MatchSpec(Struct, frozen=True, kw_only=True):
    """Clients, and the branches for them."""

    match: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=64)]],
        Meta(min_length=1, max_length=model.MATCHES.high, description="Any one of these."),
    ]
    to: Annotated[Branches, Meta(min_length=1, description="The first one first.")]


class RoutingSpec(Struct, frozen=True, kw_only=True, rename=spoken):
    """One policy of the tree: exactly one of its kinds."""

    name: Annotated[str, Meta(max_length=LABEL_MAX, description="What others call it: policy/NAME.")]
    steered: Annotated[
        list[Term], Meta(max_length=_BRANCHES, description="The federation's law over these members (*: all).")
    ] = []
    failover: Annotated[Branches, Meta(description="Each takes what it has room for, the first one first.")] = []
    weighted: Annotated[list[WeightSpec], Meta(max_length=_BRANCHES, description="By weights and room.")] = []
    canary: Annotated[CanarySpec, Meta(description="A part of all clients first.")] | None = None
    geo: Annotated[list[MatchSpec], Meta(max_length=model.RULES.high, description=_GEO)] = []
    subnets: Annotated[
        list[MatchSpec], Meta(max_length=model.RULES.high, description="Ranges of clients, and their branches.")
    ] = []
    proximity: Annotated[list[SpotSpec], Meta(max_length=_BRANCHES, description="The nearest over ground first.")] = []
    latency: Annotated[Branches, Meta(description="The smallest measured round trip first.")] = []
    static: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=45)]],
        Meta(max_length=model.ADDRESSES.high, description=_STATIC),
    ] = []
    otherwise: Annotated[Branches, Meta(description="Of canary, geo and subnets: the branches for all others.")] = []
    at_least: Annotated[int, within(model.AT_LEAST, "Members that must be up, or it counts as down.")] = 1
    when_down: Annotated[
        model.Down,
        Meta(description="up: the one above decides; open: as if ready; closed: no address; last: last good."),
    ] = "up"


KINDS = ("steered", "failover", "weighted", "canary", "geo", "subnets", "proximity", "latency", "static")
WITH_OTHERWISE = ("canary", "geo", "subnets")


def routing_of(specs: list[RoutingSpec]) -> model.Routing | None:
    """The tree; the first policy is where a question begins. None without policies."""
    return model.Routing(specs[0].name, {spec.name: node_of(spec) for spec in specs}) if specs else None


def specs_fault(specs: list[RoutingSpec]) -> str | None:
    """What is wrong with it, or None."""
    for at, spec in enumerate(specs):
        kinds = [kind for kind in KINDS if getattr(spec, kind)]
        if len(kinds) != 1:
            return f'field "spec.routing[{at}]": has {len(kinds)} kinds, write exactly one of {", ".join(KINDS)}'
        if bool(spec.otherwise) != (kinds[0] in WITH_OTHERWISE):
            said = "is only used with" if spec.otherwise else "says who gets all other clients: write it with"
            return f'field "spec.routing[{at}].otherwise": {said} {", ".join(WITH_OTHERWISE)}'
    twice = next((spec.name for at, spec in enumerate(specs) if spec.name in (one.name for one in specs[:at])), None)
    if twice is not None:
        return f'field "spec.routing": policy "{twice}" stands there twice'
    found = routing_of(specs)
    wrong = routing_fault(found) if found else ""
    return f'field "spec.routing": {wrong}' if wrong else None


def node_of(spec: RoutingSpec) -> model.AnyNode:
    """The node that a spec of one kind describes."""
    return structs.replace(_made(spec), at_least=spec.at_least, down=spec.when_down)


def _made(spec: RoutingSpec) -> model.AnyNode:
    otherwise = tuple(spec.otherwise)
    if spec.canary is not None:
        return model.Canary(to=spec.canary.to, ppm=round(spec.canary.percent * _PPM), otherwise=otherwise)
    if spec.geo:
        return model.Geo(rules=_rules(spec.geo), otherwise=otherwise)
    if spec.subnets:
        return model.Subnets(rules=_rules(spec.subnets), otherwise=otherwise)
    if spec.weighted:
        return model.Weighted(to=tuple(model.Weight(one.to, one.weight) for one in spec.weighted))
    if spec.proximity:
        return model.Proximity(to=tuple(map(_spot, spec.proximity)))
    if spec.static:
        return model.Static(addresses=tuple(spec.static))
    return _listed(spec)


def _listed(spec: RoutingSpec) -> model.AnyNode:
    """Of the kinds that are but a list of branches."""
    if spec.steered:
        return model.Law(to=tuple(spec.steered))
    return model.Latency(to=tuple(spec.latency)) if spec.latency else model.Failover(to=tuple(spec.failover))


def _spot(spec: SpotSpec) -> model.Spot:
    north, east = (round(one * model.DEGREES) for one in (spec.latitude, spec.longitude))
    return model.Spot(spec.to, north, east, spec.bias)


def _rules(specs: list[MatchSpec]) -> tuple[model.Match, ...]:
    return tuple(model.Match(tuple(one.match), tuple(one.to)) for one in specs)
