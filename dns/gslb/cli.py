"""`isthmus dns`."""

import asyncio
from pathlib import Path

import click


@click.group()
def dns() -> None:
    """Run a DNS server."""


@dns.command()
@click.option("--state", required=True, type=click.Path(path_type=Path), help="Folder made by `isthmus enroll`.")
@click.option("--listen", required=True, help="ADDRESS:PORT for UDP and TCP.")
@click.option("--metrics", help="ADDRESS:PORT for Prometheus metrics.")
def serve(state: Path, listen: str, metrics: str | None) -> None:
    """Answer clusterset.local from the controller's handout, or from the last good one on disk."""
    from federation.telemetry import serve_metrics, setup_logging, split_address
    from gslb.daemon import Daemon

    setup_logging("dns")
    host, port = split_address(listen, "--listen")
    daemon = Daemon(state)
    serve_metrics(metrics)
    asyncio.run(daemon.run(host, port))
