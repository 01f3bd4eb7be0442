"""Labels and annotations that an export carries to every member, as the Kubernetes API takes them (apimachinery:
qualified names, label values).
"""

import re
from collections.abc import Mapping

from federation.model.names import LABEL_MAX, NAME_MAX

EXPORTED_BYTES_MAX = 65_536
"""Of the labels, and of the annotations, of one export; an object's annotations may have 256 KiB in all."""
MEMBER_LABELS_MAX = 32
"""How many labels a member may say of itself: each import of each service carries them."""
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_ARGO, _FLUX, _HELM = "is acted on by Argo CD", "is acted on by Flux", "is acted on by Helm"
_KUBERNETES = "is acted on by Kubernetes"
_KEPT_BACK: Mapping[str, str] = {
    "isthmus.dev": "is ours",
    "app.kubernetes.io/instance": _ARGO,
    "app.kubernetes.io/managed-by": _HELM,
    "argocd.argoproj.io": _ARGO,
    "kustomize.toolkit.fluxcd.io": _FLUX,
    "helm.toolkit.fluxcd.io": _FLUX,
    "meta.helm.sh": _HELM,
    "kubectl.kubernetes.io": "is acted on by kubectl",
    "kubernetes.io": _KUBERNETES,
    "k8s.io": _KUBERNETES,
}
"""Keys, and domains with all below them, and why an exporter may not set them in another cluster: a program there would
prune, adopt or change the import. The nearest domain counts.
"""
_DESCRIPTIVE = "app.kubernetes.io"


def is_value(text: str) -> bool:
    """True for a label's value that is not empty: at most 63 letters, digits, "-", "_" and "."."""
    return _NAME.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """True for the key of a label or annotation: a name, with a DNS prefix and "/" before it or without."""
    prefix, slash, name = text.rpartition("/")
    return is_value(name) and (not slash or (len(prefix) <= NAME_MAX and _PREFIX.fullmatch(prefix) is not None))


def label_fault(labels: Mapping[str, str]) -> str | None:
    """The first of these labels that cannot be exported, and why."""
    for key, value in labels.items():
        if value and not is_value(value):
            return f"{value[:LABEL_MAX]!r} of {key[:NAME_MAX]!r} is no value of a label"
    return annotation_fault(labels)


def annotation_fault(pairs: Mapping[str, str]) -> str | None:
    """The first of these that cannot be exported, and why: its key, or the size of all."""
    for key in pairs:
        if not is_key(key):
            return f"{key[:NAME_MAX]!r} is not a key such as example.com/team"
        held = _kept_back(key)
        if held:
            which = "it is" if held == key else f"keys of {held} are"
            return f'"{key}" {_KEPT_BACK[held]}: {which} not exported'
    size = sum(len(key) + len(value.encode()) for key, value in pairs.items())
    return f"{size} bytes, at most {EXPORTED_BYTES_MAX} can be exported" if size > EXPORTED_BYTES_MAX else None


def _kept_back(key: str) -> str:
    """What stands in _KEPT_BACK for this key: itself, or its nearest domain; "" when it can be exported."""
    domain, slash, _ = key.rpartition("/")
    if key in _KEPT_BACK or not slash or domain == _DESCRIPTIVE:
        return key if key in _KEPT_BACK and slash else ""
    while domain and domain not in _KEPT_BACK:
        domain = domain.partition(".")[2]
    return domain
