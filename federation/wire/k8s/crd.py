"""CustomResourceDefinitions (apiextensions.k8s.io/v1), generated from the types."""

from typing import Any, Literal

import msgspec
import yaml
from msgspec import Struct

from federation.wire.k8s import accesses, egress, mcs, ours, policies
from federation.wire.k8s.rules import FIELDS, TYPES

Json = dict[str, Any]


class Column(Struct, frozen=True):
    """A column of `kubectl get`; `type` date is shown as an age."""

    name: str
    path: str
    type: Literal["string", "integer", "boolean", "date"] = "string"
    about: str = ""
    wide: bool = False

    def rendered(self) -> Json:
        """As a CustomResourceDefinition writes it."""
        made: Json = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return made | ({"description": self.about} if self.about else {}) | ({"priority": 1} if self.wide else {})


class Kind(Struct, frozen=True, kw_only=True):
    """One definition. The last of `versions` is stored; all have the same schema, so nothing is converted."""

    group: str
    kind: str
    plural: str
    versions: tuple[str, ...]
    about: str
    spec: type[Struct] | None
    status: type[Struct] | None
    columns: tuple[Column, ...]
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    spec_required: bool = False
    defaults: bool = False

    @property
    def file(self) -> str:
        """Name of the file that holds the definition."""
        return f"{self.group}_{self.plural}.yaml"


_AGE = Column("Age", ".metadata.creationTimestamp", "date")


def _condition(name: str) -> Column:
    return Column(name, f'.status.conditions[?(@.type=="{name}")].status', about=f"Status of condition {name}.")


def _mcs(kind: type[Struct], plural: str, about: str, **rest: Any) -> Kind:
    return Kind(
        group="multicluster.x-k8s.io",
        kind=kind.__name__,
        plural=plural,
        versions=("v1alpha1", "v1beta1"),
        about=about,
        labels={
            "multicluster.x-k8s.io/release-version": "v0.5.0",
            "multicluster.x-k8s.io/crd-schema-revision": "0",
        },
        **rest,
    )


def _own(kind: type[Struct], plural: str, short: str, **rest: Any) -> Kind:
    return Kind(
        group="isthmus.dev",
        kind=kind.__name__,
        plural=plural,
        versions=("v1alpha1",),
        about=kind.__doc__ or "",
        short=(short,),
        categories=("isthmus",),
        defaults=True,
        **rest,
    )


_ALL = (
    _mcs(
        mcs.ServiceExport,
        "serviceexports",
        "The Service of the same namespace and name shall be usable from every cluster of the set.",
        short=("svcex", "svcexport"),
        spec=mcs.ServiceExportSpec,
        status=mcs.ServiceExportStatus,
        columns=(_AGE,),
    ),
    _mcs(
        mcs.ServiceImport,
        "serviceimports",
        "A service that clusters of the set export, as it is used here. Only the controller writes it.",
        short=("svcim", "svcimport"),
        spec=mcs.ServiceImportSpec,
        status=mcs.ServiceImportStatus,
        columns=(
            Column("Type", ".spec.type", about="The type of this ServiceImport"),
            Column("IP", ".spec.ips", about="The VIP for this ServiceImport"),
            _AGE,
        ),
    ),
    Kind(
        group="about.k8s.io",
        kind="ClusterProperty",
        plural="clusterproperties",
        scope="Cluster",
        versions=("v1alpha1", "v1beta1"),
        about="A fact about this cluster, such as its name in its cluster set (cluster.clusterset.k8s.io).",
        annotations={"api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/issues/2149"},
        spec=mcs.ClusterPropertySpec,
        spec_required=True,
        status=None,
        columns=(Column("value", ".spec.value"), Column("age", ".metadata.creationTimestamp", "date")),
    ),
    _own(
        ours.TrafficPolicy,
        "trafficpolicies",
        "tp",
        spec=policies.TrafficPolicySpec,
        spec_required=True,
        status=ours.ConditionsStatus,
        columns=(
            Column("Order", ".spec.order", about="Regions, preferred first."),
            Column("Drain", ".spec.drain", about="Regions that are drained."),
            Column("Weights", ".spec.weights", about="Parts by region.", wide=True),
            _condition("Accepted"),
            _AGE,
        ),
    ),
    _own(
        ours.AccessPolicy,
        "accesspolicies",
        "ap",
        spec=accesses.AccessPolicySpec,
        spec_required=True,
        status=ours.ConditionsStatus,
        columns=(
            Column("Service", ".spec.service", about="None: all exported services of the namespace."),
            Column("From", ".spec.from", about="Who may call.", wide=True),
            _condition("Accepted"),
            _AGE,
        ),
    ),
    _own(
        ours.EgressPolicy,
        "egresspolicies",
        "egp",
        spec=egress.EgressPolicySpec,
        spec_required=True,
        status=ours.ConditionsStatus,
        columns=(
            Column("Accounts", ".spec.serviceAccounts", about="None: every account of the namespace."),
            Column("To", ".spec.to", about="What they may call at other members.", wide=True),
            _condition("Accepted"),
            _AGE,
        ),
    ),
    _own(
        ours.GlobalName,
        "globalnames",
        "gn",
        spec=ours.GlobalNameSpec,
        spec_required=True,
        status=ours.ConditionsStatus,
        columns=(
            Column("Host", ".spec.host", about="The public name."),
            Column("Service", ".spec.service", about="The service that it is answered with."),
            Column("Policy", ".spec.policy", about="steered or weighted."),
            Column("TTL", ".spec.ttl", "integer", "Seconds."),
            _condition("Accepted"),
            _AGE,
        ),
    ),
    _own(
        ours.Drain,
        "drains",
        "drain",
        scope="Cluster",
        spec=ours.DrainSpec,
        spec_required=True,
        status=ours.ConditionsStatus,
        columns=(
            Column("Member", ".spec.member", about="None: the member of this cluster."),
            Column("Reason", ".spec.reason", about="Why."),
            _condition("Accepted"),
            _AGE,
        ),
    ),
    _own(
        ours.MemberCluster,
        "memberclusters",
        "mc",
        scope="Cluster",
        spec=None,
        status=ours.MemberClusterStatus,
        columns=(
            Column("Number", ".status.number", "integer", "Admission number."),
            Column("Region", ".status.region", about="Its region."),
            _condition("Ready"),
            _condition("Reachable"),
            Column("Exports", ".status.exports", "integer", "How many services it exports."),
            Column("Last heard", ".status.lastHeard", "date", "When it was last heard, roughly."),
            Column("Addresses", ".status.addresses", about="CIDRs of its endpoints.", wide=True),
            _AGE,
        ),
    ),
)
KINDS: dict[str, Kind] = {kind.kind: kind for kind in _ALL}


def definition(kind: Kind) -> Json:
    """The definition of one kind."""
    metadata: Json = {"name": f"{kind.plural}.{kind.group}"}
    for key, value in (("labels", kind.labels), ("annotations", kind.annotations)):
        if value:
            metadata[key] = dict(value)
    names: Json = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
    }
    if kind.short and kind.short != (names["singular"],):
        names["shortNames"] = list(kind.short)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": kind.group,
            "scope": kind.scope,
            "names": names,
            "versions": [_version(kind, name) for name in kind.versions],
        },
    }


def _version(kind: Kind, name: str) -> Json:
    made: Json = {"name": name, "served": True, "storage": name == kind.versions[-1]}
    if kind.status is not None:
        made["subresources"] = {"status": {}}
    made["additionalPrinterColumns"] = [column.rendered() for column in kind.columns]
    made["schema"] = {"openAPIV3Schema": _object(kind)}
    return made


def _object(kind: Kind) -> Json:
    made: Json = {"type": "object", "description": kind.about}
    if kind.spec_required:
        made["required"] = ["spec"]
    made["properties"] = {}
    if kind.spec is not None:
        schema = msgspec.json.schema(kind.spec)
        made["properties"]["spec"] = structural(schema, schema["$defs"], kind.defaults)
    if kind.status is not None:
        schema = msgspec.json.schema(kind.status)
        made["properties"]["status"] = structural(schema, schema["$defs"], False)
    return made | _rules(kind.kind)


def _rules(name: str) -> Json:
    rules = [rule.rendered() for rule in TYPES.get(name, ())]
    return {"x-kubernetes-validations": rules} if rules else {}


def structural(schema: Json, defs: Json, defaults: bool) -> Json:
    """A JSON schema as Kubernetes takes it: no references, no titles, no default objects.

    `defaults` fills in what is left out and lets null stand for it; without, neither is said.
    """
    if "$ref" in schema:
        return _referred(schema, defs, defaults)
    if "anyOf" in schema:
        kept, *more = [part for part in schema["anyOf"] if part.get("type") != "null"]
        if more:
            return {"x-kubernetes-int-or-string": True, "description": schema["description"]} | (
                {"nullable": True} if defaults else {}
            )
        return structural(kept, defs, defaults) | ({"nullable": True} if defaults else {})
    made = {key: value for key, value in schema.items() if _plain(key) and value != []}
    if "enum" in schema:
        made |= {"enum": list(made["enum"]), "type": "string"}
    if "properties" in schema:
        made["properties"] = {name: structural(part, defs, defaults) for name, part in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            made[key] = structural(schema[key], defs, defaults)
    if defaults and isinstance(schema.get("default"), int | str) and schema["default"] != "":
        made["default"] = schema["default"]
    return made


def _referred(schema: Json, defs: Json, defaults: bool) -> Json:
    name = schema["$ref"].rpartition("/")[2]
    made = structural(defs[name], defs, defaults) | _rules(name)
    for field, rules in FIELDS.get(name, {}).items():
        made["properties"][field]["x-kubernetes-validations"] = [rule.rendered() for rule in rules]
    return made


_PLAIN = {
    "type", "description", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties",
    "enum", "required", "pattern", "format",
}  # fmt: skip


def _plain(key: str) -> bool:
    return key in _PLAIN or key.startswith("x-kubernetes-")


_HEAD = "# Generated from federation/wire/k8s/ by `make crds`.\n"


def text(kind: Kind) -> str:
    """The definition as YAML."""
    return _HEAD + yaml.safe_dump(definition(kind), sort_keys=False, width=120)


def kustomization() -> str:
    """The list of all definitions for kustomize. Its file has no suffix, so that `kubectl apply -f` passes it by."""
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(kind.file for kind in KINDS.values()),
    }
    return _HEAD + yaml.safe_dump(content, sort_keys=False)
