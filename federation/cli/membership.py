"""`isthmus init` and `isthmus member`: founding a federation and joining it by files."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from federation.model.ledger import Ledger, Member

STATE = click.option("--state", required=True, type=click.Path(path_type=Path), help="State folder of the member.")
_PLACE = [
    click.option("--domain", required=True, help="Federation domain, such as acme.mesh."),
    click.option("--name", required=True, help="Member name: a DNS label."),
    click.option("--region", required=True, help="Region of the member."),
    click.option("--az", required=True, help="Availability zone of endpoints that name none."),
    click.option("--reachable", multiple=True, help="CIDR in which endpoints lie; unique in the federation."),
    click.option("--clusterset", required=True, help="CIDR of the member's own clusterset IPs."),
    click.option("--sync", multiple=True, required=True, help="ADDRESS:PORT where peers reach the controller."),
    click.option("--namespace", "namespaces", multiple=True, default=("*",), help="Namespace it may export from."),
    click.option("--ingress", multiple=True, help="Public address that clients of public names are sent to."),
    click.option("--nameserver", "nameservers", multiple=True, help="Public address of a DNS server of the member."),
]
ZONES = click.option(
    "--dns-zone", "zones", multiple=True, help="Public zone in which the member may define names, and which it serves."
)


REJOIN = click.option("--rejoin", is_flag=True, help="It was a member, is none now, and comes back with new keys.")
PREPARE = click.option(
    "--prepare", type=click.Path(path_type=Path), help="Sign nothing: write the entry there, for `isthmus ledger sign`."
)


def placed(command: Any) -> Any:
    """Add the options that say who and where a member is."""
    for option in reversed(_PLACE):
        command = option(command)
    return command


@click.command()
@STATE
@placed
@ZONES
def init(state: Path, domain: str, zones: tuple[str, ...], **place: Any) -> None:
    """Found a federation: make its key, this first member, and the ledger that begins with it."""
    from federation.cli.keys import applicant_of, new_member, write_member
    from federation.config import Folder
    from federation.files import write_private
    from federation.registrar.admit import found_member
    from federation.registrar.ledger import SignedLedger, append, encode_ledger
    from federation.registrar.signing import LEDGER, SigningKey, fingerprint, new_signing_key

    pem = new_signing_key()
    key = SigningKey(pem, LEDGER)
    federation = fingerprint(key.public)
    folder = Folder(state)
    now = datetime.now(UTC)
    new = new_member(applicant_of(domain, place), place, federation, now)
    member = found_member(domain, new.applicant, 1, now, None, zones)
    write_member(folder, new)
    write_private(folder.federation_key, pem.encode())
    write_private(folder.ledger, encode_ledger(append(SignedLedger(key.public), member, domain, 1, key)))
    click.echo(json.dumps({"federation": federation, "member": member.name, "overlay": member.overlay}))


@click.group()
def member() -> None:
    """Membership by files: request (joiner), admit, set, revoke, leave (registrar), accept (joiner), list."""


@member.command()
@STATE
@placed
@click.option("--federation", required=True, help="Fingerprint of the federation key: sha256:...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File for the request.")
def request(state: Path, domain: str, federation: str, out: Path, **place: Any) -> None:
    """Make this member's keys and a request to be admitted."""
    from federation.cli.keys import applicant_of, new_member, write_member
    from federation.cli.places import check_file
    from federation.config import Folder

    new = new_member(applicant_of(domain, place), place, federation, datetime.now(UTC))
    check_file(out, "--out")
    write_member(Folder(state), new)
    out.write_bytes(new.request())


@member.command()
@STATE
@click.option("--request", "request_file", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--ledger", "out", type=click.Path(path_type=Path), help="File for the new ledger.")
@ZONES
@REJOIN
@PREPARE
def admit(
    state: Path, request_file: Path, out: Path | None, zones: tuple[str, ...], rejoin: bool, prepare: Path | None
) -> None:
    """Append a joiner to the ledger (on the registrar)."""
    from federation.cli.places import check_file
    from federation.registrar.admit import admit as admitted
    from federation.registrar.admit import read_request

    if (out is None) == (prepare is None):
        raise click.UsageError("give either --ledger or --prepare")
    if out is not None:
        check_file(out, "--ledger")
    wanted = read_request(request_file.read_bytes())
    now = datetime.now(UTC)
    data, joiner = _append(state, prepare, lambda ledger, _: admitted(ledger, wanted, now, zones, rejoin))
    if out is not None:
        out.write_bytes(data)
    click.echo(json.dumps({"member": joiner.name, "number": joiner.number, "overlay": joiner.overlay}))


@member.command()
@STATE
@click.option("--ledger", "file", required=True, type=click.Path(path_type=Path, exists=True))
def accept(state: Path, file: Path) -> None:
    """Take over the ledger that the registrar gave, if the federation key that was expected signed it."""
    from federation.config import Folder
    from federation.files import write_private
    from federation.model.errors import Refused
    from federation.registrar.ledger import ledger_in

    folder = Folder(state)
    own = folder.own()
    data = file.read_bytes()
    ledger = ledger_in(data, own.federation)
    entry = ledger.members.get(own.name)
    if entry is None or entry.anchor != folder.anchor.read_text():
        raise Refused(f'the ledger does not admit member "{own.name}" with the anchor of {folder.path}', "E102")
    write_private(folder.ledger, data)
    click.echo(json.dumps({"member": entry.name, "number": entry.number, "overlay": entry.overlay}))


@member.command("set")
@STATE
@click.argument("name")
@click.option("--namespace", "namespaces", multiple=True, help="Namespaces it may export from; replaces all.")
@click.option("--dns-zone", "dns_zones", multiple=True, help="Zones it may define names in and serve; replaces all.")
@click.option("--ingress", multiple=True, help="Public addresses; replaces all.")
@click.option("--nameserver", "nameservers", multiple=True, help="Addresses of its DNS servers; replaces all.")
@click.option("--quota", "quotas", multiple=True, help="A limit as NAME=COUNT, such as endpoints=200000.")
@PREPARE
def set_member(
    state: Path, name: str, quotas: tuple[str, ...], prepare: Path | None, **fields: tuple[str, ...]
) -> None:
    """Change what the ledger grants a member (on the registrar); its controller passes it on at once."""
    from federation.registrar.change import Change, changed, parse_quota

    change = Change(quota=dict(map(parse_quota, quotas)), **{key: value or None for key, value in fields.items()})
    _, entry = _append(state, prepare, lambda ledger, _: changed(ledger, name, change))
    click.echo(json.dumps({"member": entry.name, "state": entry.state}))


@member.command()
@STATE
@click.argument("name")
@PREPARE
def revoke(state: Path, name: str, prepare: Path | None) -> None:
    """Revoke a member (on the registrar): everyone drops its trust, links, services and names. It cannot be undone."""
    from federation.registrar.change import revoked

    _, entry = _append(state, prepare, lambda ledger, own: revoked(ledger, name, own))
    click.echo(json.dumps({"member": entry.name, "state": entry.state}))


@member.command("leave")
@STATE
@click.argument("name")
@PREPARE
def let_go(state: Path, name: str, prepare: Path | None) -> None:
    """Grant a member's wish to leave (on the registrar, whose controller runs).

    A registrar that has the federation key does so by itself.
    """
    from federation.cli.look import ask
    from federation.config import Folder
    from federation.model.errors import InputError
    from federation.registrar.change import left

    folder = Folder(state)
    folder.own()
    asking = ask(folder.api, "/v1/leave")["asking"]
    if name not in asking:
        known = ", ".join(asking) or "none"
        raise InputError(f'member "{name}" does not ask to leave; members that do: {known}', "E104")
    _, entry = _append(state, prepare, lambda ledger, own: left(ledger, name, own))
    click.echo(json.dumps({"member": entry.name, "state": entry.state}))


@member.command("anchor")
@STATE
@click.argument("name")
@PREPARE
def change_anchor(state: Path, name: str, prepare: Path | None) -> None:
    """Grant a member's wish about its anchors (on the registrar, whose controller runs): one entry of a rotation.

    A registrar that has the federation key does so by itself.
    """
    from base64 import b64decode
    from urllib.parse import urlencode

    from federation.cli.look import ask
    from federation.config import Folder
    from federation.registrar.rotate import read_wish, rotated

    folder = Folder(state)
    folder.own()
    answer = ask(folder.api, "/v1/trust/wish?" + urlencode({"member": name}))
    wish, now = read_wish(b64decode(answer["wish"])), datetime.now(UTC)
    _, entry = _append(state, prepare, lambda ledger, _: rotated(ledger, name, wish, now))
    click.echo(json.dumps({"member": entry.name, "anchors": 2 if entry.next_anchor else 1}))


def _append(state: Path, prepare: Path | None, change: "Callable[[Ledger, str], Member]") -> "tuple[bytes, Member]":
    """Append what `change` makes of the ledger and our member's name, or only write the entry to `prepare`.

    A running controller finds what was appended in the file.
    """
    from federation.cli.places import check_file
    from federation.config import Folder
    from federation.registrar.register import Appender

    folder = Folder(state)
    own = folder.own()
    ledger = Appender(folder.ledger, own.federation, own.name)
    if prepare is None:
        return ledger.append(folder.registrar_key(), lambda ledger: change(ledger, own.name))
    check_file(prepare, "--prepare")
    body, entry = ledger.prepare(lambda ledger: change(ledger, own.name))
    prepare.write_bytes(body)
    return body, entry


@member.command("list")
@STATE
def list_members(state: Path) -> None:
    """Print the members in this folder's ledger, one JSON object a line."""
    from federation.config import Folder
    from federation.registrar.ledger import ledger_in

    folder = Folder(state)
    own = folder.own()
    for entry in ledger_in(folder.ledger_bytes(), own.federation).members.values():
        row = {
            "member": entry.name,
            "number": entry.number,
            "state": entry.state,
            "region": entry.region,
            "overlay": entry.overlay,
            "reachable": entry.reachable,
            "ingress": entry.ingress,
            "dns_zones": entry.dns_zones,
            "sync": entry.sync,
        }
        click.echo(json.dumps(row))
