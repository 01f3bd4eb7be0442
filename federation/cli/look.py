"""`isthmus status`, `members` and `explain`: questions to a running controller, over its unix socket."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from federation.model.errors import InputError, Unavailable

API = click.option(
    "--api", type=click.Path(path_type=Path), help="The controller's api.sock (default: the running lab's)."
)
OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text")


@click.command()
@API
@OUTPUT
def status(api: Path | None, output: str) -> None:
    """Show what each member's controller knows: members, nodes, links, services, and what is not yet good."""
    found = [ask(socket, "/v1/status") for socket in ([api] if api else lab_sockets())]
    if output == "json":
        click.echo(json.dumps(found[0] if api else found, indent=2))
        return
    from federation.cli.tables import print_status

    for item in found:
        print_status(item)


@click.command()
@API
@OUTPUT
def members(api: Path | None, output: str) -> None:
    """Show every member that a controller knows: its session, by whom its record comes, and who is registrar."""
    answer = ask(api or lab_sockets()[0], "/v1/status")
    if output == "json":
        click.echo(
            json.dumps(
                {key: answer[key] for key in ("ledger", "members", "former", "replica") if key in answer}, indent=2
            )
        )
        return
    from federation.cli.tables import print_members, print_replica

    if answer.get("replica"):
        print_replica(answer)
    if "members" in answer:
        print_members(answer)


@click.command()
@click.argument("subject", metavar="SERVICE|NAME")
@click.option("--from", "member", required=True, help="The member whose clients ask.")
@click.option("--at", "moment", help="A moment of the last days: RFC 3339 (UTC without an offset) or Unix seconds.")
@API
@OUTPUT
def explain(subject: str, member: str, moment: str | None, api: Path | None, output: str) -> None:
    """Explain where requests for a service (NAMESPACE/NAME) or a public name go: inputs, rules, shares."""
    from federation.model.names import parse_subject

    parse_subject(subject)
    query = {"of": subject, "from": member} | ({"at": str(_milliseconds(moment))} if moment else {})
    answer = ask(api or _socket_of(member), "/v1/explain?" + urlencode(query))
    if output == "json":
        click.echo(json.dumps(answer, indent=2))
        return
    from federation.cli.tables import print_explain, print_replica

    if answer.get("replica", {}).get("role") == "standby":
        print_replica(answer)
    print_explain(answer)


@click.command()
@click.argument("service", metavar="SERVICE")
@click.option(
    "--source", required=True, metavar="SPIFFE", help="The caller: spiffe://MEMBER.DOMAIN/ns/NAMESPACE/sa/ACCOUNT."
)
@click.option("--method", default="GET", show_default=True, help="The HTTP method.")
@click.option("--path", default="/", show_default=True, help="The HTTP path, as the client sends it.")
@click.option("--to", "member", help="The member that exports the service (default: that of --api).")
@API
@OUTPUT
def access(
    service: str, source: str, method: str, path: str, member: str | None, api: Path | None, output: str
) -> None:
    """Tell whether this caller may call a service (NAMESPACE/NAME) of another member, and by which AccessPolicy.

    Exit status 1: at no port.
    """
    from federation.model.names import parse_service

    parse_service(service)
    if api is None and member is None:
        raise InputError("--to: name the member that exports the service, or its controller's socket with --api")
    query = {"of": service, "source": source, "method": method, "path": path}
    answer = ask(api or _socket_of(member or "", "--to"), "/v1/access?" + urlencode(query))
    if output == "json":
        click.echo(json.dumps(answer, indent=2))
    else:
        from federation.cli.tables import print_access

        print_access(answer)
    if not any(row["admitted"] for row in answer["ports"]):
        raise SystemExit(1)


def _milliseconds(moment: str) -> int:
    """RFC 3339 or Unix seconds as Unix milliseconds. InputError when it is neither, or lies ahead."""
    from datetime import UTC, datetime

    try:
        at = float(moment)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(moment)
        except ValueError:
            raise InputError(f'--at "{moment}": write 2026-11-20T18:03:00Z or Unix seconds') from None
        at = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    if not 0 < at <= datetime.now(UTC).timestamp() + 1:
        raise InputError(f'--at "{moment}": must be a moment that has been')
    return int(at * 1_000)


def lab_sockets() -> list[Path]:
    """The API sockets of the lab that runs on this machine. InputError when there is none."""
    folder = Path(os.environ.get("ISTHMUS_LAB_DIR", "/run/isthmus-lab"))
    found = sorted(folder.glob("*/state/api.sock"))
    if not found:
        raise InputError(f"no lab runs in {folder}: name a controller's socket with --api, or run `isthmus lab up`")
    return found


def _socket_of(member: str, option: str = "--from") -> Path:
    sockets = {path.parent.parent.name: path for path in lab_sockets()}
    if member not in sockets:
        raise InputError(f'{option} "{member}": no such member; known: {", ".join(sockets)}', "E104")
    return sockets[member]


def ask(socket: Path, path: str, method: str = "GET", body: object = None) -> dict[str, Any]:
    """The controller's answer. Unavailable when it does not answer, InputError with its words when it refuses."""
    return asyncio.run(_ask(socket, path, method, body))


async def _ask(socket: Path, path: str, method: str, body: object) -> dict[str, Any]:
    import aiohttp

    patience = aiohttp.ClientTimeout(10)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session,
            session.request(method, "http://controller" + path, json=body, timeout=patience) as response,
        ):
            answer: dict[str, Any] = await response.json()
    except (OSError, aiohttp.ClientError, TimeoutError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable(f"{socket}: no controller answers ({why}); is it running?") from None
    if "error" in answer:
        raise InputError(answer["error"], answer["code"])
    return answer
