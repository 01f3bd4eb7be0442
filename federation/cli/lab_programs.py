"""The programs that the lab starts inside its namespaces: hidden commands of `isthmus lab`."""

import sys
from pathlib import Path

import click


@click.command(hidden=True)
@click.option("--control", type=click.Path(path_type=Path), required=True)
@click.option("--port", "ports", multiple=True, required=True)
@click.option("--delay", "delays", multiple=True, help="FROM:TO:MS, one way.")
@click.option("--seed", type=int, default=0)
def shim(control: Path, ports: tuple[str, ...], delays: tuple[str, ...], seed: int) -> None:
    """The WAN: a switch in user space between the interfaces of this namespace."""
    from federation.lab.shim import serve

    parts = [delay.split(":") for delay in delays]
    serve(control, ports, seed, {(source, target): float(ms) for source, target, ms in parts})


@click.command(hidden=True)
@click.option("--pod", "pods", nargs=3, multiple=True, required=True, metavar="SERVICE NAME ADDRESS")
@click.option("--port", type=int, default=8080)
@click.option("--member", default="")
def endpoint(pods: tuple[tuple[str, str, str], ...], port: int, member: str) -> None:
    """HTTP endpoints that name themselves in every answer; --pod may be given several times."""
    import asyncio

    from federation.lab import errors
    from federation.lab.endpoint import Pod, serve

    try:
        asyncio.run(serve([Pod(*pod, member) for pod in pods], port))
    except OSError as error:
        raise errors.cannot_serve(f"port {port}", error.strerror or str(error)) from None


@click.command(hidden=True)
@click.option("--address", required=True)
@click.option("--port", type=int, required=True)
@click.option("--to", "target", required=True, metavar="HOST:PORT")
def ingress(address: str, port: int, target: str) -> None:
    """The user's own ingress controller: TCP at the public address, passed on to a name."""
    import asyncio

    from federation.lab import errors
    from federation.lab.ingress import serve

    host, _, target_port = target.rpartition(":")
    try:
        asyncio.run(serve(address, port, host, int(target_port)))
    except OSError as error:
        raise errors.cannot_serve(f"{address}:{port}", error.strerror or str(error)) from None


@click.command(hidden=True)
@click.argument("url")
@click.option("--count", type=click.IntRange(0), default=1, help="Requests; 0 for no limit.")
@click.option("--rate", type=click.FloatRange(0), default=0, help="Requests begun a second; 0: one after the other.")
@click.option("--deadline", type=click.FloatRange(0), default=0, help="Seconds; 0 for no limit.")
@click.option("--until-endpoint", default="", help="Stop when this endpoint has answered.")
@click.option("--timeout", type=click.FloatRange(0.001), default=5.0, help="Deadline of one request, seconds.")
@click.option("--parallel", type=click.IntRange(1, 256), default=1, help="Clients, each with its own --count.")
@click.option("--fresh/--keep", default=True, help="A connection of its own for each request.")
@click.option("--method", type=click.Choice(["GET", "POST"]), default="GET")
@click.option("--host", default="", help="Host header instead of the URL's.")
@click.option("--open", "opened", is_flag=True, help="Begin on schedule, answered or not; needs --rate.")
def client(
    url: str,
    count: int,
    rate: float,
    deadline: float,
    until_endpoint: str,
    timeout: float,
    parallel: int,
    fresh: bool,
    method: str,
    host: str,
    opened: bool,
) -> None:
    """An HTTP client: one JSON line a request; exit status 0 when all were answered with 200."""
    from federation.lab import errors
    from federation.lab.client import Asked
    from federation.lab.load import Bounds, run, run_open

    if count == 0 and deadline == 0 and not until_endpoint and not opened:
        raise errors.endless()
    if opened and (rate == 0 or parallel > 1 or until_endpoint):
        raise errors.bad_argument("--open needs --rate, and has no --parallel and no --until-endpoint")
    asked, bounds = Asked(url, not fresh, timeout, method, host), Bounds(count, rate, deadline, until_endpoint)
    try:
        sys.exit(run_open(asked, bounds) if opened else run(asked, bounds, parallel))
    except ValueError as error:
        raise errors.bad_argument(str(error)) from None


@click.command(hidden=True)
@click.option("--listen", default="127.0.0.1:0", metavar="ADDR:PORT", help="Port 0 takes a free one.")
@click.option("--service-range", "ranges", multiple=True, metavar="CIDR", help="Of ClusterIPs; one for each family.")
@click.option("--kubeconfig-out", "config", type=click.Path(path_type=Path), default=None, help="Write a kubeconfig.")
@click.option("--token-file", type=click.Path(path_type=Path), default=None, help="CSV: token,user,uid,groups.")
@click.option("--tls", is_flag=True, help="Serve https; the kubeconfig bears the certificate.")
def kubernetes(listen: str, ranges: tuple[str, ...], config: Path | None, token_file: Path | None, tls: bool) -> None:
    """An HTTP double of the Kubernetes API; without --token-file everybody may do everything."""
    import asyncio

    from federation.lab import errors
    from federation.lab.kubernetes.serve import address, serve, server

    host, port = address(listen)
    try:
        asyncio.run(serve(server(ranges, token_file), host, port, tls, config))
    except OSError as error:
        raise errors.cannot_serve(listen, error.strerror or str(error)) from None


ALL = (shim, endpoint, ingress, client, kubernetes)
