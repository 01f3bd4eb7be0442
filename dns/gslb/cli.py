"""`isthmus dns`. Imports are made where they are used, so that `--help` stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.link.enroll_options import with_enrolling
from federation.local.commands import add_commands

if TYPE_CHECKING:
    from federation.link.enroll import How
    from gslb.delegation import Delegation
    from gslb.front import Wanted
    from gslb.locality import Line

STATE = click.option(
    "--state", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder made by `isthmus enroll`."
)


NSID_MAX = 64


@click.group()
def dns() -> None:
    """Run a DNS server."""


@dns.command()
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="Folder made by `isthmus enroll`.")
@click.option("--zone-file", multiple=True, metavar="[APEX=]FILE", help="A zone to serve as well; may be repeated.")
@click.option("--listen", required=True, multiple=True, help="ADDRESS:PORT for UDP and TCP; may be repeated.")
@click.option("--subnets", type=click.Path(path_type=Path), help="Where clients stand: lines CIDR MEMBER-or-REGION.")
@click.option("--geo", multiple=True, type=click.Path(path_type=Path), help="A MaxMind DB file; may be repeated.")
@click.option("--latencies", type=click.Path(path_type=Path), help="Measured round trips: lines CIDR MEMBER=MS...")
@click.option(
    "--outside", multiple=True, help="ADDRESS:PORT (TCP) that answers when we reach the outside; may be repeated."
)
@click.option("--metrics", help="ADDRESS:PORT for Prometheus metrics.")
@click.option(
    "--nsid", default="", metavar="NAME", help="What this server is called, told to who asks (NSID, id.server)."
)
@click.option(
    "--cookie-secrets", type=click.Path(path_type=Path), help="Of DNS cookies: one file for all servers of a zone."
)
@click.option(
    "--packet-path",
    type=click.Choice(["auto", "python", "rust"]),
    default="auto",
    show_default=True,
    help="What answers UDP: Rust where it is installed.",
)
@click.option(
    "--probe-command", multiple=True, metavar="NAME=PROGRAM", help="What probes of kind exec may run; may be repeated."
)
@click.option("--probe-ports", default="", help="Ports that probes may go to; unset: 80,443,1024-65535.")
@click.option(
    "--probe-allow", multiple=True, metavar="CIDR", help="May be probed though it is our own; may be repeated."
)
@click.option(
    "--rate-limit",
    type=click.IntRange(0, 1_000_000),
    default=0,
    metavar="N",
    help="Responses over UDP a second of one kind to one network (/24, /56); 0: no limit.",
)
@click.option(
    "--rate-slip",
    type=click.IntRange(0, 10),
    default=2,
    metavar="N",
    help="Of those over the limit one in N is answered with TC, so that who is real comes by TCP; 0: none.",
)
@click.option("--rate-dry-run", is_flag=True, help="Count what is over the limit, and limit nothing.")
@with_enrolling("dns")
def serve(
    state: Path | None,
    zone_file: tuple[str, ...],
    listen: tuple[str, ...],
    subnets: Path | None,
    geo: tuple[Path, ...],
    latencies: Path | None,
    outside: tuple[str, ...],
    metrics: str | None,
    nsid: str,
    cookie_secrets: Path | None,
    packet_path: Wanted,
    probe_command: tuple[str, ...],
    probe_ports: str,
    probe_allow: tuple[str, ...],
    rate_limit: int,
    rate_slip: int,
    rate_dry_run: bool,
    how: How | None,
) -> None:
    """Answer clusterset.local and public names from the controller's handout, or from the last good one on disk.

    Without --state the zones of the files alone, without a federation. Files are read again when they change.
    """
    import asyncio

    from federation.link.enroll_options import enrolled_anew
    from federation.process import raise_open_files
    from federation.telemetry import serve_metrics, setup_logging, split_address
    from gslb.cookie_secrets import CookieSecrets
    from gslb.files import ZoneFiles, parse_given
    from gslb.probe_options import parse_probes
    from gslb.rrl import Limits
    from gslb.settings import Settings

    check_name(nsid)
    limits = Limits(rate_limit, rate_slip, rate_dry_run)
    files, secrets = ZoneFiles(parse_given(zone_file)), CookieSecrets(cookie_secrets)
    addresses = [split_address(text, "--listen") for text in listen]
    lines = read_subnets(subnets)
    anchors = [anchor(text) for text in outside]
    probes = parse_probes(probe_command, probe_ports, probe_allow)
    setup_logging("dns")
    if state is None:
        from gslb.standalone import Standalone

        federated = (how, subnets, outside, geo, latencies, probe_command, probe_ports, probe_allow)
        check_alone(zone_file, any(federated))
        serve_metrics(metrics)
        settings = Settings(name=nsid, files=files, secrets=secrets, limits=limits, packet_path=packet_path)
        asyncio.run(Standalone(settings).run(addresses))
        return
    from gslb.atlas_files import AtlasFiles
    from gslb.daemon import Daemon

    if how is not None:
        serve_metrics(metrics)
    raise_open_files()
    again = enrolled_anew(state, how)
    settings = Settings(
        name=nsid,
        lines=lines,
        outside=tuple(anchors),
        files=files,
        secrets=secrets,
        atlas=AtlasFiles(geo, latencies),
        limits=limits,
        probes=probes,
        packet_path=packet_path,
    )
    daemon = Daemon(state, settings, again)
    if how is None:
        serve_metrics(metrics)
    asyncio.run(daemon.run(addresses))


def check_alone(zone_files: tuple[str, ...], federated: bool) -> None:
    """UsageError for what needs a federation."""
    if not zone_files:
        raise click.UsageError("give --state DIR, --zone-file FILE, or both")
    if federated:
        options = "--enroll, --subnets, --geo, --latencies, --outside and --probe-..."
        raise click.UsageError(f"{options} are for --state, which is not given")


def check_name(nsid: str) -> None:
    """InputError for what cannot be told in an answer."""
    from federation.model.errors import InputError

    if len(nsid) > NSID_MAX or not all("!" <= one <= "~" for one in nsid):
        raise InputError(
            f'--nsid "{nsid[:NSID_MAX]}": is not printable ASCII without spaces, {NSID_MAX} characters at most'
        )


@dns.command()
@click.argument("zone_file", nargs=-1, required=True, metavar="[APEX=]FILE...")
def check(zone_file: tuple[str, ...]) -> None:
    """Check zone files as `serve` reads them, without serving. Exit status 2 when one is not good."""
    from federation.model.errors import InputError
    from gslb.files import parse_given, read_zone

    faults = []
    for one in parse_given(zone_file):
        try:
            zone = read_zone(one)
        except InputError as error:
            faults.append(error.text)
        except OSError as error:
            faults.append(f"{one.path}: {error.strerror}")
        else:
            records = sum(len(rows) for found in zone.names.values() for rows in found.values())
            click.echo(f"{one.path}: zone {zone.apex}, {len(zone.names)} names, {records} records")
    if faults:
        raise InputError("; ".join(faults), "E125")


@dns.command()
@click.argument("name")
@STATE
@click.option("--from", "client", required=True, metavar="ADDRESS", help="The address of the resolver that asks.")
@click.option("--ecs", default="", metavar="CIDR", help="The client subnet that it sends (RFC 7871).")
@click.option(
    "--at", "revision", type=click.IntRange(1), help="Under an earlier handout, of the last 32 it answered from."
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
def explain(name: str, state: Path, client: str, ecs: str, revision: int | None, output: str) -> None:
    """Explain what the running server answers a client for a public name.

    Where the client stands, the tree of policies, the law's inputs and rules, shares, bucket, TTL, the pick.
    """
    import json

    from gslb.control import ask
    from gslb.explain import Question, lines

    check_client(client, ecs)
    found = ask(state, Question(name, client, ecs, revision or 0))
    click.echo(json.dumps(found, indent=2) if output == "json" else "\n".join(lines(found)))


@dns.command()
@click.argument("zone")
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="Folder of the running server.")
@click.option("--zone-file", metavar="[APEX=]FILE", help="The zone's file, instead of a running server.")
@click.option("--check", "checks", is_flag=True, help="Ask the parent's servers, and those of the zone.")
@click.option("--parent", multiple=True, metavar="ADDRESS:PORT", help="A server of the parent; may be repeated.")
@click.option("--port", type=click.IntRange(1, 65_535), default=53, help="Of the zone's own servers, for --check.")
def delegation(
    zone: str, state: Path | None, zone_file: str | None, checks: bool, parent: tuple[str, ...], port: int
) -> None:
    """Print what to put at the parent of a zone: NS records and glue. With --check: whether it is there.

    Exit status 1 when something is wrong: a line says what, and of whom.
    """
    import sys

    from gslb import parent as asking
    from gslb.delegation import lines

    if (state is None) == (zone_file is None):
        raise click.UsageError("give one of --state DIR and --zone-file FILE")
    if parent and not checks:
        raise click.UsageError("--parent is for --check")
    found = _delegation(zone.rstrip(".").lower(), state, zone_file)
    click.echo("\n".join(lines(found)))
    if not checks:
        return
    wrong = asking.check(found, [anchor(text, "--parent") for text in parent], port)
    click.echo("\n".join(f"; {line}" for line in wrong or ["the parent and every server of the zone say so"]))
    sys.exit(bool(wrong))


def _delegation(zone: str, state: Path | None, zone_file: str | None) -> Delegation:
    from gslb.control import OfZone, ask
    from gslb.delegation import Delegation, delegation_of
    from gslb.files import ZoneFiles, parse_given

    if state is None:
        return delegation_of(ZoneFiles(parse_given([zone_file or ""])).look(), zone)
    return Delegation(zone, tuple((one[0], one[1], one[2], one[3]) for one in ask(state, OfZone(zone))["rows"]))


def check_client(client: str, ecs: str) -> None:
    """InputError for what is no address, or no subnet."""
    from ipaddress import ip_address, ip_network

    from federation.model.errors import InputError

    try:
        ip_address(client)
    except ValueError:
        raise InputError(f'--from "{client}": is not an IP address', "E122") from None
    try:
        ip_network(ecs or client, strict=False)
    except ValueError:
        raise InputError(f'--ecs "{ecs}": is not a range such as 192.0.2.0/24 or 2001:db8::/32', "E122") from None


def _tell(state: Path, command: object) -> dict[str, Any]:
    from gslb.control import ask

    return ask(state, command)


add_commands(dns, _tell)


@dns.command()
@click.argument("to", type=click.Choice(["up", "down", "clear"]))
@click.argument("name")
@click.argument("member")
@STATE
@click.option("--for", "lasts", default="0s", help="How long, such as 10m; at most 720h; 0s: until it is cleared.")
@click.option("--reason", default="", help="Why, for people who look at it later.")
def override(to: str, name: str, member: str, state: Path, lasts: str, reason: str) -> None:
    """Say that targets of MEMBER for NAME, globs both, are up or down whatever probes find; or clear that.

    What a member says of itself stays, and a name is never answered empty for it.
    """
    from federation.model.duration import parse_seconds
    from gslb.overrides import LASTS, Change

    seconds = parse_seconds(lasts, "--for", LASTS.high)
    show(_tell(state, Change(to, name, member, seconds, reason)))  # type: ignore[arg-type]


@dns.command()
@STATE
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
def overrides(state: Path, output: str) -> None:
    """Show the overrides in force."""
    import json

    from gslb.overrides import Change

    found = _tell(state, Change("show"))
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """Print the overrides in force."""
    from datetime import UTC, datetime

    for one in found["overrides"]:
        end = datetime.fromtimestamp(one["until"] / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if one["until"] else ""
        until, why = f" until {end}" if end else "", f": {one['reason']}" if one["reason"] else ""
        click.echo(f"{one['name']} {one['member']} is {one['state']}{until}{why}")
    if not found["overrides"]:
        click.echo("nothing is overridden here")


def anchor(text: str, option: str = "--outside") -> tuple[str, int]:
    """An address of an option. InputError when it is a name: who is cut off cannot resolve it."""
    from ipaddress import ip_address

    from federation.model.errors import InputError
    from federation.telemetry import split_address

    host, port = split_address(text, option)
    try:
        return str(ip_address(host)), port
    except ValueError:
        raise InputError(f'{option} "{text}": "{host}" is not an IP address', "E122") from None


def read_subnets(path: Path | None) -> tuple[Line, ...]:
    """The lines of `--subnets`; none without the option. InputError naming file, line and value."""
    from federation.model.errors import InputError
    from gslb.locality import parse_lines

    if path is None:
        return ()
    try:
        return parse_lines(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InputError(f"--subnets {path}: {error.strerror}", "E122") from None
    except UnicodeDecodeError as error:
        raise InputError(f"--subnets {path}: byte {error.start} is not UTF-8 text", "E122") from None
