"""`isthmus signer` and `isthmus controller`: the long-running processes of a member."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.store import StoreOptions, with_store

if TYPE_CHECKING:
    from federation.trust.endpoint import BundleServing
    from federation.trust.enrolling import Desk

STATE = click.option("--state", required=True, type=click.Path(path_type=Path), help="State folder of the member.")
METRICS = click.option("--metrics", help="ADDRESS:PORT for Prometheus metrics.")


@click.command()
@STATE
@METRICS
@click.option("--socket-group", type=click.IntRange(0, 2**32 - 2), help="Group (GID) that may ask it as well.")
def signer(state: Path, metrics: str | None, socket_group: int | None) -> None:
    """Hold the anchor's key and sign what its policy allows, on a unix socket."""
    from federation.config import Folder
    from federation.process import until_stopped
    from federation.telemetry import serve_metrics, setup_logging
    from federation.trust.signer import Signer
    from federation.trust.slots import Slots

    setup_logging("signer")
    folder = Folder(state)
    own = folder.own()
    if folder.jwt_keys.exists():
        folder.private_text(folder.jwt_keys)
    slots = Slots(folder.anchor_key, folder.anchor, folder.next_anchor, own.trust_domain)
    server = Signer(slots, folder.jwt_keys)
    serve_metrics(metrics)

    async def serve() -> None:
        await until_stopped([server.serve(folder.signer, socket_group)])

    asyncio.run(serve())


@click.command()
@STATE
@METRICS
@click.option("--manifests", type=click.Path(path_type=Path), help="Folder of Kubernetes manifests to watch.")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="Join a Kubernetes cluster instead; FILE or FILE:FILE."
)
@click.option("--context", help="Context of the kubeconfig; without it the current one.")
@click.option("--in-cluster", is_flag=True, help="Join the Kubernetes cluster in which this is a pod.")
@click.option("--listen", required=True, help="ADDRESS:PORT for peers and agents.")
@click.option("--join-listen", help="ADDRESS:PORT for members that join with a token (on the registrar).")
@click.option("--enroll-listen", help="ADDRESS:PORT where programs of our Kubernetes cluster enrol themselves.")
@click.option(
    "--enroll", "enroll", multiple=True, help="ROLE=NAMESPACE/ACCOUNT: whose pods may; gateway, node, dns, xds."
)
@click.option("--bundle-listen", help="ADDRESS:PORT where foreign trust domains get our bundle, at /bundle.json.")
@click.option("--bundle-profile", type=click.Choice(["https_spiffe", "https_web"]), help="How it proves who it is.")
@click.option("--bundle-cert", type=click.Path(path_type=Path), help="Its certificate chain (PEM); https_web only.")
@click.option("--bundle-key", type=click.Path(path_type=Path), help="The key of it (PEM); https_web only.")
@click.option("--label", "labels", multiple=True, help="KEY=VALUE: what policies' orders may call this member by.")
@click.option(
    "--flat-map", "flat_maps", multiple=True, help="LOCAL=SHARED: a local range of pods, and its image in flat mode."
)
@click.option("--health", help="ADDRESS:PORT of /livez and /readyz for Kubernetes probes.")
@with_store
def controller(
    state: Path,
    metrics: str | None,
    manifests: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    in_cluster: bool,
    listen: str,
    join_listen: str | None,
    enroll_listen: str | None,
    enroll: tuple[str, ...],
    bundle_listen: str | None,
    bundle_profile: str | None,
    bundle_cert: Path | None,
    bundle_key: Path | None,
    labels: tuple[str, ...],
    flat_maps: tuple[str, ...],
    health: str | None,
    store: StoreOptions,
) -> None:
    """Run the controller of the member in this state folder."""
    from federation.cli.cluster import Source, open_member
    from federation.cli.flat import parse_images
    from federation.config import Folder
    from federation.daemon import Also
    from federation.running import Places, run_controller
    from federation.telemetry import serve_metrics, setup_logging, split_address

    setup_logging("controller")
    split_address(listen, "--listen")
    if join_listen is not None:
        split_address(join_listen, "--join-listen")
        Folder(state).registrar_key()
    serving = bundle_serving(bundle_listen, bundle_profile, bundle_cert, bundle_key)
    folder = Folder(state)
    source = Source(manifests, kubeconfig, context, in_cluster)
    also = Also(join_listen, serving, enrolment_desk(enroll_listen, enroll, manifests is None))
    cluster, replicas = open_member(source, store, folder, listen)
    serve_metrics(metrics)
    places = Places(listen, also, health, parse_labels(labels), parse_images(flat_maps))
    asyncio.run(run_controller(folder, cluster, places, replicas))


def parse_labels(given: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE each, by key. InputError for one that is no label (Kubernetes' syntax of labels), or is there twice."""
    from federation.model.errors import InputError
    from federation.model.metadata import MEMBER_LABELS_MAX, is_key, is_value

    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not is_key(key) or not is_value(value):
            raise InputError(f'--label "{text}": write it as KEY=VALUE, such as tier=gold')
        if key in found:
            raise InputError(f'--label "{text}": "{key}" is there twice')
        found[key] = value
    if len(found) > MEMBER_LABELS_MAX:
        raise InputError(f"--label: {len(found)} labels, limit {MEMBER_LABELS_MAX}")
    return found


def enrolment_desk(listen: str | None, accounts: tuple[str, ...], kubernetes: bool) -> Desk | None:
    """Where and who enrols itself; None: nobody does. InputError for options that do not go together."""
    from federation.model.errors import InputError
    from federation.telemetry import split_address
    from federation.trust.enrolling import Desk
    from federation.trust.enrolment import parse_accounts

    if listen is None:
        if accounts:
            raise InputError("--enroll-listen ADDRESS:PORT is missing: --enroll is for it")
        return None
    split_address(listen, "--enroll-listen")
    if not kubernetes:
        raise InputError("--enroll-listen needs a Kubernetes API, which reviews tokens: --kubeconfig or --in-cluster")
    if not accounts:
        raise InputError("--enroll-listen needs --enroll ROLE=NAMESPACE/ACCOUNT: without it nobody may enrol")
    return Desk(listen, parse_accounts(accounts))


def bundle_serving(
    listen: str | None, profile: str | None, certificate: Path | None, key: Path | None
) -> BundleServing | None:
    """Where and how our bundle is served; None: it is not. InputError for options that do not go together."""
    from federation.model.errors import InputError
    from federation.telemetry import split_address
    from federation.trust.endpoint import BundleServing

    if listen is None:
        if profile or certificate or key:
            raise InputError("--bundle-listen ADDRESS:PORT is missing: the other --bundle options are for it")
        return None
    split_address(listen, "--bundle-listen")
    if profile is None:
        raise InputError("--bundle-profile is missing: https_spiffe shows our SVID, https_web a web certificate")
    if profile == "https_spiffe":
        if certificate or key:
            raise InputError("--bundle-cert and --bundle-key are for --bundle-profile https_web")
        return BundleServing(listen, None)
    if certificate is None or key is None:
        raise InputError("--bundle-profile https_web needs --bundle-cert and --bundle-key")
    return BundleServing(listen, (certificate, key))
