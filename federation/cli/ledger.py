"""`isthmus ledger`: entries that are signed where the federation key is kept, away from every controller."""

import json
from pathlib import Path

import click

from federation.cli.membership import STATE


@click.group()
def ledger() -> None:
    """Sign entries of the ledger offline: `member admit | set | revoke | anchor | leave --prepare`, sign, import."""


@ledger.command()
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path, exists=True), help="federation.key.")
@click.option("--entry", required=True, type=click.Path(path_type=Path, exists=True), help="What --prepare wrote.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File for the signed entry.")
@click.option("--yes", is_flag=True, help="Sign without asking.")
def sign(key_file: Path, entry: Path, out: Path, yes: bool) -> None:
    """Show an entry and sign it with the federation key. Needs no network and no state folder."""
    import msgspec

    from federation.cli.places import check_file
    from federation.config import private_text
    from federation.registrar.ledger import read_entry
    from federation.registrar.signing import LEDGER, SigningKey, fingerprint

    check_file(out, "--out")
    body = entry.read_bytes()
    read = read_entry(body)
    shown = msgspec.to_builtins(read.member) | {"index": read.index, "term": read.term, "domain": read.domain}
    if read.registrar:
        shown["registrar"] = read.registrar
    shown["anchor"] = fingerprint(read.member.anchor.encode())
    if read.member.next_anchor:
        shown["next_anchor"] = fingerprint(read.member.next_anchor.encode())
    click.echo(json.dumps(shown, indent=2))
    key = SigningKey(private_text(key_file), LEDGER)
    if not yes:
        click.confirm(f"Sign this with {fingerprint(key.public)[:19]}…?", abort=True, err=True)
    out.write_bytes(msgspec.msgpack.encode(key.sign(body)))


@ledger.command("import")
@STATE
@click.option("--signed", required=True, type=click.Path(path_type=Path, exists=True), help="What `sign` wrote.")
@click.option("--ledger", "out", type=click.Path(path_type=Path), help="File for the new ledger, for a joiner.")
def import_(state: Path, signed: Path, out: Path | None) -> None:
    """Append an entry that was signed elsewhere (on the registrar)."""
    import msgspec

    from federation.cli.places import check_file
    from federation.config import Folder
    from federation.model.errors import InputError
    from federation.model.record import Signed
    from federation.registrar.register import Appender

    if out is not None:
        check_file(out, "--ledger")
    try:
        item = msgspec.msgpack.decode(signed.read_bytes(), type=Signed)
    except msgspec.MsgspecError as error:
        raise InputError(f'--signed "{signed}": is not what `isthmus ledger sign` wrote: {error}', "E120") from None
    folder = Folder(state)
    own = folder.own()
    data, member = Appender(folder.ledger, own.federation, own.name).put(item)
    if out is not None:
        out.write_bytes(data)
    click.echo(json.dumps({"member": member.name, "state": member.state}))
