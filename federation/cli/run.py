"""`isthmus signer` and `isthmus controller`: the long-running processes of a member."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from federation.adapters.etcd.access import EtcdOptions
from federation.cli.store import with_store

STATE = click.option("--state", required=True, type=click.Path(path_type=Path), help="State folder of the member.")
METRICS = click.option("--metrics", help="ADDRESS:PORT for Prometheus metrics.")


@click.command()
@STATE
@METRICS
def signer(state: Path, metrics: str | None) -> None:
    """Hold the anchor's key and sign what its policy allows, on a unix socket."""
    from federation.config import Folder
    from federation.process import until_stopped
    from federation.telemetry import serve_metrics, setup_logging
    from federation.trust.signer import Signer
    from federation.trust.slots import Slots

    setup_logging("signer")
    folder = Folder(state)
    own = folder.own()
    server = Signer(Slots(folder.anchor_key, folder.anchor, folder.next_anchor, own.trust_domain))
    serve_metrics(metrics)

    async def serve() -> None:
        await until_stopped([server.serve(folder.signer)])

    asyncio.run(serve())


@click.command()
@STATE
@METRICS
@click.option("--manifests", type=click.Path(path_type=Path), help="Folder of Kubernetes manifests to watch.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Watch a Kubernetes cluster instead.")
@click.option("--listen", required=True, help="ADDRESS:PORT for peers and agents.")
@click.option("--join-listen", help="ADDRESS:PORT for members that join with a token (on the registrar).")
@with_store
def controller(
    state: Path,
    metrics: str | None,
    manifests: Path | None,
    kubeconfig: Path | None,
    listen: str,
    join_listen: str | None,
    etcd: EtcdOptions | None,
) -> None:
    """Run the controller of the member in this state folder."""
    from federation.adapters.etcd.access import read_access
    from federation.cli.cluster import open_cluster
    from federation.config import Folder
    from federation.daemon import run_controller
    from federation.telemetry import serve_metrics, setup_logging, split_address

    setup_logging("controller")
    split_address(listen, "--listen")
    if join_listen is not None:
        split_address(join_listen, "--join-listen")
        Folder(state).registrar_key()
    folder = Folder(state)
    cluster = open_cluster(manifests, kubeconfig, folder.own().az)
    access = None if etcd is None else read_access(etcd)
    serve_metrics(metrics)
    asyncio.run(run_controller(folder, cluster, listen, access, join_listen))
