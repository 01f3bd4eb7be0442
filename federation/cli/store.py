"""Where a controller keeps its state: the options, and `isthmus store`."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from federation.adapters.etcd.access import EtcdOptions
from federation.model.errors import InputError
from federation.model.names import is_label

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "--store",
        type=click.Choice(["sqlite", "etcd", "kubernetes"]),
        default="sqlite",
        help="Where the state is kept; replicas of a controller share one in etcd, or in Secrets of their cluster.",
    ),
    click.option("--namespace", help="Where --store kubernetes has Lease and Secrets (default: the pod's own)."),
    click.option("--etcd-endpoint", multiple=True, metavar="URL", help="https://HOST:PORT; may be repeated."),
    click.option("--etcd-ca", type=_FILE, help="CA that signed etcd's certificate (PEM)."),
    click.option("--etcd-cert", type=_FILE, help="Our certificate for etcd (PEM)."),
    click.option("--etcd-key", type=_FILE, help="Its key (PEM, mode 0600)."),
    click.option("--etcd-user", default="", help="User name in etcd."),
    click.option("--etcd-password-file", type=_FILE, help="File with its password (mode 0600)."),
)


@dataclass(frozen=True)
class StoreOptions:
    """As given on the command line: `kind` is sqlite, etcd or kubernetes."""

    kind: str
    etcd: EtcdOptions
    namespace: str | None


def with_store(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the store; it is called with `store`, a StoreOptions."""

    @functools.wraps(command)
    def called(
        store: str,
        namespace: str | None,
        etcd_endpoint: tuple[str, ...],
        etcd_ca: Path | None,
        etcd_cert: Path | None,
        etcd_key: Path | None,
        etcd_user: str,
        etcd_password_file: Path | None,
        **others: Any,
    ) -> None:
        options = EtcdOptions(etcd_endpoint, etcd_ca, etcd_cert, etcd_key, etcd_user, etcd_password_file)
        if store != "etcd" and options != EtcdOptions():
            raise InputError("--etcd-... options need --store etcd")
        if namespace is not None and store != "kubernetes":
            raise InputError("--namespace needs --store kubernetes")
        if namespace is not None and not is_label(namespace):
            raise InputError(f'--namespace "{namespace}": must be the name of a namespace: a-z, 0-9 and -, at most 63')
        command(store=StoreOptions(store, options, namespace), **others)

    for option in reversed(_OPTIONS):
        called = option(called)
    return called


@click.group()
def store() -> None:
    """Look after a controller's store."""


@store.command()
@click.option("--state", required=True, type=_FILE, help="State folder of the member.")
@click.option("--yes", is_flag=True, help="Accept without asking.")
def accept(state: Path, yes: bool) -> None:
    """Show how a shared store that went backwards differs from what is in force, and let the controller write it."""
    from federation.adapters.mirror import Mirror
    from federation.config import Folder

    folder = Folder(state)
    folder.own()
    mirrors = [Mirror(path) for path in (folder.etcd_mirror, folder.kube_mirror) if path.exists()]
    if not mirrors:
        raise InputError(f'--state "{state}": its controller shares no store; there is nothing to accept')
    mirror = next((one for one in mirrors if one.frozen), mirrors[0])
    if not mirror.frozen:
        raise InputError(f'--state "{state}": its store is not frozen; there is nothing to accept')
    click.echo(mirror.frozen)
    differences = mirror.differences()
    for one in differences:
        click.echo(
            f"{one.key}: known {_short(one.known)}, the store has {_short(one.now)}, would be {_short(one.wanted)}"
        )
    click.echo(f"{len(differences)} keys differ")
    if not yes:
        click.confirm("Write this to the store?", abort=True)
    mirror.accept()
    click.echo("accepted: the controller that leads writes it within seconds")


def _short(value: bytes | None) -> str:
    if value is None:
        return "nothing"
    text = value.decode("ascii", "replace")
    if len(text) <= 24 and text.isprintable() and "\ufffd" not in text:
        return f'"{text}"'
    return f"{len(value)} bytes ({hashlib.sha256(value).hexdigest()[:8]})"
