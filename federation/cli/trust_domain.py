"""`isthmus trust domain`: the foreign trust domains whose workloads ours may know."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from federation.cli.membership import STATE
from federation.model.errors import InputError

if TYPE_CHECKING:
    from federation.trust.foreign import ForeignFolder


@click.group()
def domain() -> None:
    """Foreign trust domains: poll their bundles and hand them to workloads."""


@domain.command()
@STATE
@click.argument("name")
@click.option("--url", required=True, help="Where its bundle is: https://HOST[:PORT]/PATH.")
@click.option("--profile", required=True, type=click.Choice(["https_web", "https_spiffe"]))
@click.option("--endpoint-id", default="", help="SPIFFE ID of its endpoint; https_spiffe only.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Its first bundle; needed for https_spiffe.")
@click.option("--ca", type=click.Path(path_type=Path), help="PEM of the CAs to trust; https_web only.")
def add(state: Path, name: str, url: str, profile: str, endpoint_id: str, bundle: Path | None, ca: Path | None) -> None:
    """Poll the bundle of the trust domain NAME from now on."""
    from federation.trust.foreign import Foreign, Profile

    foreign = Foreign(
        trust_domain=name,
        url=url,
        profile=cast(Profile, profile),
        endpoint_id=endpoint_id,
        ca=_read(ca, "--ca").decode(errors="replace"),
    )
    _folder(state).add(foreign, _read(bundle, "--bundle"), int(time.time()))


@domain.command("list")
@STATE
def list_domains(state: Path) -> None:
    """One line of JSON for each: where its bundle is, and how old the last good one is in seconds."""
    folder = _folder(state)
    for name, foreign in folder.all().items():
        found = folder.held(name)
        row: dict[str, object] = {"trust_domain": name, "url": foreign.url, "profile": foreign.profile}
        row |= {"sequence": None, "age": None}
        if found is not None:
            held, bundle = found
            row |= {"sequence": bundle.sequence, "age": max(0, int(time.time()) - held.fetched)}
            row |= {"anchors": len(bundle.anchors), "jwt_keys": len(bundle.keys)}
        click.echo(json.dumps(row))


@domain.command()
@STATE
@click.argument("name")
def remove(state: Path, name: str) -> None:
    """Poll and trust this trust domain no more."""
    _folder(state).remove(name)


def _folder(state: Path) -> "ForeignFolder":
    from federation.config import Folder
    from federation.trust.foreign import ForeignFolder

    folder = Folder(state)
    return ForeignFolder(folder.foreign, folder.own().domain)


def _read(path: Path | None, option: str) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f'{option} "{path}": {error.strerror}', "E122") from None
