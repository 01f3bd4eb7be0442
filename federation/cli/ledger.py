"""`isthmus ledger`: what stands in it for all members, and entries that are signed where the federation key is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.membership import PREPARE, STATE

if TYPE_CHECKING:
    from federation.model.ledger import Ledger, Settings
    from federation.model.wish import Wish


@click.group()
def ledger() -> None:
    """The policy for all members; and signing entries offline: `member admit | set | revoke | anchor | leave --prepare`
    or `ledger policy --prepare`, sign, import.
    """


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
    if read.settings is not None:
        shown["settings"] = msgspec.to_builtins(read.settings)
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


@ledger.command()
@STATE
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@PREPARE
def policy(state: Path, file: Path | None, prepare: Path | None) -> None:
    """Show what the federation asks of steering for all members, or replace it by the TrafficPolicy in FILE (on the
    registrar). It counts where neither the service's nor the namespace's policy says anything.
    """
    import msgspec
    from msgspec import structs

    from federation.cli.places import check_file
    from federation.config import Folder
    from federation.registrar.ledger import ledger_in
    from federation.registrar.register import Appender

    folder = Folder(state)
    own = folder.own()
    if file is None:
        if prepare is not None:
            raise click.UsageError("--prepare needs FILE")
        settings = ledger_in(folder.ledger_bytes(), own.federation).settings
        click.echo(json.dumps(msgspec.to_builtins(settings.policy), indent=2))
        return
    wish = _wish_in(file)
    appender = Appender(folder.ledger, own.federation, own.name)

    def change(held: Ledger) -> Settings:
        _check_known(wish, held, file)
        return structs.replace(held.settings, policy=wish)

    if prepare is None:
        appender.append_settings(folder.registrar_key(), change)
    else:
        check_file(prepare, "--prepare")
        prepare.write_bytes(appender.prepare_settings(change))
    click.echo(json.dumps({"policy": msgspec.to_builtins(wish)}))


def _wish_in(file: Path) -> Wish:
    """What the one TrafficPolicy in this file asks for. InputError when it is not that, or is for one service."""
    from federation.model.errors import InputError
    from federation.wire.k8s.strict import read_manifest
    from federation.wire.k8s.types import TrafficPolicy
    from federation.wire.k8s.wishes import wish_of

    try:
        found = [item.value for item in read_manifest(file.read_text(), str(file))]
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 ({error.reason})", "E125") from None
    if len(found) != 1 or not isinstance(found[0], TrafficPolicy):
        raise InputError(f"{file}: must hold one TrafficPolicy and nothing else", "E125")
    spec = found[0].spec
    if spec.target == "Namespace":
        raise InputError(f'{file}: field "spec.target": the policy is for all namespaces; remove it', "E125")
    if spec.panic is not None and spec.panic.fallback:
        raise InputError(f'{file}: field "spec.panic.action": fallback is for one service', "E125")
    return wish_of(spec)


def _check_known(wish: Wish, held: Ledger, file: Path) -> None:
    """InputError when it names a region or member that the ledger has not got; labels are not in the ledger."""
    from federation.model.errors import InputError
    from federation.plan.steering import Bounds, known_fault

    members = held.active()
    regions = tuple({member.region for member in members})
    wrong = known_fault(wish, Bounds(regions, (), tuple(member.name for member in members)))
    if wrong:
        raise InputError(f"{file}: {wrong}", "E104")
