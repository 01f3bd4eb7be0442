"""Which adapter watches our own cluster."""

from pathlib import Path

from federation.model.errors import InputError
from federation.ports import ClusterApi


def open_cluster(
    manifests: Path | None, kubeconfig: Path | None, context: str | None, in_cluster: bool, az: str
) -> ClusterApi:
    """The adapter for exactly one of the three sources. InputError when it is none or several."""
    if (manifests is not None) + (kubeconfig is not None) + in_cluster != 1:
        raise InputError("give exactly one of --manifests FOLDER, --kubeconfig FILE and --in-cluster")
    if context is not None and kubeconfig is None:
        raise InputError(f'--context "{context}" is for --kubeconfig FILE: remove it')
    if manifests is not None:
        from federation.adapters.manifests import Manifests

        return Manifests(manifests, az)
    from federation.adapters.kube.cluster import open_in_cluster, open_kube

    return open_in_cluster(az) if kubeconfig is None else open_kube(kubeconfig, context, az)
