"""Who may come in: AccessRules as Envoy's role based access control. Nobody whom no rule admits."""

import re
from collections.abc import Iterable

from msgspec import Struct

from federation.model.access import AccessRule, Source, stem_of
from federation.model.spiffe import trust_domain
from gateways.render.envoy.common import Json, typed
from gateways.state import Offered

HTTP_FILTER = "envoy.filters.http.rbac"
_HTTP = "extensions.filters.http.rbac.v3"
_NOBODY: Json = {"action": "ALLOW", "policies": {}}


class Entrance(Struct, frozen=True):
    """What an HTTP connection manager of a gateway asks before it routes: `filters` before the router, fields of the
    `manager`, and `typed_per_filter_config` of its `routes`.
    """

    filters: tuple[Json, ...]
    manager: Json
    routes: Json


def for_connections(offered: Offered) -> Json:
    """The network filter of a TCP port."""
    return typed(
        "envoy.filters.network.rbac",
        "extensions.filters.network.rbac.v3.RBAC",
        stat_prefix=f"access.{offered.cluster}",
        rules=_rules(offered),
    )


def entrance(offered: Offered, member: str) -> Entrance:
    """What the HTTP port of a member asks of requests."""
    return Entrance(
        filters=(typed(HTTP_FILTER, f"{_HTTP}.RBAC", rules=_NOBODY),),
        manager={**_paths_read(offered), "local_reply_config": _refusal(offered, member)},
        routes=on_routes(offered),
    )


def on_routes(offered: Offered) -> Json:
    """`typed_per_filter_config` of the routes: who is admitted. A change here drains no connection."""
    per_route = typed(HTTP_FILTER, f"{_HTTP}.RBACPerRoute", rbac={"rules": _rules(offered)})
    return {HTTP_FILTER: per_route["typed_config"]}


def _paths_read(offered: Offered) -> Json:
    """Where a rule names paths the server gets the path that the rules were asked about; elsewhere what the client
    sent.
    """
    if not any(rule.paths for rule in offered.access):
        return {}
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
    }


def _refusal(offered: Offered, member: str) -> Json:
    """What a caller is told who is not admitted: who it is here, and what would admit it."""
    text = (
        f"%DOWNSTREAM_PEER_URI_SAN% may not %REQ(:METHOD)% this path of {offered.cluster.removeprefix('in/')} "
        f"in {member}: no AccessPolicy there admits it\n"
    )
    denied: Json = {
        "filter": {
            "status_code_filter": {
                "comparison": {"op": "EQ", "value": {"default_value": 403, "runtime_key": "isthmus.denied"}}
            }
        },
        "body_format_override": {"text_format_source": {"inline_string": text}},
    }
    return {"mappers": [denied]}


def _rules(offered: Offered) -> Json:
    policies = {
        f"{number}": {"permissions": _permissions(rule), "principals": _principals(rule.sources, offered.domain)}
        for number, rule in enumerate(offered.access)
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
    return [{"and_rules": {"rules": asked}}] if asked else [{"any": True}]


def _method(method: str) -> Json:
    return {"header": {"name": ":method", "string_match": {"exact": method}}}


def _paths(prefix: str) -> list[Json]:
    stem = stem_of(prefix)
    if stem is None:
        return []
    below: Json = {"url_path": {"path": {"prefix": f"{stem}/"}}}
    return [{"url_path": {"path": {"exact": stem}}}, below] if stem else [below]
