"""`isthmus token` and `isthmus join`: joining over the wire."""

import json
import secrets
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.cli.membership import REJOIN, STATE, ZONES, placed

if TYPE_CHECKING:
    from federation.registrar.token import Token


@click.group()
def token() -> None:
    """Tokens with which members join."""


@token.command()
@STATE
@click.option("--name", required=True, help="The member that may join with it.")
@click.option("--registrar", "registrars", multiple=True, required=True, help="ADDRESS:PORT of --join-listen here.")
@click.option("--minutes", type=click.IntRange(1, 1440), default=15, show_default=True, help="How long it is good for.")
@ZONES
@REJOIN
def create(
    state: Path, name: str, registrars: tuple[str, ...], minutes: int, zones: tuple[str, ...], rejoin: bool
) -> None:
    """Print a token for one member and one use (on the registrar)."""
    from federation.config import Folder
    from federation.model.names import parse_domain, parse_member
    from federation.registrar.token import SECRET_BYTES, Ticket, Tickets, Token, encode_token
    from federation.telemetry import split_address

    folder = Folder(state)
    own = folder.own()
    folder.registrar_key()
    for address in registrars:
        split_address(address, "--registrar")
    member = parse_member(name)
    granted = tuple(parse_domain(zone, "--dns-zone") for zone in zones)
    ticket = Ticket(name=member, until=int(time.time()) + 60 * minutes, zones=granted, rejoin=rejoin)
    secret = secrets.token_bytes(SECRET_BYTES)
    Tickets(folder.tokens).put(secret, ticket)
    made = Token(secret=secret, federation=own.federation, registrar=own.name, registrars=registrars, name=member)
    click.echo(encode_token(made))


@click.command()
@STATE
@placed
@click.option("--token", "text", required=True, envvar="ISTHMUS_TOKEN", help="What `isthmus token create` printed.")
def join(state: Path, domain: str, text: str, **place: Any) -> None:
    """Join a federation with a token: make this member's keys, be admitted, take over the ledger."""
    from federation.cli.keys import applicant_of, new_member, write_member
    from federation.config import Folder
    from federation.files import write_private
    from federation.model.errors import InputError
    from federation.registrar.token import decode_token

    given = decode_token(text)
    if given.name != place["name"]:
        raise InputError(f'--name "{place["name"]}": the token is for "{given.name}"', "E105")
    new = new_member(applicant_of(domain, place), place, given.federation, datetime.now(UTC))
    fresh = not state.exists()
    write_member(Folder(state), new)
    try:
        data, member = _admitted(given, new.request(), Folder(state).anchor.read_text())
    except BaseException:
        if fresh:
            shutil.rmtree(state)
        raise
    write_private(Folder(state).ledger, data)
    click.echo(json.dumps(member))


def _admitted(given: "Token", request: bytes, anchor: str) -> tuple[bytes, dict[str, Any]]:
    from federation.link.join import Call, ask_to_join, fetch_ledger
    from federation.model.errors import Refused, Unavailable
    from federation.model.names import MemberName
    from federation.model.spiffe import controller_id
    from federation.registrar.ledger import ledger_in

    last: Unavailable | None = None
    for address in given.registrars:
        try:
            before = ledger_in(fetch_ledger(address), given.federation)
            registrar = next((m for m in before.active() if m.name == given.registrar), None)
            if registrar is None:
                raise Refused(f'{address}: the ledger has no active member "{given.registrar}"', "E105")
            identity = controller_id(before.trust_domain(registrar.name))
            data = ask_to_join(address, registrar.trusted, identity, Call(given.secret, request))
        except Unavailable as error:
            last = error
            continue
        after = ledger_in(data, given.federation)
        entry = after.members.get(MemberName(given.name))
        if entry is None or entry.anchor != anchor:
            raise Refused(f'{address}: the ledger does not admit member "{given.name}" with our anchor', "E102")
        return data, {"member": entry.name, "number": entry.number, "overlay": entry.overlay}
    assert last is not None
    raise last
