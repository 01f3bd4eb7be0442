"""Policies: what an operator says of how a service or a public name is steered (design section 7).

Integers only, so that every program that reads a policy computes the same from it.
"""

import re
from typing import Literal, get_args

from msgspec import Struct

from federation.model.metadata import is_key, is_value
from federation.model.names import is_label
from federation.model.resilience import NO_RESILIENCE, Resilience

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Range(Struct, frozen=True):
    """What a number may be, both ends included."""

    low: int
    high: int


TTL = Range(1, 86_400)
THRESHOLD = Range(1, 100)
WEIGHT = Range(0, 1_000_000)
RETURN_PERCENT = Range(1, 100)
RETURN_SECONDS = Range(1, 3_600)
PROBE_PORT = Range(0, 65_535)
PROBE_INTERVAL_MS = Range(100, 60_000)
PROBE_TIMEOUT_MS = Range(10, 30_000)
PROBE_COUNT = Range(1, 20)
PROBE_PATH_MAX = 1_024
PROBE_TEXT_MAX = 256
PROBE_STATUSES_MAX = 16
PROBES_MAX = 8
STATUS = Range(100, 599)
REGIONS_MAX = 32
CAPACITY = Range(1, 10_000_000)
PRICE_MICROS = Range(0, 1_000_000_000)
PRICE_MS = Range(0, 1_000_000)
PRICES_MAX = 64
PPM = Range(0, 1_000_000)
PANIC_BELOW = Range(0, 100)
AFFINITY_SECONDS = Range(0, 86_400)
PERCENT = Range(0, 100)
WAIT_MS = Range(0, 3_600_000)
SECONDS = Range(1, 604_800)
COUNT = Range(0, 1_000_000_000)
ATTEMPTS = Range(0, 100)
HEADER_MAX = 128


def is_path(text: str) -> bool:
    """True for what a probe may ask for: it begins with "/" and holds printable ASCII without spaces."""
    return text.startswith("/") and text.isascii() and text.isprintable() and " " not in text


def is_token(text: str) -> bool:
    """True for the name of a header or cookie (RFC 9110, token)."""
    return 0 < len(text) <= HEADER_MAX and _TOKEN.fullmatch(text) is not None


def is_target(term: str) -> bool:
    """True for a term that names somebody: a region, `member/NAME` or `label/KEY=VALUE`."""
    kind, slash, rest = term.partition("/")
    if kind == "member":
        return bool(slash) and is_label(rest)
    key, equals, value = rest.partition("=")
    if kind == "label" and slash:
        return bool(equals) and is_key(key) and (not value or is_value(value))
    return not slash and is_label(term)


def is_term(term: str) -> bool:
    """True for a term that an order may have: one that names somebody, `@region` or `@az`."""
    return term in ("@region", "@az") or is_target(term)


def is_region(term: str) -> bool:
    """True for a term of an order that names a region."""
    return "/" not in term and not term.startswith("@")


class Ramp(Struct, frozen=True, omit_defaults=True):
    """How a recovered target comes back: `percent` of all requests more for every `seconds` that it has been well."""

    percent: int = 10
    seconds: int = 10


Kind = Literal["tcp", "http", "https", "grpc", "grpcs", "icmp", "exec"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Probe(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A health probe of a `kind`; "" is http with a `path` and tcp without.

    tcp: a connection. http, https: a request whose status is one of `statuses` (none: 200 to 399) and, with a `body`,
    whose content has this text in its first 64 KiB; `host` is the Host header. grpc, grpcs (inside TLS): `service` says
    that it serves (grpc.health.v1). icmp: an echo. exec: the program that the prober's operator calls `command`.
    In TLS `server_name` is asked for and, unless `verify` is none, must be in a certificate that the system trusts;
    "" for both names is that of the target. `port` 0 is the target's own port.
    `unhealthy` failures in a row take the target away, `healthy` successes in a row bring it back; each probe may take
    `timeout_ms` and begins `interval_ms` after the one before.
    With `parts` it is composite: at least `need` of them must pass (0: all), and nothing else of it counts.
    """

    kind: Literal["", Kind] = ""
    port: int = 0
    path: str = ""
    method: Literal["GET", "HEAD"] = "GET"
    statuses: tuple[Range, ...] = ()
    body: str = ""
    host: str = ""
    server_name: str = ""
    verify: Literal["system", "none"] = "system"
    service: str = ""
    command: str = ""
    interval_ms: int = 1_000
    timeout_ms: int = 1_000
    unhealthy: int = 3
    healthy: int = 2
    parts: tuple["Probe", ...] = ()
    need: int = 0

    @property
    def each(self) -> tuple["Probe", ...]:
        """The parts, or itself."""
        return self.parts or (self,)

    @property
    def way(self) -> Kind:
        """The kind, said or not."""
        return self.kind or ("http" if self.path else "tcp")


class Price(Struct, frozen=True):
    """What a gigabyte costs from one region to another, in millionths of the operator's currency; "*" is any region."""

    source: str
    to: str
    micros: int


class Portion(Struct, frozen=True):
    """A part of all requests, in parts per million, for whom the term names (see `Policy.order`)."""

    to: str
    ppm: int


class Panic(Struct, frozen=True, omit_defaults=True):
    """What to do when fewer than `below` per cent of all endpoints that may be used are ready, or none is (0).

    `open`: as if every endpoint were ready. `closed`: no endpoint, requests fail. `fallback`: the service of this name
    in the same namespace takes the requests.
    """

    action: Literal["open", "closed", "fallback"] = "closed"
    below: int = 0
    fallback: str = ""


class Affinity(Struct, frozen=True):
    """One client's requests go to one endpoint while shares allow it: by its source address, by a request header
    `name`, or by a cookie `name` that Envoy sets for `seconds` (0: for the browser's session).
    """

    by: Literal["source", "header", "cookie"] = "source"
    name: str = ""
    seconds: int = 0


class Policy(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the law is told beside its candidates, and what proxies do with each request.

    `order`: terms, preferred first; whom none names follows by cost, the client's own member always comes first. A term
    is a region, `member/NAME`, `label/KEY=VALUE` (labels that a member says of itself), `@region` (the client's own
    region) or `@az` (inside the own member, the client's own availability zone first).
    `threshold`: per cent of ready endpoints below which traffic begins to leave a member; 0 is 100/1.4.
    `capacity`: requests per second that one ready endpoint can take; 0 is unknown.
    `weights`: parts by region; with any, they take the place of order and cost. `drain`: regions that get nothing.
    `prices` and `price_ms`: an exporter's cost is its round trip plus `price_ms` for each whole unit of currency that a
    gigabyte from its region to the client's costs. `residency`: with any, only members in these regions are ever used.
    `least` and `most`: bounds of a region's share in ppm. `canary`: this part goes there first, the rest by the law.
    `mirror`: a copy of this part of the requests goes there too, its answers are dropped.
    """

    order: tuple[str, ...] = ()
    threshold: int = 0
    capacity: int = 0
    weights: dict[str, int] = {}
    drain: tuple[str, ...] = ()
    prices: tuple[Price, ...] = ()
    price_ms: int = 0
    residency: tuple[str, ...] = ()
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    canary: Portion | None = None
    mirror: Portion | None = None
    panic: Panic = Panic()
    affinity: Affinity | None = None
    ramp: Ramp = Ramp()
    probe: Probe | None = None
    resilience: Resilience = NO_RESILIENCE
