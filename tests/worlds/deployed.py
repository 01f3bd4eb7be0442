"""The manifests of deploy/, read as kustomize puts them together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
DEPLOY = Path(__file__).parents[2] / "deploy"


def objects() -> list[Object]:
    """Every object of deploy/ itself."""
    names = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["resources"]
    files = [DEPLOY / name for name in names if name.endswith(".yaml")]
    return [found for file in files for found in yaml.safe_load_all(file.read_text())]


def named(kind: str, name: str) -> Object:
    """The one object of this kind and name."""
    (found,) = (one for one in objects() if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def pods() -> Iterator[tuple[str, str, Object]]:
    """Namespace, name and spec of every pod template."""
    for one in objects():
        if one["kind"] in ("Deployment", "DaemonSet"):
            yield one["metadata"]["namespace"], one["metadata"]["name"], one["spec"]["template"]["spec"]


def containers(spec: Object) -> list[Object]:
    """Of one pod, those that run first included."""
    return [*spec.get("initContainers", ()), *spec["containers"]]
