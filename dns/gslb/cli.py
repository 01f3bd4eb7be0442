"""`isthmus dns`. Imports are made where they are used, so that `--help` stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.link.enroll_options import with_enrolling
from gslb.addresses import anchor
from gslb.asking import add_asking

if TYPE_CHECKING:
    from federation.link.enroll import How
    from gslb.front import Wanted
    from gslb.locality import Line

NSID_MAX = 64


@click.group()
def dns() -> None:
    """Run a DNS server."""


@dns.command()
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="Folder made by `isthmus enroll`.")
@click.option("--zone-file", multiple=True, metavar="[APEX=]FILE", help="A zone to serve as well; may be repeated.")
@click.option(
    "--listen", required=True, multiple=True, help="ADDRESS:PORT for UDP and TCP; may be repeated ([::] is IPv6 alone)."
)
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
            zone = read_zone(one.path, one.apex)
        except InputError as error:
            faults.append(error.text)
        else:
            records = sum(len(rows) for found in zone.names.values() for rows in found.values())
            click.echo(f"{one.path}: zone {zone.apex}, {len(zone.names)} names, {records} records")
    if faults:
        raise InputError("; ".join(faults), "E125")


def read_subnets(path: Path | None) -> tuple[Line, ...]:
    """The lines of `--subnets`; none without the option. InputError naming file, line and value."""
    from gslb.locality import parse_lines
    from gslb.option_files import option_text

    return () if path is None else parse_lines(option_text("--subnets", path), str(path))


add_asking(dns)
