"""Our own kinds as CustomResourceDefinitions (apiextensions.k8s.io/v1), generated from their types."""

from typing import Any

import msgspec
import yaml

from federation.wire.k8s.types import GlobalNameSpec, TrafficPolicySpec

GROUP, VERSION = "isthmus.dev", "v1alpha1"
KINDS: dict[str, tuple[str, type[msgspec.Struct], str]] = {
    "TrafficPolicy": ("trafficpolicies", TrafficPolicySpec, "Steers the service of its own namespace and name."),
    "GlobalName": ("globalnames", GlobalNameSpec, "A public name, answered with the members that offer a service."),
}

Json = dict[str, Any]


def definition(kind: str) -> Json:
    """The definition of one kind."""
    plural, spec, about = KINDS[kind]
    schema = msgspec.json.schema(spec)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _object(about, structural(schema, schema["$defs"]))},
                }
            ],
        },
    }


def _object(about: str, spec: Json) -> Json:
    return {"type": "object", "description": about, "required": ["spec"], "properties": {"spec": spec}}


def structural(schema: Json, defs: Json) -> Json:
    """A JSON schema as Kubernetes takes it: no references, null as `nullable`, no titles, no default objects."""
    if "$ref" in schema:
        return structural(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        kept = next(part for part in schema["anyOf"] if part.get("type") != "null")
        return structural(kept, defs) | {"nullable": True}
    made = {key: value for key, value in schema.items() if key in PLAIN and value != []}
    if "enum" in schema:
        made["type"] = "string"
    if "properties" in schema:
        made["properties"] = {name: structural(part, defs) for name, part in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            made[key] = structural(schema[key], defs)
    if "default" in schema and isinstance(schema["default"], int | str):
        made["default"] = schema["default"]
    return made


PLAIN = ("type", "description", "minimum", "maximum", "maxLength", "enum", "required")


def text(kind: str) -> str:
    """The definition as YAML."""
    head = "# Generated from federation/wire/k8s/types.py by `make crds`.\n"
    return head + yaml.safe_dump(definition(kind), sort_keys=False, width=120)
