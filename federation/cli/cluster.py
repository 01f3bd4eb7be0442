"""Which adapter watches our own cluster."""

from pathlib import Path

from federation.model.errors import InputError
from federation.ports import ClusterApi


def open_cluster(manifests: Path | None, kubeconfig: Path | None, az: str) -> ClusterApi:
    """The adapter for exactly one of the two sources. InputError when it is none or both."""
    if (manifests is None) == (kubeconfig is None):
        raise InputError("give exactly one of --manifests FOLDER and --kubeconfig FILE")
    if manifests is not None:
        from federation.adapters.manifests import Manifests

        return Manifests(manifests, az)
    assert kubeconfig is not None
    from federation.adapters.kube import open_kube

    return open_kube(kubeconfig, az)
