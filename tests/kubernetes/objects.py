"""Objects for the suite, small and valid."""

from typing import Any

Object = dict[str, Any]
PARTS = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Service": ("/api/v1", "services"),
    "Secret": ("/api/v1", "secrets"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Pod": ("/api/v1", "pods"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "TrafficPolicy": ("/apis/isthmus.dev/v1alpha1", "trafficpolicies"),
    "Widget": ("/apis/suite.isthmus.dev/v1", "widgets"),
}


def path(kind: str, namespace: str, name: str = "") -> str:
    """Where objects of a kind are; one of them when it is named."""
    base, plural = PARTS[kind]
    return f"{base}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def of(kind: str, name: str, meta: Object | None = None, **body: Any) -> Object:
    """An object of a kind; `meta` is metadata beside its name."""
    base = PARTS[kind][0]
    version = base.removeprefix("/apis/").removeprefix("/api/")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **(meta or {})}, **body}


def config(name: str, meta: Object | None = None, **data: str) -> Object:
    """A ConfigMap."""
    return of("ConfigMap", name, meta, **({"data": data} if data else {}))


def service(name: str = "web", **spec: Any) -> Object:
    """A Service with one port unless told otherwise."""
    return of("Service", name, spec={"ports": [{"port": 80}], **spec})


def slice_(name: str = "web-1", **body: Any) -> Object:
    """An EndpointSlice with one endpoint unless told otherwise."""
    said = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"name": "http", "port": 80}]}
    return of("EndpointSlice", name, **(said | body))


def widgets() -> Object:
    """A definition of our own with everything that a schema can ask for, in two served versions."""
    port: Object = {"type": "integer", "minimum": 1, "maximum": 65535}
    spec: Object = {
        "type": "object",
        "required": ["mode"],
        "properties": {
            "mode": {"type": "string", "enum": ["Open", "Closed"]},
            "size": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            "label": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8},
            "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set", "maxItems": 3},
            "ports": {
                "type": "array",
                "maxItems": 8,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "port": port, "note": {"type": "string"}},
                },
            },
            "order": {"type": "array", "items": {"type": "string"}},
            "free": {"type": "object", "additionalProperties": {"type": "string"}},
            "low": {"type": "integer"},
            "high": {"type": "integer"},
            "fixed": {
                "type": "string",
                "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed is immutable"}],
            },
        },
        "x-kubernetes-validations": [
            {
                "rule": "!has(self.low) || !has(self.high) || self.low <= self.high",
                "message": "low must not be above high",
            }
        ],
    }
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": spec,
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
        },
    }
    column = {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"}
    sizes = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    versions: list[Object] = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
            "additionalPrinterColumns": [column, sizes],
        }
        for name in ("v1", "v1alpha1")
    ]
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wd"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.suite.isthmus.dev"},
        "spec": {"group": "suite.isthmus.dev", "scope": "Namespaced", "names": names, "versions": versions},
    }


def widget(name: str = "one", **spec: Any) -> Object:
    """A Widget."""
    return of("Widget", name, spec={"mode": "Open", **spec})
