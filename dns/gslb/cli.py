"""`isthmus dns`. Imports are made where they are used, so that `--help` stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.link.enroll_options import with_enrolling
from federation.local.commands import add_commands

if TYPE_CHECKING:
    from federation.link.enroll import How
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
    "--probe-command", multiple=True, metavar="NAME=PROGRAM", help="What probes of kind exec may run; may be repeated."
)
@click.option("--probe-ports", default="", help="Ports that probes may go to; unset: 80,443,1024-65535.")
@click.option(
    "--probe-allow", multiple=True, metavar="CIDR", help="May be probed though it is our own; may be repeated."
)
@with_enrolling("dns")
def serve(
    state: Path | None,
    zone_file: tuple[str, ...],
    listen: tuple[str, ...],
    subnets: Path | None,
    outside: tuple[str, ...],
    metrics: str | None,
    nsid: str,
    cookie_secrets: Path | None,
    probe_command: tuple[str, ...],
    probe_ports: str,
    probe_allow: tuple[str, ...],
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

    check_name(nsid)
    files, secrets = ZoneFiles(parse_given(zone_file)), CookieSecrets(cookie_secrets)
    addresses = [split_address(text, "--listen") for text in listen]
    lines = read_subnets(subnets)
    anchors = [anchor(text) for text in outside]
    probes = parse_probes(probe_command, probe_ports, probe_allow)
    setup_logging("dns")
    if state is None:
        from gslb.standalone import Standalone

        check_alone(zone_file, how is not None or any((subnets, outside, probe_command, probe_ports, probe_allow)))
        serve_metrics(metrics)
        asyncio.run(Standalone(files, secrets, nsid).run(addresses))
        return
    from gslb.daemon import Daemon

    if how is not None:
        serve_metrics(metrics)
    raise_open_files()
    daemon = Daemon(state, lines, anchors, enrolled_anew(state, how), files, secrets, nsid, probes)
    if how is None:
        serve_metrics(metrics)
    asyncio.run(daemon.run(addresses))


def check_alone(zone_files: tuple[str, ...], federated: bool) -> None:
    """UsageError for what needs a federation."""
    if not zone_files:
        raise click.UsageError("give --state DIR, --zone-file FILE, or both")
    if federated:
        raise click.UsageError("--enroll, --subnets, --outside and --probe-... are for --state, which is not given")


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
@STATE
@click.option("--name", required=True, help="A public name.")
@click.option("--client", required=True, help="The address of the resolver that asks.")
@click.option("--subnet", is_flag=True, help="The address comes as a client subnet (ECS).")
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
def explain(state: Path, name: str, client: str, subnet: bool, output: str) -> None:
    """Explain what the running server answers a client: where it stands, the law's inputs, rules, shares, the pick."""
    import json
    from ipaddress import ip_address

    from federation.model.errors import InputError
    from gslb.control import Question, ask
    from gslb.explain import lines

    try:
        ip_address(client)
    except ValueError:
        raise InputError(f'--client "{client}": is not an IP address', "E122") from None
    found = ask(state, Question(name, client, subnet))
    click.echo(json.dumps(found, indent=2) if output == "json" else "\n".join(lines(found)))


def _tell(state: Path, command: object) -> dict[str, Any]:
    from gslb.control import ask

    return ask(state, command)


add_commands(dns, _tell)


def anchor(text: str) -> tuple[str, int]:
    """An address of `--outside`. InputError when it is a name: who is cut off cannot resolve it."""
    from ipaddress import ip_address

    from federation.model.errors import InputError
    from federation.telemetry import split_address

    host, port = split_address(text, "--outside")
    try:
        return str(ip_address(host)), port
    except ValueError:
        raise InputError(f'--outside "{text}": "{host}" is not an IP address', "E122") from None


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
