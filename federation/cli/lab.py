"""`isthmus lab`: a whole federation on one machine. Everything heavy is imported inside the commands."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.model.errors import IsthmusError

if TYPE_CHECKING:
    from federation.lab.state import Lab

OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")


class LabGroup(click.Group):
    """A group that turns expected failures into one line on standard error and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, without root by way of a user namespace; an IsthmusError ends it."""
        os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"  # ip, nft, ethtool
        try:
            status = None if os.geteuid() == 0 else relayed([*ctx._protected_args, *ctx.args])
            return super().invoke(ctx) if status is None else ctx.exit(status)
        except IsthmusError as error:
            click.echo(f"isthmus: {error}", err=True)
            ctx.exit(2)


def relayed(arguments: list[str]) -> int | None:
    """The exit status of a command that had to be carried out in the lab's user namespace, else None."""
    from federation.lab.rootless import COMMANDS, named_directory, relay

    if not arguments or arguments[0] not in COMMANDS or "--help" in arguments:
        return None
    return relay(named_directory(arguments, place(None)), arguments)


@contextmanager
def undoing() -> Iterator[None]:
    """What an interrupted command says; what it made has been taken down by then."""
    from federation.lab.interrupt import interruptible

    try:
        with interruptible():
            yield
    except KeyboardInterrupt:
        click.echo("isthmus: interrupted; what this command had made is taken down", err=True)
        sys.exit(130)


def directory_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --dir."""
    return click.option("--dir", "folder", type=click.Path(path_type=Path), default=None, help="The lab's folder.")(
        command
    )


def place(folder: Path | None) -> Path:
    """The folder that was named, else the default."""
    from federation.lab.state import default_directory

    return folder or default_directory()


@click.group(name="lab", cls=LabGroup)
def lab() -> None:
    """Run a whole federation on this machine, in network namespaces of its own."""


@lab.command()
@directory_option
@click.option("--rtt", type=click.FloatRange(0, 10_000), default=None, help="Round trip between members, ms (90).")
@click.option("--bare", is_flag=True, help="Network, WAN, endpoints and manifests only; no federation.")
def up(folder: Path | None, rtt: float | None, bare: bool) -> None:
    """Raise the lab, wholly or not at all."""
    from federation.lab.up import Options, raise_lab

    with undoing():
        raise_lab(place(folder), Options(rtt, bare), click.echo)


@lab.command()
@directory_option
def down(folder: Path | None) -> None:
    """End and remove everything of the lab; fine when there is none."""
    from federation.lab import errors
    from federation.lab.down import leftovers, take_down
    from federation.lab.state import FILE

    where = place(folder).absolute()
    if not (where / FILE).exists():
        click.echo(f"no lab in {where}: nothing to take down")
        return
    gone = take_down(where)
    left = leftovers(gone)
    if left:
        raise errors.still_there(left)
    click.echo(f"lab {gone.lab} is down; nothing of it is left")


@lab.command()
@directory_option
@OUTPUT
def status(folder: Path | None, output: str) -> None:
    """Show the lab's programs, its WAN and what each member says of itself."""
    from federation.lab.show import show_status

    click.echo(show_status(loaded(folder), output))


@lab.command("set-wan")
@directory_option
@click.option("--from", "source", required=True, help="Member whose frames leave.")
@click.option("--to", "target", required=True, help="Member where they arrive.")
@click.option("--rtt", "rtt_ms", type=float, default=None, help="Round trip, ms: half of it in each direction.")
@click.option("--delay", "delay_ms", type=float, default=None, help="One way, ms.")
@click.option(
    "--jitter",
    "jitter_ms",
    type=float,
    default=None,
    help="Up to so much more per frame, ms; frames may overtake.",
)
@click.option("--loss", "loss_percent", type=float, default=None, help="Percent of frames lost.")
@click.option("--rate", "rate_mbit", type=float, default=None, help="Mbit/s.")
@click.option("--mtu", type=int, default=None, help="Larger packets vanish, bytes.")
@click.option("--block/--no-block", default=None, help="Let nothing pass.")
@click.option("--both", is_flag=True, help="The same in the other direction.")
def set_wan(folder: Path | None, source: str, target: str, rtt_ms: float | None, both: bool, **values: Any) -> None:
    """Change the WAN while the lab runs: one direction, unless --both or --rtt."""
    from federation.lab.weather import change

    given = {key: value for key, value in values.items() if value is not None}
    change(loaded(folder), source, target, given, rtt_ms, both)


@lab.command()
@directory_option
@click.argument("name")
def kill(folder: Path | None, name: str) -> None:
    """End one program at once (SIGKILL)."""
    from federation.lab.supervise import kill_program

    kill_program(loaded(folder), name)
    click.echo(f"{name} is killed")


@lab.command()
@directory_option
@click.argument("name")
def start(folder: Path | None, name: str) -> None:
    """Start one program again."""
    from federation.lab.supervise import start_program

    start_program(loaded(folder), name)
    click.echo(f"{name} is started")


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@directory_option
@click.argument("where")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(folder: Path | None, where: str, command: tuple[str, ...]) -> None:
    """Run a command at a place in the lab: MEMBER (its machine), MEMBER-web, MEMBER-client or wan."""
    from federation.lab.supervise import execute_at

    execute_at(loaded(folder), where, list(command[1:] if command[0] == "--" else command))


@lab.command()
@directory_option
@click.argument("journey", type=click.Choice(["journey"]), default="journey")
@click.option("--keep", is_flag=True, help="Leave the lab up at the end.")
@click.option("--rtt", type=click.FloatRange(0, 10_000), default=None, help="Round trip between members, ms (90).")
@OUTPUT
def run(folder: Path | None, journey: str, keep: bool, rtt: float | None, output: str) -> None:
    """Raise the lab, follow a request from one region to the other, and check every step."""
    from federation.cli.lab_story import tell

    with undoing():
        good = tell(place(folder), keep, rtt, output)
    sys.exit(0 if good else 1)


@lab.command(hidden=True)
@click.option("--control", type=click.Path(path_type=Path), required=True)
@click.option("--port", "ports", multiple=True, required=True)
@click.option("--delay", "delays", multiple=True, help="FROM:TO:MS, one way.")
@click.option("--seed", type=int, default=0)
def shim(control: Path, ports: tuple[str, ...], delays: tuple[str, ...], seed: int) -> None:
    """The WAN: a switch in user space between the interfaces of this namespace."""
    from federation.lab.shim import serve

    parts = [delay.split(":") for delay in delays]
    serve(control, ports, seed, {(source, target): float(ms) for source, target, ms in parts})


@lab.command(hidden=True)
@click.option("--address", "addresses", multiple=True, required=True)
@click.option("--name", "names", multiple=True, required=True)
@click.option("--port", type=int, default=8080)
@click.option("--member", default="")
def endpoint(addresses: tuple[str, ...], names: tuple[str, ...], port: int, member: str) -> None:
    """HTTP endpoints that name themselves in every answer; --name and --address may be given several
    times.
    """
    import asyncio

    from federation.lab import errors
    from federation.lab.endpoint import serve

    try:
        asyncio.run(serve(list(zip(names, addresses, strict=True)), port, member))
    except OSError as error:
        raise errors.cannot_serve(f"port {port}", error.strerror or str(error)) from None


@lab.command(hidden=True)
@click.argument("url")
@click.option("--count", type=click.IntRange(0), default=1, help="Requests; 0 for no limit.")
@click.option("--rate", type=click.FloatRange(0), default=0, help="Requests begun a second; 0: one after the other.")
@click.option("--deadline", type=click.FloatRange(0), default=0, help="Seconds; 0 for no limit.")
@click.option("--until-endpoint", default="", help="Stop when this endpoint has answered.")
@click.option("--timeout", type=click.FloatRange(0.001), default=5.0, help="Seconds for one request.")
@click.option("--parallel", type=click.IntRange(1, 256), default=1, help="Clients, each with its own --count.")
@click.option("--fresh/--keep", default=True, help="A connection of its own for each request.")
def client(url: str, until_endpoint: str, fresh: bool, **values: Any) -> None:
    """An HTTP client: one JSON line a request; exit status 0 when all were answered with 200."""
    from federation.lab import errors
    from federation.lab.client import run

    if values["count"] == 0 and values["deadline"] == 0 and not until_endpoint:
        raise errors.endless()
    try:
        sys.exit(run(url, until=until_endpoint, keep=not fresh, **values))
    except ValueError as error:
        raise errors.bad_argument(str(error)) from None


def loaded(folder: Path | None) -> "Lab":
    """The lab in that folder; LabError when there is none."""
    from federation.lab.state import load

    return load(place(folder))


if __name__ == "__main__":
    lab()
