"""Which adapter watches our own cluster, and who shares the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from federation.config import Folder, Own
from federation.model.errors import InputError
from federation.ports import ClusterApi

if TYPE_CHECKING:
    from federation.adapters.kube.access import KubeAccess
    from federation.adapters.leadership import Replicas
    from federation.cli.store import StoreOptions


@dataclass(frozen=True)
class Source:
    """Where our cluster is, as given on the command line."""

    manifests: Path | None
    kubeconfig: Path | None
    context: str | None
    in_cluster: bool


def open_member(source: Source, store: StoreOptions, folder: Folder, listen: str) -> tuple[ClusterApi, Replicas | None]:
    """The adapter for exactly one of the three sources, and the replicas where the store is shared. InputError when it
    is none or several, or they do not go together.
    """
    check_source(source)
    own = folder.own()
    member = f"{own.federation}/{own.name}"
    if store.kind == "kubernetes":
        from federation.adapters.kube.replicas import KubeReplicas, own_namespace

        if source.manifests is not None:
            raise InputError("--store kubernetes needs --kubeconfig FILE or --in-cluster")
        namespace = own_namespace(store.namespace, source.in_cluster)
        shared = KubeReplicas(_access(source), namespace, own, folder.kube_mirror, listen)
        return shared.cluster, shared
    cluster = open_cluster(source, own)
    if store.kind == "sqlite":
        return cluster, None
    from federation.adapters.etcd.access import read_access
    from federation.adapters.etcd.replicas import EtcdReplicas

    return cluster, EtcdReplicas(read_access(store.etcd), member, folder.etcd_mirror)


def check_source(source: Source) -> None:
    """InputError when it is none or several."""
    if (source.manifests is not None) + (source.kubeconfig is not None) + source.in_cluster != 1:
        raise InputError("give exactly one of --manifests FOLDER, --kubeconfig FILE and --in-cluster")
    if source.context is not None and source.kubeconfig is None:
        raise InputError(f'--context "{source.context}" is for --kubeconfig FILE: remove it')


def open_cluster(source: Source, own: Own) -> ClusterApi:
    """The adapter of this source. InputError when it cannot be used."""
    if source.manifests is not None:
        from federation.adapters.manifests import Manifests

        return Manifests(source.manifests, own.az)
    from federation.adapters.kube.claim import Claim
    from federation.adapters.kube.cluster import Kube

    return Kube(_access(source), own.az, claim=Claim(own.name, own.domain))


def _access(source: Source) -> KubeAccess:
    from federation.adapters.kube.access import in_cluster
    from federation.adapters.kube.kubeconfig import read_kubeconfig

    return in_cluster() if source.kubeconfig is None else read_kubeconfig(source.kubeconfig, source.context)
