"""`isthmus lab`: a whole federation on one machine. Everything heavy is imported inside the commands."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.cli import lab_programs
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


def kubernetes_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --kubernetes."""
    return click.option(
        "--kubernetes",
        is_flag=False,
        flag_value="double",
        default=None,
        type=click.Choice(["double", "real"]),
        help="Give each member an API server: the double, or kube-apiserver and etcd of KUBEBUILDER_ASSETS.",
    )(command)


def place(folder: Path | None) -> Path:
    """The folder that was named, else the default."""
    from federation.lab.state import default_directory

    return folder or default_directory()


@click.group(name="lab", cls=LabGroup)
def lab() -> None:
    """Run a whole federation on this machine, in network namespaces of its own."""


@lab.command()
@directory_option
@click.option("--rtt", type=click.FloatRange(0, 10_000), default=None, help="Round trip between all, ms (60, 90, 140).")
@click.option("--bare", is_flag=True, help="Network, WAN, endpoints and manifests only; no federation.")
@click.option("--second-gateway", is_flag=True, help="Give us-west a second gateway, on a machine of its own.")
@kubernetes_option
def up(folder: Path | None, rtt: float | None, bare: bool, second_gateway: bool, kubernetes: str | None) -> None:
    """Raise the lab, wholly or not at all."""
    from federation.lab.up import Options, raise_lab

    with undoing():
        raise_lab(place(folder), Options(rtt, bare, kubernetes or "", second_gateway), click.echo)


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


def other_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --from."""
    return click.option("--from", "other", default=None, help="Only the way to this region.")(command)


@lab.command()
@directory_option
@click.argument("region")
@other_option
def cut(folder: Path | None, region: str, other: str | None) -> None:
    """Drop everything between REGION and every other region; nothing is reset."""
    from federation.lab.weather import cut

    click.echo(f"{region} is cut off from {', '.join(cut(loaded(folder), region, other))}")


@lab.command()
@directory_option
@click.argument("region")
@other_option
def heal(folder: Path | None, region: str, other: str | None) -> None:
    """Undo the cuts between REGION and every other region; what set-wan set stays."""
    from federation.lab.weather import heal

    click.echo(f"{region} is no longer cut off from {', '.join(heal(loaded(folder), region, other))}")


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
    """Run a command at a place in the lab: MEMBER (its machine), MEMBER-web, -client, -ingress or wan."""
    from federation.lab.supervise import execute_at

    execute_at(loaded(folder), where, list(command[1:] if command[0] == "--" else command))


@lab.command("kubectl", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@directory_option
@click.argument("member")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(folder: Path | None, member: str, arguments: tuple[str, ...]) -> None:
    """Run kubectl against a member's API server, in a lab that was raised with --kubernetes."""
    from federation.lab.servers import kubectl

    kubectl(loaded(folder), member, arguments)


@lab.command()
@directory_option
@click.argument(
    "story", type=click.Choice(["journey", "failover", "drain", "steering", "gateways", "splits"]), default="journey"
)
@click.option("--keep", is_flag=True, help="Leave the lab up at the end.")
@click.option("--rtt", type=click.FloatRange(0, 10_000), default=None, help="Round trip between all, ms (60, 90, 140).")
@click.option("--record", type=click.Path(path_type=Path), default=None, help="Where failover writes what it measured.")
@kubernetes_option
@OUTPUT
def run(
    folder: Path | None,
    story: str,
    keep: bool,
    rtt: float | None,
    record: Path | None,
    kubernetes: str | None,
    output: str,
) -> None:
    """Raise the lab, tell a story in it and check every step: the journey of a request, the failover of a region,
    its drain, how load is steered, how the gateways of one member stand in for each other, or how regions lose sight of
    each other.
    """
    from federation.cli.lab_story import tell
    from federation.lab import errors, steps
    from federation.lab.story.drained import drain
    from federation.lab.story.gateways import gateways
    from federation.lab.story.play import failover
    from federation.lab.story.splits import splits
    from federation.lab.story.steered import steering
    from federation.lab.up import Options

    if story != "journey" and rtt is not None:
        raise errors.bad_argument(f"--rtt is not for the {story} story, which has round trips of its own")
    if story != "failover" and record is not None:
        raise errors.bad_argument(f"--record is for the failover story; the {story} records nothing")
    with undoing():
        plays = {"journey": steps.play, "failover": failover(record), "drain": drain, "steering": steering}
        plays |= {"gateways": gateways, "splits": splits}
        options = Options(rtt, kubernetes=kubernetes or "", second=story == "gateways")
        good = tell(place(folder), plays[story], keep, options, output)
    sys.exit(0 if good else 1)


def loaded(folder: Path | None) -> "Lab":
    """The lab in that folder; LabError when there is none."""
    from federation.lab.state import load

    return load(place(folder))


for program in lab_programs.ALL:
    lab.add_command(program)

if __name__ == "__main__":
    lab()
