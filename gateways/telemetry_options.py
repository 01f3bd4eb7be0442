"""The options of `isthmus agent run` and `render` that say what this node's Envoy tells of requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gateways.state import Telemetry


def with_telemetry(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options, and their meaning as `telemetry`."""

    @click.option("--otlp", default="", help="HOST:PORT of a trace collector (OTLP over gRPC, plain text).")
    @click.option(
        "--trace-percent",
        type=click.IntRange(0, 100),
        help="Of the requests that come without a trace, so many per cent begin one; needs --otlp.  [default: 1]",
    )
    @click.option("--access-log", default="", help="One JSON line a request: a file, or stdout for Envoy's own.")
    @wraps(command)
    def run(otlp: str, trace_percent: int | None, access_log: str, **rest: Any) -> None:
        command(telemetry=telemetry_of(otlp, trace_percent, access_log), **rest)

    return run


def telemetry_of(otlp: str, trace_percent: int | None, access_log: str) -> Telemetry:
    """What these ask for. InputError for what cannot be, and for an option that would count for nothing."""
    from federation.model.errors import InputError
    from federation.telemetry import split_address
    from gateways.state import TRACE_PERCENT, Telemetry

    if otlp:
        split_address(otlp, "--otlp")
    elif trace_percent is not None:
        raise InputError("--trace-percent is of the traces that go to --otlp HOST:PORT, which is missing", "E122")
    percent = TRACE_PERCENT if trace_percent is None else trace_percent
    return Telemetry(otlp=otlp, trace_percent=percent, access_log=_place(access_log))


def _place(access_log: str) -> str:
    """The log's path as Envoy, which stands in another folder, finds it."""
    from federation.model.errors import InputError

    if access_log in ("", "stdout"):
        return access_log
    path = Path(access_log).absolute()
    if not path.parent.is_dir():
        raise InputError(f"--access-log {path}: there is no folder {path.parent}; make it, or choose another", "E122")
    if path.is_dir():
        raise InputError(f"--access-log {path}: is a folder; name a file in it", "E122")
    return str(path)
