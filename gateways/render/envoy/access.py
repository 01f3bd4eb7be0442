"""Who may come in: AccessRules as Envoy's role based access control. Nobody whom no rule admits."""

import re
from collections.abc import Iterable

from federation.model.access import PARAMETER_IN_DOTS, AccessRule, Source, stem_of
from federation.model.spiffe import trust_domain
from gateways.render.envoy.common import Json, extension, typed
from gateways.state import NOBODY, Access, Offered

RBAC = "envoy.filters.http.rbac"
_HTTP = "extensions.filters.http.rbac.v3"


def for_connections(access: Access, cluster: str) -> Json:
    """The network filter of a TCP port."""
    return typed(
        "envoy.filters.network.rbac",
        "extensions.filters.network.rbac.v3.RBAC",
        stat_prefix=f"access.{cluster}",
        rules=_rules(access),
    )


def at_handshake(access: Access) -> Json:
    """What the certificate of a caller of a TCP port must say: without this the server's first bytes, where it speaks
    first, would reach a caller before the filter is asked, which is when he sends something.
    """
    callers = [_callers(source, access.domain) for rule in access.rules for source in rule.sources]
    return {
        "match_typed_subject_alt_names": [
            {"san_type": "URI", "matcher": matcher} for matcher in callers or [{"exact": "spiffe://nobody"}]
        ]
    }


def for_requests() -> Json:
    """The HTTP filter of a gateway: it admits nobody but whom the route does (`on_route`)."""
    return typed(RBAC, f"{_HTTP}.RBAC", rules=_rules(NOBODY))


def on_route(access: Access) -> Json:
    """`typed_per_filter_config` of a gateway's route. A change here drains no connection."""
    return {RBAC: extension(f"{_HTTP}.RBACPerRoute", rbac={"rules": _rules(access)})}


def requests_read(offered: Offered, member: str) -> Json:
    """Fields of the connection manager: what a refused caller is told and, where a rule names paths, that the server
    gets the path that the rules were asked about; elsewhere it gets what the client sent.
    """
    made: Json = {"local_reply_config": {"mappers": [_refusal(offered, member)]}}
    if offered.by_path:
        made |= {
            "normalize_path": True,
            "merge_slashes": True,
            "path_with_escaped_slashes_action": "REJECT_REQUEST",
        }
    return made


def _refusal(offered: Offered, member: str) -> Json:
    text = (
        f"%DOWNSTREAM_PEER_URI_SAN% may not %REQ(:METHOD)% this path of {offered.cluster.removeprefix('in/')} "
        f"in {member}: no AccessPolicy there admits it\n"
    )
    forbidden = {"op": "EQ", "value": {"default_value": 403, "runtime_key": "isthmus.forbidden"}}
    return {
        "filter": {"status_code_filter": {"comparison": forbidden}},
        "body_format_override": {"text_format_source": {"inline_string": text}},
    }


def _rules(access: Access) -> Json:
    policies = {
        f"{number}": {"permissions": _permissions(rule), "principals": _principals(rule.sources, access.domain)}
        for number, rule in enumerate(access.rules)
    }
    return {"action": "ALLOW", "policies": policies}


def _principals(sources: Iterable[Source], domain: str) -> list[Json]:
    return [{"authenticated": {"principal_name": _callers(source, domain)}} for source in sources]


def _callers(source: Source, domain: str) -> Json:
    """SPIFFE IDs `spiffe://<member>.<domain>/ns/<namespace>/sa/<account>`, as Envoy's StringMatcher."""
    if source.member and source.namespace and source.account:
        path = f"/ns/{source.namespace}/sa/{source.account}"
        return {"exact": f"spiffe://{trust_domain(source.member, domain)}{path}"}
    if source.member and not source.namespace and not source.account:
        return {"prefix": f"spiffe://{trust_domain(source.member, domain)}/"}
    member = re.escape(source.member) if source.member else "[^/]+"
    path = ".+"
    if source.namespace or source.account:
        path = f"ns/{_or_any(source.namespace)}/sa/{_or_any(source.account)}"
    return {"safe_regex": {"regex": rf"spiffe://{member}\.{re.escape(domain)}/{path}"}}


def _or_any(name: str) -> str:
    return re.escape(name) if name else "[^/]+"


def _permissions(rule: AccessRule) -> list[Json]:
    asked: list[Json] = []
    if rule.methods:
        asked.append({"or_rules": {"rules": [_method(method) for method in rule.methods]}})
    if rule.paths:
        asked.append({"or_rules": {"rules": [one for prefix in rule.paths for one in _paths(prefix)]}})
        asked.append({"not_rule": {"url_path": {"path": {"safe_regex": {"regex": PARAMETER_IN_DOTS}}}}})
    return [{"and_rules": {"rules": asked}}] if asked else [{"any": True}]


def _method(method: str) -> Json:
    return {"header": {"name": ":method", "string_match": {"exact": method}}}


def _paths(prefix: str) -> list[Json]:
    stem = stem_of(prefix)
    if stem is None:
        return []
    below: Json = {"url_path": {"path": {"prefix": f"{stem}/"}}}
    return [{"url_path": {"path": {"exact": stem}}}, below] if stem else [below]
