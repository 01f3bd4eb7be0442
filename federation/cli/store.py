"""Where a controller keeps its state: the options, and `isthmus store`."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from federation.adapters.etcd.access import EtcdOptions
from federation.model.errors import InputError

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--store", type=click.Choice(["sqlite", "etcd"]), default="sqlite", help="Where the state is kept."),
    click.option("--etcd-endpoint", multiple=True, metavar="URL", help="https://HOST:PORT; may be repeated."),
    click.option("--etcd-ca", type=_FILE, help="CA that signed etcd's certificate (PEM)."),
    click.option("--etcd-cert", type=_FILE, help="Our certificate for etcd (PEM)."),
    click.option("--etcd-key", type=_FILE, help="Its key (PEM, mode 0600)."),
    click.option("--etcd-user", default="", help="User name in etcd."),
    click.option("--etcd-password-file", type=_FILE, help="File with its password (mode 0600)."),
)


def with_store(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the store; it is called with `etcd`, None for SQLite."""

    @functools.wraps(command)
    def called(
        store: str,
        etcd_endpoint: tuple[str, ...],
        etcd_ca: Path | None,
        etcd_cert: Path | None,
        etcd_key: Path | None,
        etcd_user: str,
        etcd_password_file: Path | None,
        **others: Any,
    ) -> None:
        options = EtcdOptions(etcd_endpoint, etcd_ca, etcd_cert, etcd_key, etcd_user, etcd_password_file)
        if store == "sqlite" and options != EtcdOptions():
            raise InputError("--etcd-... options need --store etcd")
        command(etcd=options if store == "etcd" else None, **others)

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
    """Show how an etcd that went backwards differs from what is in force, and let the controller write it."""
    from federation.adapters.etcd.mirror import Mirror
    from federation.config import Folder

    folder = Folder(state)
    folder.own()
    if not folder.etcd_mirror.exists():
        raise InputError(f'--state "{state}": its controller has no store in etcd; there is nothing to accept')
    mirror = Mirror(folder.etcd_mirror)
    if not mirror.frozen:
        raise InputError(f'--state "{state}": its store is not frozen; there is nothing to accept')
    click.echo(mirror.frozen)
    differences = mirror.differences()
    for one in differences:
        click.echo(f"{one.key}: known {_short(one.known)}, etcd has {_short(one.now)}, would be {_short(one.wanted)}")
    click.echo(f"{len(differences)} keys differ")
    if not yes:
        click.confirm("Write this to etcd?", abort=True)
    mirror.accept()
    click.echo("accepted: the controller that leads writes it within seconds")


def _short(value: bytes | None) -> str:
    if value is None:
        return "nothing"
    text = value.decode("ascii", "replace")
    if len(text) <= 24 and text.isprintable() and "\ufffd" not in text:
        return f'"{text}"'
    return f"{len(value)} bytes ({hashlib.sha256(value).hexdigest()[:8]})"
