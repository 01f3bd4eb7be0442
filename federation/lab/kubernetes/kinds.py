"""What the double serves: the built-in kinds as a table, and those that stored CustomResourceDefinitions define."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One served version of a kind. `schema` is its OpenAPI v3 schema, or a reference into `definitions()`."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    short: tuple[str, ...] = ()
    singular: str = ""
    list_kind: str = ""
    status: bool = False
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    schema: Object = field(default_factory=dict, hash=False, compare=False)
    columns: tuple[Any, ...] = field(default=(), hash=False, compare=False)
    custom: bool = False
    storage_version: str = "v1"
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """`v1`, or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def stored_as(self) -> tuple[str, str]:
        """Key of the collection that all versions of this kind share."""
        return self.group, self.plural

    @property
    def listed_as(self) -> str:
        """Kind of a list of it."""
        return self.list_kind or f"{self.kind}List"


@cache
def definitions() -> Object:
    """Kubernetes' published schemas of the built-in kinds, by name (schemas.json, scripts/kubernetes_schemas.py)."""
    found: Object = json.loads((Path(__file__).parent / "schemas.json").read_text())
    return found


def referred(schema: Object) -> Object:
    """A schema with its reference followed; what stands beside the reference (default, description) wins."""
    wrapped = schema.get("allOf")
    target = schema.get("$ref") or (wrapped[0].get("$ref") if wrapped and len(wrapped) == 1 else None)
    if target is None:
        return schema
    beside = {key: value for key, value in schema.items() if key not in ("allOf", "$ref")}
    return {**definitions()[target.rpartition("/")[2]], **beside}


def _schema_of(group: str, kind: str) -> Object:
    for name, one in definitions().items():
        for said in one.get("x-kubernetes-group-version-kind", []):
            if (said["group"], said["kind"], said["version"]) == (group, kind, "v1"):
                return {"$ref": f"#/components/schemas/{name}"}
    raise KeyError(f"{kind}.{group} is not in schemas.json")


CLUSTER, NAMESPACED = False, True
BUILT_IN = (  # group, kind, plural, namespaced, short names, has a status subresource
    ("", "Namespace", "namespaces", CLUSTER, ("ns",), True),
    ("", "Node", "nodes", CLUSTER, ("no",), True),
    ("", "Service", "services", NAMESPACED, ("svc",), True),
    ("", "Secret", "secrets", NAMESPACED, (), False),
    ("", "ConfigMap", "configmaps", NAMESPACED, ("cm",), False),
    ("", "ServiceAccount", "serviceaccounts", NAMESPACED, ("sa",), False),
    ("", "Pod", "pods", NAMESPACED, ("po",), True),
    ("", "Event", "events", NAMESPACED, ("ev",), False),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", NAMESPACED, (), False),
    ("coordination.k8s.io", "Lease", "leases", NAMESPACED, (), False),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", CLUSTER, ("crd", "crds"), True),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", CLUSTER, (), False),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", CLUSTER, (), False),
    ("rbac.authorization.k8s.io", "Role", "roles", NAMESPACED, (), False),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", NAMESPACED, (), False),
    ("apps", "Deployment", "deployments", NAMESPACED, ("deploy",), True),
    ("apps", "DaemonSet", "daemonsets", NAMESPACED, ("ds",), True),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", NAMESPACED, ("pdb",), True),
    ("batch", "Job", "jobs", NAMESPACED, (), True),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", CLUSTER, (), True),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        CLUSTER,
        (),
        False,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        CLUSTER,
        (),
        False,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        CLUSTER,
        (),
        False,
    ),
)
REVIEWS = (  # answered, never stored
    ("authentication.k8s.io", "TokenReview", "tokenreviews"),
    ("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews"),
)
CATEGORIES = {"services": ("all",), "pods": ("all",), "deployments": ("all",), "daemonsets": ("all",), "jobs": ("all",)}
SUBRESOURCES = {"serviceaccounts": ("token",)}


@cache
def built_in() -> tuple[Kind, ...]:
    """The kinds that are there before anyone defines one."""
    stored = tuple(
        Kind(
            group,
            "v1",
            kind,
            plural,
            namespaced,
            short,
            kind.lower(),
            status=status,
            categories=CATEGORIES.get(plural, ()),
            schema=_schema_of(group, kind),
            subresources=SUBRESOURCES.get(plural, ()),
        )
        for group, kind, plural, namespaced, short, status in BUILT_IN
    )
    reviews = tuple(
        Kind(group, "v1", kind, plural, False, (), kind.lower(), verbs=("create",), schema=_schema_of(group, kind))
        for group, kind, plural in REVIEWS
    )
    return stored + reviews


def defined(crd: Object) -> tuple[Kind, ...]:
    """The kinds of a stored CustomResourceDefinition: one for each served version."""
    spec, names = crd["spec"], crd["spec"]["names"]
    stored = next(one["name"] for one in spec["versions"] if one.get("storage"))
    return tuple(
        Kind(
            spec["group"],
            version["name"],
            names["kind"],
            names["plural"],
            spec["scope"] == "Namespaced",
            tuple(names.get("shortNames", ())),
            names.get("singular") or names["kind"].lower(),
            names.get("listKind") or f"{names['kind']}List",
            "status" in version.get("subresources", {}),
            tuple(names.get("categories", ())),
            schema=version.get("schema", {}).get("openAPIV3Schema", {}),
            columns=tuple(version.get("additionalPrinterColumns", ())),
            custom=True,
            storage_version=stored,
        )
        for version in spec["versions"]
        if version.get("served")
    )


def served(crds: Iterable[Object]) -> dict[tuple[str, str, str], Kind]:
    """All kinds by (group, version, plural)."""
    kinds = [*built_in(), *(kind for crd in crds for kind in defined(crd))]
    return {(kind.group, kind.version, kind.plural): kind for kind in kinds}
