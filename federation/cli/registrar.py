"""`isthmus registrar`: which member appends to the ledger, and giving the role to another."""

import json
from pathlib import Path

import click

from federation.cli.membership import PREPARE, STATE


@click.group()
def registrar() -> None:
    """The member that may append to the ledger: show it, move the role, take it over."""


@registrar.command()
@STATE
def show(state: Path) -> None:
    """Print who the registrar is, by the ledger in this folder."""
    from federation.config import Folder
    from federation.registrar.ledger import ledger_in

    folder = Folder(state)
    ledger = ledger_in(folder.ledger_bytes(), folder.own().federation)
    held = folder.federation_key.exists()
    said = {"registrar": ledger.registrar, "term": ledger.term, "index": ledger.index, "federation_key_here": held}
    click.echo(json.dumps(said))


@registrar.command()
@STATE
@click.option("--to", required=True, help="The member that shall be the registrar.")
@click.option("--key-out", type=click.Path(path_type=Path), help="File to which the federation key is moved.")
@PREPARE
def move(state: Path, to: str, key_out: Path | None, prepare: Path | None) -> None:
    """Give the role to another member (on the registrar). The federation key leaves this folder: bring it there and run
    `isthmus registrar take`.
    """
    from federation.cli.places import check_file
    from federation.config import Folder
    from federation.files import write_private
    from federation.registrar.ledger import ledger_in
    from federation.registrar.register import Appender, check_registrar

    if (key_out is None) == (prepare is None):
        raise click.UsageError("give either --key-out or, where the federation key is kept offline, --prepare")
    folder = Folder(state)
    own = folder.own()
    ledger = Appender(folder.ledger, own.federation, own.name)
    check_registrar(ledger_in(folder.ledger_bytes(), own.federation), own.name)
    if prepare is not None:
        check_file(prepare, "--prepare")
        prepare.write_bytes(ledger.prepare_take_over(to)[0])
        return
    assert key_out is not None
    check_file(key_out, "--key-out")
    key = folder.registrar_key()
    write_private(key_out, key.encode())
    try:
        ledger.take_over(key, to)
    except BaseException:
        key_out.unlink()
        raise
    folder.federation_key.unlink()
    click.echo(json.dumps({"registrar": to, "federation_key": str(key_out)}))


@registrar.command()
@STATE
@click.option("--key", "key_file", type=click.Path(path_type=Path, exists=True), help="The federation key.")
@click.option("--force", is_flag=True, help="Begin a term of our own: the registrar is gone for good.")
@PREPARE
def take(state: Path, key_file: Path | None, force: bool, prepare: Path | None) -> None:
    """Take the role that was moved to this member; with --force, one whose holder is gone.

    Entries that a registrar which is not gone appends meanwhile are overruled.
    """
    from federation.cli.places import check_file
    from federation.config import Folder, private_text
    from federation.files import write_private
    from federation.model.errors import Refused
    from federation.registrar.ledger import ledger_in
    from federation.registrar.register import Appender
    from federation.registrar.signing import LEDGER, SigningKey, fingerprint

    if (key_file is None) == (prepare is None) or (prepare is not None and not force):
        raise click.UsageError("give --key, or --force with --prepare where the federation key is kept offline")
    folder = Folder(state)
    own = folder.own()
    ledger = ledger_in(folder.ledger_bytes(), own.federation)
    appender = Appender(folder.ledger, own.federation, own.name)
    if prepare is not None:
        check_file(prepare, "--prepare")
        prepare.write_bytes(appender.prepare_take_over(own.name)[0])
        return
    assert key_file is not None
    pem = private_text(key_file)
    found = fingerprint(SigningKey(pem, LEDGER).public)
    if found != own.federation:
        raise Refused(f"{key_file} is {found[:19]}…, not this federation's key {own.federation[:19]}…", "E105")
    if ledger.registrar != own.name and not force:
        raise Refused(
            f'the ledger here (term {ledger.term}, index {ledger.index}) names "{ledger.registrar}": there, run '
            f"`isthmus registrar move --to {own.name}`, and wait until it has come; or --force if it is gone for good",
            "E109",
        )
    if ledger.registrar != own.name:
        appender.take_over(pem, own.name)
    write_private(folder.federation_key, pem.encode())
    click.echo(json.dumps({"registrar": own.name}))
