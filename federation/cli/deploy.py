"""`isthmus deploy`: what a Kubernetes cluster needs of a folder, as manifests on standard output."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import click

from federation.model.errors import InputError

SECRET_MAX = 1_048_576
"""Bytes that a Secret may hold (core/v1 MaxSecretSize)."""
SIGNER = ("member.json", "anchor.pem", "ca")
CONTROLLER = (
    "member.json",
    "anchor.pem",
    "ledger",
    "record.key",
    "federation.key",
    "rotations.json",
    "agents",
    "foreign",
    "tokens",
)
ENROLL = "isthmus-enroll"


@click.group()
def deploy() -> None:
    """Print what a Kubernetes cluster needs of a folder."""


@deploy.command()
@click.option("--state", required=True, type=click.Path(path_type=Path), help="State folder of the member.")
@click.option("--namespace", default="isthmus-system", show_default=True, help="Namespace of the Secrets.")
@click.option("--agents-namespace", default="isthmus-gateway", show_default=True, help="Namespace of node agents.")
def secret(state: Path, namespace: str, agents_namespace: str) -> None:
    """Print the Secrets that hold this folder, for `kubectl apply --server-side -f -`. They are secret: pipe them.

    Of a member: isthmus-state for the controller, isthmus-anchor with the anchor's key, which only the signer mounts.
    With them, in both namespaces, the ConfigMap isthmus-enroll: the member and the anchors by which its programs know
    the controller.
    """
    from federation.model.names import parse_label

    parse_label(namespace, "--namespace")
    parse_label(agents_namespace, "--agents-namespace")
    for document in (*manifests(state, namespace), *enrolling(state, dict.fromkeys((namespace, agents_namespace)))):
        click.echo(document, nl=False)


def manifests(state: Path, namespace: str) -> list[str]:
    """The Secrets of this folder as YAML. InputError for a folder that is no member's."""
    from federation.config import Folder

    folder = Folder(state)
    folder.own()
    folder.private_text(folder.anchor_key)
    return [
        _manifest("isthmus-state", namespace, "state.tar", packed(state, CONTROLLER)),
        _manifest("isthmus-anchor", namespace, "anchor.tar", packed(state, SIGNER)),
    ]


def enrolling(state: Path, namespaces: Iterable[str]) -> list[str]:
    """By what the programs of a member know its controller: its name, and all its anchors that the ledger has now.
    InputError for a folder of a member that was not admitted yet.
    """
    from federation.config import Folder
    from federation.registrar.ledger import ledger_in

    folder = Folder(state)
    own = folder.own()
    anchors = ledger_in(folder.ledger_bytes(), own.federation).members[own.name].trusted
    return [_config(own.trust_domain, anchors, namespace) for namespace in namespaces]


def _config(member: str, anchors: str, namespace: str) -> str:
    lines = "".join(f"    {line}\n" for line in anchors.splitlines())
    return (
        "apiVersion: v1\nkind: ConfigMap\n"
        f"metadata:\n  name: {ENROLL}\n  namespace: {namespace}\n"
        "  labels:\n    app.kubernetes.io/part-of: isthmus\n"
        f"data:\n  member: {member}\n  anchors.pem: |\n{lines}---\n"
    )


def packed(folder: Path, names: tuple[str, ...]) -> bytes:
    """These files and folders as tar, for their owner only; the same content gives the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names:
            if (folder / name).exists():
                tar.add(folder / name, name, filter=_private)
    return buffer.getvalue()


def _private(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (entry.isfile() or entry.isdir()):
        return None
    entry.mode = 0o700 if entry.isdir() else 0o600
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def _manifest(name: str, namespace: str, key: str, data: bytes) -> str:
    if len(data) > SECRET_MAX:
        raise InputError(f"Secret {name}: {len(data)} bytes, a Secret holds at most {SECRET_MAX}", "E118")
    value = base64.b64encode(data).decode()
    return (
        "apiVersion: v1\nkind: Secret\ntype: Opaque\n"
        f"metadata:\n  name: {name}\n  namespace: {namespace}\n"
        f"  labels:\n    app.kubernetes.io/part-of: isthmus\ndata:\n  {key}: {value}\n---\n"
    )
