"""What the server says of itself: versions, groups, resources (plain and aggregated) and OpenAPI documents."""

import hashlib
import json
from typing import Any

from federation.lab.kubernetes import schema
from federation.lab.kubernetes.kinds import Kind, definitions

Object = dict[str, Any]
Kinds = dict[tuple[str, str, str], Kind]
VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+isthmus-double",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
STATUS_VERBS = ["get", "patch", "update"]


def versions(kinds: Kinds) -> dict[str, list[str]]:
    """Versions by group; of several, stable ones come first, then the later."""
    found: dict[str, set[str]] = {}
    for group, version, _ in kinds:
        found.setdefault(group, set()).add(version)
    return {group: sorted(said, key=_rank) for group, said in found.items()}


def _rank(version: str) -> tuple[int, str]:
    maturity = 2 if "alpha" in version else 1 if "beta" in version else 0
    return maturity, version


def group(name: str, said: list[str]) -> Object:
    """An APIGroup."""
    listed = [{"groupVersion": f"{name}/{one}", "version": one} for one in said]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def groups(kinds: Kinds) -> Object:
    """`/apis`."""
    listed = [group(name, said) for name, said in versions(kinds).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def resources(kinds: list[Kind]) -> Object:
    """`/apis/GROUP/VERSION`."""
    listed: list[Object] = []
    for kind in kinds:
        said: Object = {
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(kind.verbs),
        }
        if kind.short:
            said["shortNames"] = list(kind.short)
        if kind.categories:
            said["categories"] = list(kind.categories)
        listed.append(said)
        listed += [
            {
                "name": f"{kind.plural}/{sub}",
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": of,
                "verbs": verbs,
            }
            for sub, of, verbs in _subresources(kind)
        ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": kinds[0].api_version, "resources": listed}


def _subresources(kind: Kind) -> list[tuple[str, str, list[str]]]:
    status = [("status", kind.kind, STATUS_VERBS)] if kind.status else []
    return status + [(sub, "TokenRequest", ["create"]) for sub in kind.subresources]


def aggregated(kinds: Kinds, core: bool) -> Object:
    """`/api` or `/apis` in one answer (apidiscovery.k8s.io/v2)."""
    items = [_group_item(kinds, name, said) for name, said in versions(kinds).items() if (name == "") == core]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _group_item(kinds: Kinds, name: str, said: list[str]) -> Object:
    listed = [
        {
            "version": version,
            "resources": [_resource(one) for one in kinds.values() if (one.group, one.version) == (name, version)],
            "freshness": "Current",
        }
        for version in said
    ]
    return {"metadata": {"name": name} if name else {}, "versions": listed}


def _resource(kind: Kind) -> Object:
    of = {"group": kind.group, "version": kind.version}
    said: Object = {
        "resource": kind.plural,
        "responseKind": {**of, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short:
        said["shortNames"] = list(kind.short)
    if kind.categories:
        said["categories"] = list(kind.categories)
    subs = [
        {"subresource": sub, "responseKind": {**of, "kind": kind_name}, "verbs": verbs}
        for sub, kind_name, verbs in _subresources(kind)
    ]
    return {**said, **({"subresources": subs} if subs else {})}


def document_path(kind: Kind) -> str:
    """Where a kind's group version is described, below /openapi/v3/."""
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def documents(kinds: Kinds) -> Object:
    """`/openapi/v3`: the documents there are, each with the hash of what it describes."""
    by_path: dict[str, list[Kind]] = {}
    for kind in kinds.values():
        by_path.setdefault(document_path(kind), []).append(kind)
    return {
        "paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(of)}"} for path, of in by_path.items()}
    }


def _hash(kinds: list[Kind]) -> str:
    text = json.dumps([[one.kind, one.schema, one.status] for one in kinds], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest().upper()


def openapi3(kinds: list[Kind]) -> Object:
    """The OpenAPI v3 document of one group version: paths as far as clients read them, and schemas."""
    schemas = {**definitions(), **{_named(one): _described(one) for one in kinds if one.custom}}
    paths: Object = {}
    for kind in kinds:
        paths |= _paths(kind)
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def openapi2(kinds: Kinds) -> Object:
    """`/openapi/v2` as JSON: definitions of all kinds."""
    schemas = {**definitions(), **{_named(one): _described(one) for one in kinds.values() if one.custom}}
    text = json.dumps(schemas).replace("#/components/schemas/", "#/definitions/")
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"swagger": "2.0", "info": info, "paths": {}, "definitions": json.loads(text)}


def _named(kind: Kind) -> str:
    if kind.custom:
        return f"{'.'.join(reversed(kind.group.split('.')))}.{kind.version}.{kind.kind}"
    return str(kind.schema["$ref"]).rpartition("/")[2]


def _described(kind: Kind) -> Object:
    of = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    whole = schema.root(kind)
    meta = {"$ref": f"#/components/schemas/{schema.META}"}
    properties = {**whole["properties"], "metadata": {"allOf": [meta], "description": "Standard object's metadata."}}
    return {**whole, "properties": properties, "x-kubernetes-group-version-kind": [of]}


def _paths(kind: Kind) -> Object:
    base = f"/{document_path(kind)}" + ("/namespaces/{namespace}" if kind.namespaced else "") + f"/{kind.plural}"
    of = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    answer = {"$ref": f"#/components/schemas/{_named(kind)}"}
    content = {"application/json": {"schema": answer}}
    sorts = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"]
    sorts += [] if kind.custom else ["application/strategic-merge-patch+json"]

    def operation(action: str, body: Object | None) -> Object:
        said: Object = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": of, "parameters": parameters}
        said["responses"] = {"200": {"description": "OK", "content": content}}
        return {**said, **({"requestBody": {"content": body}} if body else {})}

    found = {base: {"get": operation("list", None), "post": operation("post", content)}}
    if "patch" in kind.verbs:
        patch = operation("patch", {sort: {"schema": {"type": "object"}} for sort in sorts})
        found[f"{base}/{{name}}"] = {"get": operation("get", None), "put": operation("put", content), "patch": patch}
    return found
