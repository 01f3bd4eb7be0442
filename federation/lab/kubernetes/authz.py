"""Role-based access control: whether a user may do a thing, by the stored roles and bindings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from federation.lab.kubernetes import status
from federation.lab.kubernetes.store import Store
from federation.lab.kubernetes.users import User

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Act:
    """What is asked: a verb on a resource (`plural` or `plural/subresource`), or on a path outside the API."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def _role(name: str, rules: list[Object]) -> Object:
    meta = {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}


def _bound(name: str, *groups: str) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "Group", "apiGroup": RBAC, "name": group} for group in groups],
    }


PUBLIC = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *PUBLIC]
EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
SELF = [{"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]}]
DEFAULTS = (
    _role("cluster-admin", EVERYTHING),
    _role("system:discovery", [{"nonResourceURLs": DISCOVERY, "verbs": ["get"]}]),
    _role("system:public-info-viewer", [{"nonResourceURLs": PUBLIC, "verbs": ["get"]}]),
    _role("system:basic-user", SELF),
    _bound("cluster-admin", "system:masters"),
    _bound("system:discovery", "system:authenticated"),
    _bound("system:basic-user", "system:authenticated"),
    _bound("system:public-info-viewer", "system:authenticated", "system:unauthenticated"),
)


def allowed(store: Store, user: User, act: Act) -> bool:
    """Whether a rule bound to the user, or to a group of theirs, covers this."""
    if "system:masters" in user.groups:
        return True
    return any(_covers(rule, act) for rule in _rules(store, user, act.namespace))


def require(store: Store, user: User, act: Act) -> None:
    """Raise 403, as the API server words it, unless this is allowed."""
    if allowed(store, user, act):
        return
    if act.path:
        text = f'forbidden: User "{user.name}" cannot {act.verb} path "{act.path}"'
        raise status.Refused(403, "Forbidden", text, {})
    where = f'in the namespace "{act.namespace}"' if act.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {act.verb} resource "{act.resource}" in API group "{act.group}" {where}'
    raise status.forbidden(act.group, act.resource.partition("/")[0], act.name, why)


def _rules(store: Store, user: User, namespace: str) -> Iterator[Object]:
    for binding in store.of((RBAC, "clusterrolebindings")).values():
        if _is_subject(binding, user, ""):
            yield from _of_role(store, "clusterroles", "", binding)
    for (home, _), binding in store.of((RBAC, "rolebindings")).items():
        if namespace and home == namespace and _is_subject(binding, user, home):
            plural = "roles" if binding["roleRef"]["kind"] == "Role" else "clusterroles"
            yield from _of_role(store, plural, home if plural == "roles" else "", binding)


def _of_role(store: Store, plural: str, namespace: str, binding: Object) -> list[Object]:
    role = store.get((RBAC, plural), (namespace, binding["roleRef"]["name"]))
    return (role or {}).get("rules") or []


def _is_subject(binding: Object, user: User, home: str) -> bool:
    for one in binding.get("subjects") or []:
        if one["kind"] == "ServiceAccount":
            if user.name == f"system:serviceaccount:{one.get('namespace') or home}:{one['name']}":
                return True
        elif (one["kind"] == "User" and one["name"] == user.name) or (
            one["kind"] == "Group" and one["name"] in user.groups
        ):
            return True
    return False


def _covers(rule: Object, act: Act) -> bool:
    verbs = rule.get("verbs") or []
    if "*" not in verbs and act.verb not in verbs:
        return False
    if act.path:
        return any(_path_fits(one, act.path) for one in rule.get("nonResourceURLs") or [])
    groups, resources = rule.get("apiGroups") or [], rule.get("resources") or []
    if "*" not in groups and act.group not in groups:
        return False
    _, slash, sub = act.resource.partition("/")
    if not {"*", act.resource, *([f"*/{sub}"] if slash else [])}.intersection(resources):
        return False
    names = rule.get("resourceNames") or []
    return not names or act.name in names


def _path_fits(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == path


def review(store: Store, user: User, asked: Object) -> Object:
    """Answer a SelfSubjectAccessReview or SubjectAccessReview with its status filled in."""
    spec = asked.get("spec") or {}
    if asked["kind"] == "SubjectAccessReview":
        user = User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()))
    about, path = spec.get("resourceAttributes") or {}, spec.get("nonResourceAttributes")
    if path:
        act = Act(path.get("verb", ""), path=path.get("path", ""))
    else:
        sub = f"/{about['subresource']}" if about.get("subresource") else ""
        resource = f"{about.get('resource', '')}{sub}"
        act = Act(
            about.get("verb", ""), about.get("group", ""), resource, about.get("namespace", ""), about.get("name", "")
        )
    return {**asked, "metadata": {}, "status": {"allowed": allowed(store, user, act)}}
