"""Who may call an exported service: SPIFFE identities, ports, methods, paths. Default deny between members.

What is decided here is what the gateway's Envoy decides (`gateways/render/envoy/access.py`); a test with the real one
compares them.
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from federation.model.names import MemberName
from federation.model.record import Port, is_http
from federation.model.spiffe import SpiffeId, trust_domain


class Source(Struct, frozen=True):
    """Callers: of this member (a SPIFFE trust domain), namespace and service account; "" is any."""

    member: MemberName | str = ""
    namespace: str = ""
    account: str = ""

    def covers(self, identity: SpiffeId, domain: str) -> bool:
        """True for an identity of these callers in the federation of this domain."""
        wanted = (self.namespace, self.account)
        if self.member and identity.trust_domain != trust_domain(self.member, domain):
            return False
        if not identity.trust_domain.endswith(f".{domain}"):
            return False
        if not any(wanted):
            return True
        match identity.segments:
            case ("ns", namespace, "sa", account):
                return all(want in ("", has) for want, has in zip(wanted, (namespace, account), strict=True))
        return False


class AccessRule(Struct, frozen=True, kw_only=True):
    """Any of `sources` may call any of these ports (names or numbers; none: all), with any of these HTTP methods and
    path prefixes (none: all). A rule with methods or paths admits nobody to a port that is not HTTP.

    A prefix is whole segments, as in the Gateway API's PathPrefix: /api admits /api and /api/x, not /apis.
    """

    sources: tuple[Source, ...]
    ports: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def speaks_of(self, port: Port) -> bool:
        """True when the rule names this port, or none."""
        return not self.ports or port.name in self.ports or str(port.port) in self.ports

    def by_address(self) -> tuple[Source, ...]:
        """The sources that packets alone show (flat mode): members as a whole, and namespaces by egress addresses."""
        if self.methods or self.paths:
            return ()
        return tuple(source for source in self.sources if not source.account)

    def admits_any(self, http: bool) -> bool:
        """False when nobody can come in by it: without sources, with paths that are none, or with methods or paths at
        a port where requests are not seen.
        """
        if self.paths and all(stem_of(path) is None for path in self.paths):
            return False
        return bool(self.sources) and (http or not (self.methods or self.paths))


class Call(Struct, frozen=True):
    """Who calls, and on an HTTP port how. `path` as the client sends it, without query."""

    identity: SpiffeId
    method: str = ""
    path: str = ""


def rules_at(port: Port, rules: Iterable[AccessRule]) -> tuple[AccessRule, ...]:
    """Those that are in force at this port: what cannot be kept there admits nobody."""
    http = is_http(port.app_protocol)
    return tuple(rule for rule in rules if rule.speaks_of(port) and rule.admits_any(http))


def opened_to(port: Port, rules: Iterable[AccessRule]) -> tuple[Source, ...]:
    """Whose pods may open this port by address, in flat mode; none that another of them covers. Packets show no
    account, method or path: a rule that asks for one opens nothing. A namespace they show by its egress addresses.
    """
    found = {source for rule in rules if rule.speaks_of(port) for source in rule.by_address()}
    alone = (one for one in found if not found.intersection(_wider(one)))
    return tuple(sorted(alone, key=lambda one: (one.member, one.namespace)))


def _wider(source: Source) -> set[Source]:
    return {Source(), Source(source.member), Source("", source.namespace)} - {source}


def admitting(rules: Sequence[AccessRule], domain: str, call: Call) -> AccessRule | None:
    """The first rule, of those in force at a port (`rules_at`), that admits the call; None: it is denied."""
    if any(rule.paths for rule in rules) and normalised(call.path) is None:
        return None
    for rule in rules:
        if (
            any(source.covers(call.identity, domain) for source in rule.sources)
            and (not rule.methods or call.method in rule.methods)
            and (not rule.paths or any(under(prefix, call.path) for prefix in rule.paths))
        ):
            return rule
    return None


PARAMETER_IN_DOTS = r".*/\.{1,2}(;|%3[bB]).*"
"""Normal paths with a dot segment that bears a parameter (`/a/%2e%2e;/b` becomes one): some servers go up there. No
path rule admits them.
"""


def under(prefix: str, path: str) -> bool:
    """True when this path, once it is normal, lies under the prefix."""
    found, stem = normalised(path), stem_of(prefix)
    if found is None or stem is None or re.fullmatch(PARAMETER_IN_DOTS, found):
        return False
    return found == stem or found.startswith(f"{stem}/")


def stem_of(prefix: str) -> str | None:
    """What the paths under a prefix begin with, before the next slash; None: there are no such paths."""
    found = normalised(prefix)
    return None if found is None else found.rstrip("/")


_REFUSED = re.compile(r"#|%2f|%5c|%00|[^!-~]", re.IGNORECASE)
_ESCAPED = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_PARAMETER = re.compile(r"(?<=/)(\.{1,2});[^/]*")
_TO_ESCAPE = re.compile(r'["<>^`{|}]')


def normalised(path: str) -> str | None:
    """The path as rules are asked about it and as the server gets it (RFC 3986, 5.2.4 and 6.2.2, with slashes merged
    and backslashes as slashes); None when the gateway refuses it with 400: escaped slashes, or not a path.
    """
    if not path.startswith("/") or _REFUSED.search(path):
        return None
    text = _ESCAPED.sub(_unescaped, _PARAMETER.sub(r"\1", path).replace("\\", "/"))
    text = _TO_ESCAPE.sub(lambda found: f"%{ord(found[0]):02X}", text)
    return re.sub("/+", "/", "/" + "/".join(_without_dots(text.split("/")[1:])))


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if _UNRESERVED.fullmatch(character) else found[0]


def _without_dots(segments: list[str]) -> list[str]:
    kept: list[str] = []
    for segment in segments:
        if segment == ".." and kept:
            kept.pop()
        elif segment not in (".", ".."):
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return kept
