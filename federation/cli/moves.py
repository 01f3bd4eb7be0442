"""`isthmus drain`, `undrain`, `shift`, `shifts` and `freeze`: requests to the running controller of one member."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from federation.cli.look import ask, lab_sockets
from federation.cli.membership import PREPARE
from federation.model.duration import parse_seconds, words
from federation.model.errors import InputError
from federation.model.moves import SECONDS_MAX

API = click.option("--api", type=click.Path(path_type=Path), help="The controller's api.sock.")
STATE = click.option("--state", type=click.Path(path_type=Path), help="State folder of the member (instead of --api).")
AT_ONCE = "0s"
OVER = click.option("--over", default=AT_ONCE, help="How long it takes, in ten steps, such as 10m; at most 24h.")
REASON = click.option("--reason", default="", help="Why, for people who look at it later; a ledger keeps none.")
FORCE = click.option("--force", is_flag=True, help="Against the safety rules; needs --reason.")
FEDERATION = click.option(
    "--federation", is_flag=True, help="In the ledger, for everybody's clients (on the registrar, with --state)."
)
DRY = click.option("--dry-run", "dry", is_flag=True, help="Begin nothing; print whose shares would change.")
OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text")


def moving(command: Any) -> Any:
    """Add the options of every move."""
    for option in (OUTPUT, DRY, FORCE, REASON, OVER, PREPARE, FEDERATION, STATE, API):
        command = option(command)
    return command


@click.command()
@click.argument("member")
@moving
def drain(
    member: str,
    api: Path | None,
    state: Path | None,
    federation: bool,
    prepare: Path | None,
    output: str,
    **manner: Any,
) -> None:
    """Drain MEMBER: in ten steps it gets no more requests than another can take, in every locality and in DNS.

    Of the member whose controller is asked, for everybody's clients; of another, for this member's own clients. Again
    with a shorter --over hastens it. Wait for step 10, then for the longest TTL of its public names, then shut it down.
    """
    how = _manner(**manner)
    ledger = _ledger(federation, api, state, prepare)
    if ledger is not None:
        from federation.cli import moves_federation

        answer = moves_federation.drain(ledger, member, how, prepare)
    else:
        answer = _post(api, state, "drain", {"member": member, "manner": how}, member)
    if output == "json":
        click.echo(json.dumps(answer, indent=2))
        return
    what = "would be drained" if answer["dry_run"] or prepare is not None else "is drained"
    say(answer, f"{member} {what} {_pace(answer['seconds'])}{_prepared(prepare, answer)}")


@click.command()
@click.argument("member")
@API
@STATE
@FEDERATION
@PREPARE
def undrain(member: str, api: Path | None, state: Path | None, federation: bool, prepare: Path | None) -> None:
    """End the drain of MEMBER, also where node agents and DNS servers were told; it comes back by the policy's ramp."""
    ledger = _ledger(federation, api, state, prepare)
    if ledger is not None:
        from federation.cli import moves_federation

        moves_federation.undrain(ledger, member, prepare)
        click.echo(f"{member} comes back" if prepare is None else f"prepared in {prepare}")
        return
    answer = _post(api, state, "undrain", {"member": member}, member)
    agents = ", ".join(answer["ended"]["agents"])
    click.echo(f"{member} comes back" + (f"; so it does at {agents}" if agents else ""))


@click.command()
@click.argument("service")
@click.option("--from", "source", help="The member that gets less.")
@click.option("--to", help="The member that gets it instead.")
@click.option("--percent", help="Of what the law gives --from; above 0 and at most 100, up to four decimals.")
@click.option("--off", is_flag=True, help="End the shifts of SERVICE.")
@moving
def shift(
    service: str,
    source: str | None,
    to: str | None,
    percent: str | None,
    off: bool,
    api: Path | None,
    state: Path | None,
    federation: bool,
    prepare: Path | None,
    output: str,
    **manner: Any,
) -> None:
    """Send a part of the requests for SERVICE (NAMESPACE/NAME) from one member to another, in ten steps.

    From the member whose controller is asked, for everybody's clients; from another, for this member's own clients.
    """
    ledger = _ledger(federation, api, state, prepare)
    if off:
        if source or to or percent:
            raise click.UsageError("--off ends every shift of the service; give no --from, --to or --percent")
        if manner["dry"] or manner["force"] or manner["reason"] or manner["over"] != AT_ONCE:
            raise click.UsageError("--off ends them at once; give no --over, --reason, --force or --dry-run")
        answer = _unshifted(service, ledger, prepare, api, state)
        ended = f"{'ended' if prepare is None else f'prepared in {prepare}: to end'} for {service}"
        click.echo(json.dumps(answer) if output == "json" else f"{ended}: {', '.join(answer['ended'])}")
        return
    if not (source and to and percent):
        raise click.UsageError("give --from, --to and --percent, or --off")
    body = {"service": service, "source": source, "to": to, "ppm": parse_percent(percent)}
    how = _manner(**manner)
    if ledger is not None:
        from federation.cli import moves_federation

        answer = moves_federation.shift(ledger, body, how, prepare)
    else:
        answer = _post(api, state, "shift", body | {"manner": how}, source)
    if output == "json":
        click.echo(json.dumps(answer, indent=2))
        return
    what = "would go" if answer["dry_run"] or prepare is not None else "go"
    line = f"{percent} % of {service} at {source} {what} to {to} {_pace(answer['seconds'])}"
    say(answer, line + _prepared(prepare, answer))


@click.command()
@API
@STATE
@OUTPUT
def shifts(api: Path | None, state: Path | None, output: str) -> None:
    """Show the shifts and drains in force, by whom and how far."""
    found = ask(socket_of(api, state), "/v1/status")["moves"]
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    from federation.cli.moves_tables import print_moves

    print_moves(found)


@click.command()
@click.argument("switch", type=click.Choice(["on", "off"]))
@REASON
@API
@STATE
def freeze(switch: str, reason: str, api: Path | None, state: Path | None) -> None:
    """Take no drains and shifts at this member from now on, or take them again. What is under way goes on."""
    if switch == "on" and not reason:
        raise InputError("freeze on: needs --reason, which every refusal shows")
    if switch == "off" and reason:
        raise click.UsageError("--reason is for freeze on: nobody is shown why moves are taken")
    _post(api, state, "freeze", {"why": reason if switch == "on" else ""})
    click.echo("moves are frozen" if switch == "on" else "moves are taken again")


def _ledger(federation: bool, api: Path | None, state: Path | None, prepare: Path | None) -> Path | None:
    """The registrar's state folder when the ledger is meant."""
    if not federation:
        if prepare is not None:
            raise click.UsageError("--prepare is for --federation: only entries of the ledger are signed")
        return None
    if api is not None or state is None:
        raise click.UsageError("--federation needs the registrar's --state, and no --api")
    return state


def _unshifted(
    service: str, ledger: Path | None, prepare: Path | None, api: Path | None, state: Path | None
) -> dict[str, Any]:
    if ledger is None:
        return _post(api, state, "unshift", {"service": service})
    from federation.cli import moves_federation
    from federation.model.names import parse_service

    return {"service": service, "ended": moves_federation.unshift(ledger, parse_service(service), prepare)}


def parse_percent(text: str) -> int:
    """Parts per million of a percentage. InputError when it is none, 0, or above 100."""
    from decimal import Decimal, InvalidOperation

    try:
        ppm = Decimal(text) * 10_000
    except InvalidOperation:
        ppm = Decimal("NaN")
    if not ppm.is_finite() or not 0 < ppm <= 1_000_000 or ppm != int(ppm):
        raise InputError(f'--percent "{text}": must be above 0 and at most 100, with at most four decimals')
    return int(ppm)


def say(answer: dict[str, Any], line: str) -> None:
    """Print what was done, what speaks against it, and whose shares change."""
    from federation.cli.moves_tables import print_changes

    click.echo(line)
    for text in answer["warnings"]:
        click.echo(f"! {text}")
    print_changes(answer["changes"])
    unseen = answer.get("unseen")  # a controller of before says none
    if unseen:
        click.echo(f"! {unseen} more, counted by service and locality, were not looked at")


def _manner(over: str, reason: str, force: bool, dry: bool) -> dict[str, Any]:
    return {"seconds": parse_seconds(over, "--over", SECONDS_MAX), "reason": reason, "force": force, "dry": dry}


def _prepared(prepare: Path | None, answer: dict[str, Any]) -> str:
    return "" if prepare is None or answer["dry_run"] else f": prepared in {prepare}"


def _pace(seconds: int) -> str:
    return f"over {words(seconds)}, in ten steps" if seconds else "at once"


def _post(api: Path | None, state: Path | None, what: str, body: dict[str, Any], member: str = "") -> dict[str, Any]:
    return ask(socket_of(api, state, member), f"/v1/{what}", "POST", body)


def socket_of(api: Path | None, state: Path | None, member: str = "") -> Path:
    """Of the controller that is asked: in a lab, where none is named, that of the member that is moved."""
    if api is not None and state is not None:
        raise click.UsageError("give --api or --state, not both")
    if state is not None:
        from federation.config import Folder

        folder = Folder(state)
        folder.own()
        return folder.api
    if api is not None:
        return api
    sockets = lab_sockets()
    theirs = next((path for path in sockets if path.parent.parent.name == member), None)
    if theirs is not None:
        return theirs
    if len(sockets) > 1:
        raise InputError(f"which member? --api names its controller's socket, such as {sockets[0]}")
    return sockets[0]
