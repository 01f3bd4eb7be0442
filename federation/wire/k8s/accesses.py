"""AccessPolicy: who may call what this cluster exports (isthmus.dev/v1alpha1)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from federation.model.access import AccessRule, Source
from federation.model.names import LABEL_MAX, NAME_MAX, is_host, is_label
from federation.model.policy import PROBE_PATH_MAX, is_path

SOURCES_MAX = 64
PORTS_MAX = 100
PATHS_MAX = 64
METHODS_MAX = 9
SHOWN = 80

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
"""As Gateway API's HTTPMethod (RFC 9110; RFC 5789)."""
Port = Annotated[str, Meta(min_length=1, max_length=LABEL_MAX)]
Path = Annotated[str, Meta(min_length=1, max_length=PROBE_PATH_MAX)]


class SourceSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """Callers by their SPIFFE identity; what is left out is any."""

    member: Annotated[str, Meta(max_length=LABEL_MAX, description="Their member.")] = ""
    namespace: Annotated[str, Meta(max_length=LABEL_MAX, description="Their namespace.")] = ""
    service_account: Annotated[str, Meta(max_length=NAME_MAX, description="Their service account.")] = ""


class AccessPolicySpec(Struct, frozen=True, kw_only=True, rename={"sources": "from"}):
    """Any of `from` may call these ports of the service, with these methods and below these paths."""

    service: Annotated[
        str, Meta(max_length=LABEL_MAX, description="The service, in the object's namespace; none: all exported ones.")
    ] = ""
    sources: Annotated[list[SourceSpec], Meta(min_length=1, max_length=SOURCES_MAX, description="Who may call.")]
    ports: Annotated[
        list[Port],
        Meta(max_length=PORTS_MAX, description="Names of the service's ports, or their numbers as text; none: all."),
    ] = []
    methods: Annotated[list[Method], Meta(max_length=METHODS_MAX, description="HTTP methods; none: all.")] = []
    paths: Annotated[
        list[Path], Meta(max_length=PATHS_MAX, description="Prefixes of HTTP paths, by whole segments; none: all.")
    ] = []


def access_fault(spec: AccessPolicySpec) -> str | None:
    """Field, value and limit of the first fault, or None."""
    if spec.service and not is_label(spec.service):
        return f'field "spec.service": "{spec.service}" is not a DNS label'
    for index, source in enumerate(spec.sources):
        wrong = _source_fault(source)
        if wrong is not None:
            return f'field "spec.from[{index}].{wrong}'
    port = next((port for port in spec.ports if not _is_port(port)), None)
    if port is not None:
        return f'field "spec.ports": "{port[:SHOWN]}" is no name of a port and no number from 1 to 65535'
    path = next((path for path in spec.paths if not is_path(path)), None)
    if path is not None:
        return f'field "spec.paths": {path[:SHOWN]!r} must begin with "/" and hold printable ASCII without spaces'
    return None


def _source_fault(source: SourceSpec) -> str | None:
    for field, text in (("member", source.member), ("namespace", source.namespace)):
        if text and not is_label(text):
            return f'{field}": "{text}" is not a DNS label'
    account = source.service_account
    if account and not (is_label(account) or is_host(account)):
        return f'serviceAccount": "{account[:SHOWN]}" is not a DNS name in lower case'
    return None


def _is_port(text: str) -> bool:
    if text.isascii() and text.isdigit():
        return text[0] != "0" and len(text) <= 5 and int(text) <= 65_535
    return is_label(text)


def access_rule(spec: AccessPolicySpec) -> AccessRule:
    """What it admits, in the model's words."""
    return AccessRule(
        sources=tuple(Source(one.member, one.namespace, one.service_account) for one in spec.sources),
        ports=tuple(spec.ports),
        methods=tuple(spec.methods),
        paths=tuple(spec.paths),
    )
