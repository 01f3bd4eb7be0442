"""Write the lab's excerpt of Kubernetes' published OpenAPI v3: the kinds of its API double, descriptions cut short.

Usage: scripts/kubernetes_schemas.py FOLDER, where FOLDER holds a server's documents as `/openapi/v3/<path>` gives
them, each named <path>.json with `/` as `_` (api_v1.json, apis_apps_v1.json ...).
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "federation/lab/kubernetes/schemas.json"
KINDS = {
    "": "Namespace Service Node Secret ConfigMap ServiceAccount Pod Event",
    "discovery.k8s.io": "EndpointSlice",
    "coordination.k8s.io": "Lease",
    "authentication.k8s.io": "TokenReview TokenRequest",
    "authorization.k8s.io": "SelfSubjectAccessReview SubjectAccessReview",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "apps": "Deployment DaemonSet",
    "policy": "PodDisruptionBudget",
    "batch": "Job",
    "admissionregistration.k8s.io": "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding "
    "ValidatingWebhookConfiguration MutatingWebhookConfiguration",
}
ALSO = ("Status", "DeleteOptions", "ObjectMeta")


def wanted(schema: dict[str, Any]) -> bool:
    """Whether this is the v1 schema of one of our kinds."""
    kinds = schema.get("x-kubernetes-group-version-kind", [])
    return any(one["version"] == "v1" and one["kind"] in KINDS.get(one["group"], "").split() for one in kinds)


def references(value: Any) -> set[str]:
    """Names of all schemas that this one refers to."""
    found = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(value)))
    return found


def short(value: Any) -> Any:
    """The same with the first sentence of each description, and references that are not wrapped in `allOf`."""
    if isinstance(value, list):
        return [short(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _sentence(one) if key == "description" and isinstance(one, str) else short(one)
        for key, one in value.items()
    }


def _sentence(text: str) -> str:
    return re.split(r"(?<=[.:]) |\n", text, maxsplit=1)[0][:160]


def excerpt(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """The schemas of our kinds and all that they refer to, by name."""
    known = {name: one for document in documents for name, one in document["components"]["schemas"].items()}
    taken = {name for name, one in known.items() if wanted(one) or name.rpartition(".")[2] in ALSO}
    waiting = set(taken)
    while waiting:
        waiting = {name for one in waiting for name in references(known[one])} - taken
        taken |= waiting
    return {name: short(known[name]) for name in sorted(taken)}


if __name__ == "__main__":
    schemas = excerpt([json.loads(path.read_text()) for path in sorted(Path(sys.argv[1]).glob("*.json"))])
    TARGET.write_text(
        json.dumps(schemas, separators=(",", ":"), sort_keys=True).replace('},"io.k8s', '},\n"io.k8s') + "\n"
    )
