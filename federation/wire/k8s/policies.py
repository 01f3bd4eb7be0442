"""The specs of steering: what a TrafficPolicy and a GlobalName may ask for. The limits are the model's.

Numbers are integers with their unit in the name, but for prices and the percentages of canary and mirror.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from federation.model import policy as model
from federation.model.names import LABEL_MAX, NAME_MAX
from federation.model.probes import SERVICE_MAX
from federation.model.resilience import RetryOn

TERM_MAX = 400
"""Characters of a term: `label/`, a key of 317, `=` and a value of 63 fit."""

_WORDS = {
    "ramp": "return",
    "least": "minShare",
    "most": "maxShare",
    "source": "from",
    "per_gb": "perGB",
    "min_ttl": "minTTL",
    "breakers": "circuitBreakers",
    "outlier": "outlierDetection",
}


def spoken(name: str) -> str:
    """A field's name as users write it: camelCase, and some words of their own."""
    head, *rest = name.split("_")
    return _WORDS.get(name, head + "".join(part.capitalize() for part in rest))


def within(limits: model.Range, about: str) -> Meta:
    """An integer's limits and what it is for."""
    return Meta(ge=limits.low, le=limits.high, description=about)


def _ms(about: str) -> Meta:
    return within(model.WAIT_MS, about)


def _seconds(about: str) -> Meta:
    return within(model.SECONDS, about)


def _count(about: str) -> Meta:
    return within(model.COUNT, about)


def _percent(about: str) -> Meta:
    return within(model.PERCENT, about)


Region = Annotated[str, Meta(min_length=1, max_length=LABEL_MAX)]
Term = Annotated[str, Meta(min_length=1, max_length=TERM_MAX)]
Weight = Annotated[int, Meta(ge=model.WEIGHT.low, le=model.WEIGHT.high)]
Percent = Annotated[int, Meta(ge=model.PERCENT.low, le=model.PERCENT.high)]


class ReturnSpec(Struct, frozen=True):
    """How a recovered target comes back: `percent` of all requests more every `seconds`."""

    percent: Annotated[int, within(model.RETURN_PERCENT, "Per cent of all requests that come back in one step.")] = 10
    seconds: Annotated[int, within(model.RETURN_SECONDS, "Seconds between two steps.")] = 10


_KIND = "What is tried; grpcs is grpc inside TLS; unset: http with a path, tcp without."
_STATUS = "[1-5][0-9]{2}"
_STATUSES = "Statuses that are healthy, such as 200-299 or 404; none: 200-399."
_VERIFY = "system: the certificate must be for serverName below the system's roots; none: any will do."
_COMMAND = "With exec, at DNS servers: what their operator calls the program (--probe-command)."
_TEXT = model.PROBE_TEXT_MAX
Status = Annotated[str, Meta(pattern=f"^{_STATUS}(-{_STATUS})?$")]


class ProbeSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """A health probe; what each kind takes and when it passes: federation/probing/README.md."""

    kind: Annotated[model.Kind, Meta(description=_KIND)] | None = None
    port: Annotated[int, within(model.PROBE_PORT, "Port that is probed; 0 is the endpoint's own.")] = 0
    path: Annotated[str, Meta(max_length=model.PROBE_PATH_MAX, description="Path of the request.")] = ""
    method: Annotated[Literal["GET", "HEAD"], Meta(description="Of the request.")] = "GET"
    statuses: Annotated[list[Status], Meta(max_length=model.PROBE_STATUSES_MAX, description=_STATUSES)] = []
    body: Annotated[str, Meta(max_length=_TEXT, description="Text in the first 64 KiB of the answer's content.")] = ""
    host: Annotated[str, Meta(max_length=NAME_MAX, description="Host header; unset: the name that is probed for.")] = ""
    server_name: Annotated[str, Meta(max_length=NAME_MAX, description="Name asked for in TLS; unset: the same.")] = ""
    verify: Annotated[Literal["system", "none"], Meta(description=_VERIFY)] = "system"
    service: Annotated[str, Meta(max_length=SERVICE_MAX, description="With grpc and grpcs; unset: the server.")] = ""
    command: Annotated[str, Meta(max_length=LABEL_MAX, description=_COMMAND)] = ""
    interval_ms: Annotated[int, within(model.PROBE_INTERVAL_MS, "Milliseconds from probe to probe.")] = 1_000
    timeout_ms: Annotated[int, within(model.PROBE_TIMEOUT_MS, "Milliseconds that a probe may take.")] = 1_000
    unhealthy: Annotated[int, within(model.PROBE_COUNT, "Failures in a row that take the target away.")] = 3
    healthy: Annotated[int, within(model.PROBE_COUNT, "Successes in a row that bring it back.")] = 2


class PriceSpec(Struct, frozen=True, kw_only=True, rename=spoken):
    """What traffic between two regions costs."""

    source: Annotated[str, Meta(min_length=1, max_length=LABEL_MAX, description='Region, or "*" for any.')]
    to: Annotated[str, Meta(min_length=1, max_length=LABEL_MAX, description='Region, or "*" for any.')]
    per_gb: Annotated[
        float, Meta(ge=0, le=model.PRICE_MICROS.high // 1_000_000, description="Currency for a gigabyte.")
    ]


class PortionSpec(Struct, frozen=True, kw_only=True):
    """A part of all requests, and to whom."""

    to: Annotated[Term, Meta(description="A region, member/NAME or label/KEY=VALUE.")]
    percent: Annotated[float, Meta(ge=0.1, le=100, description="Per cent of all requests, from 0.1 on.")]


class PanicSpec(Struct, frozen=True, kw_only=True):
    """What to do when too few endpoints are ready."""

    action: Annotated[
        Literal["open", "closed", "fallback"],
        Meta(description="open: use all as if ready; closed: requests fail; fallback: another service takes them."),
    ] = "closed"
    below: Annotated[int, _percent("Per cent of all endpoints ready below which it is done; 0: when none is.")] = 0
    fallback: Annotated[str, Meta(max_length=LABEL_MAX, description="A service of the same namespace.")] = ""


class AffinitySpec(Struct, frozen=True, kw_only=True):
    """One client's requests go to one endpoint while the shares allow it."""

    by: Annotated[Literal["source", "header", "cookie"], Meta(description="What tells clients apart.")]
    name: Annotated[str, Meta(max_length=128, description="Of the header or cookie.")] = ""
    seconds: Annotated[
        int, within(model.AFFINITY_SECONDS, "How long a cookie is kept; 0: for the browser's session.")
    ] = 0


class TimeoutsSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """How long things may take."""

    request_ms: Annotated[int, _ms("Until the whole answer is there; 0: no limit.")] = 0
    idle_ms: Annotated[int, _ms("A request or answer in which nothing moves; 0: 5 minutes.")] = 0
    connect_ms: Annotated[int, _ms("Until a connection stands; 0: 1 s.")] = 0


class BudgetSpec(Struct, frozen=True, kw_only=True):
    """How many retries may be under way at once."""

    percent: Annotated[int, _percent("Of active requests; 0: 20.")] = 0
    least: Annotated[int, _count("May always run; 0: 10.")] = 0


class RetriesSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is tried again beside what never reached a server."""

    retry_on: Annotated[list[RetryOn], Meta(max_length=14, description="Envoy's retry_on words.")] = []
    attempts: Annotated[int, within(model.ATTEMPTS, "After the first; 0: 2.")] = 0
    per_try_ms: Annotated[int, _ms("That one attempt may take; 0: no limit of its own.")] = 0
    base_ms: Annotated[int, _ms("Back-off before the first retry, doubled with jitter; 0: 25.")] = 0
    max_ms: Annotated[int, _ms("Longest back-off; 0: ten times baseMs.")] = 0
    budget: BudgetSpec | None = None


class BreakersSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """How much one proxy may have under way at once to the service; 0: no limit of ours."""

    max_connections: Annotated[int, _count("Connections.")] = 0
    max_pending: Annotated[int, _count("Requests that wait for a connection.")] = 0
    max_requests: Annotated[int, _count("Requests.")] = 0


class OutlierSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """An endpoint of the own member that answers with errors is left out for a while; 0: Envoy's default."""

    consecutive_errors: Annotated[int, _count("Answers of 500 to 599 in a row.")] = 0
    base_ejection_ms: Annotated[int, _ms("How long it is out at first, longer each time.")] = 0
    max_ejection_ms: Annotated[int, _ms("How long at most.")] = 0
    max_ejection_percent: Annotated[int, _percent("Of the endpoints at once.")] = 0


class SlowStartSpec(Struct, frozen=True, kw_only=True):
    """A new endpoint of the own member gets its full part only after a while."""

    seconds: Annotated[int, within(model.RETURN_SECONDS, "Until it has its full part.")]
    percent: Annotated[int, within(model.RETURN_PERCENT, "Per cent of its part with which it begins.")] = 10


class RateLimitSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """What each proxy of the exporter lets in; more is answered 429."""

    requests_per_second: Annotated[int, within(model.CAPACITY, "Requests in a second.")]
    burst: Annotated[int, _count("At once; 0: as many as in a second.")] = 0


_FEW = model.REGIONS_MAX
_ORDER = (
    "Terms, preferred first, after the client's own member: a region, member/NAME, label/KEY=VALUE, @region or @az; "
    "those not named follow by round trip and price."
)
_THRESHOLD = "Per cent of ready endpoints below which traffic begins to leave; unset: 71.4 (100/1.4)."
_WEIGHTS = "Parts by region, instead of order and cost."
_DRAIN = "Regions that get nothing while anyone else is ready."
_PRICES = "What a gigabyte costs from region to region."
_PRICE_MS = "How many milliseconds of round trip one whole unit of currency for a gigabyte is worth."
_PROBES = "Several probes, instead of one."
_NEED = "How many of the probes must pass: all, any or a number; unset: all."
Need = Annotated[int, Meta(ge=1, le=model.PROBES_MAX)] | Literal["all", "any"]
_RESIDENCY = "Only members in these regions are ever used."


class SteeringSpec(Struct, frozen=True, kw_only=True, rename=spoken):
    """What our two kinds of policies have in common; the fields mean what `model.policy.Policy` says."""

    order: Annotated[list[Term], Meta(max_length=_FEW, description=_ORDER)] = []
    threshold: Annotated[int, within(model.THRESHOLD, _THRESHOLD)] | None = None
    weights: Annotated[dict[str, Weight], Meta(max_length=_FEW, description=_WEIGHTS)] = {}
    drain: Annotated[list[Region], Meta(max_length=_FEW, description=_DRAIN)] = []
    prices: Annotated[list[PriceSpec], Meta(max_length=model.PRICES_MAX, description=_PRICES)] = []
    price_ms: Annotated[int, within(model.PRICE_MS, _PRICE_MS)] | None = None
    residency: Annotated[list[Region], Meta(max_length=_FEW, description=_RESIDENCY)] = []
    least: Annotated[dict[str, Percent], Meta(max_length=_FEW, description="Least per cent for a region.")] = {}
    most: Annotated[dict[str, Percent], Meta(max_length=_FEW, description="Most per cent for a region.")] = {}
    ramp: ReturnSpec | None = None
    probe: ProbeSpec | None = None
    probes: Annotated[list[ProbeSpec], Meta(max_length=model.PROBES_MAX, description=_PROBES)] = []
    need: Annotated[Need, Meta(description=_NEED)] | None = None


_CAPACITY = "Requests per second that one ready endpoint can take; unset: unknown."
_AGE = "Seconds after which a connection is drained and made anew; unset: an hour."


class TrafficPolicySpec(SteeringSpec, frozen=True, kw_only=True, rename=spoken):
    """How the service of the same namespace and name, or every service of the namespace, is steered and called."""

    target: Annotated[
        Literal["Service", "Namespace"],
        Meta(description="Service: that of the same name; Namespace: all of them, where their own policy is silent."),
    ] = "Service"
    capacity: Annotated[int, within(model.CAPACITY, _CAPACITY)] | None = None
    canary: PortionSpec | None = None
    mirror: PortionSpec | None = None
    panic: PanicSpec | None = None
    affinity: AffinitySpec | None = None
    timeouts: TimeoutsSpec | None = None
    retries: RetriesSpec | None = None
    breakers: BreakersSpec | None = None
    outlier: OutlierSpec | None = None
    slow_start: SlowStartSpec | None = None
    rate_limit: RateLimitSpec | None = None
    max_connection_age_seconds: Annotated[int, _seconds(_AGE)] | None = None
