"""`isthmus gateway`: what a gateway's links are and whether they work. Imports are made where they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateways.cli import STATE, clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import IO

    from gateways.tunnel_view import TunnelView
    from gateways.verify import Check


@click.group()
def gateway() -> None:
    """A gateway's links to other members."""


@gateway.command()
@STATE
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="text: as for wg-quick(8).")
def show(state: Path, output: str) -> None:
    """Show the WireGuard devices of this folder: each peer by its name, and what it lacks. Never the private key."""
    import msgspec

    from gateways.tunnel_view import written

    views = views_of(state)
    text = "\n\n".join(map(written, views))
    click.echo(msgspec.json.format(msgspec.json.encode(views)).decode() if output == "json" else text)


@gateway.command()
@STATE
@click.option("--member", default="", help="Only the gateways of this member.")
@click.option("--count", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Small echoes to each.")
@click.option(
    "--load", type=click.FloatRange(1, 60), help="Fill each link for so many seconds: its throughput.  [default: no]"
)
@click.option("--output", type=click.Choice(["text", "json", "junit"]), default="text")
def verify(state: Path, member: str, count: int, load: float | None, output: str) -> None:
    """Try every link: handshake, echoes, sizes, fragments, the peer's door. Status 1 when one fails.

    Run it on the gateway, at both ends: each proves what it sends. It sends about 60 kB to each peer, and with --load
    as much as the link carries: what its users send waits then.
    """
    import sys
    import time

    from gateways.verify import junit
    from gateways.verifying import loaded, verified

    began = time.monotonic()
    views = views_of(state)
    found = verified(views, member, count)
    if load is not None:
        found += loaded(views, member, load)
    if output == "junit":
        click.echo(junit(found, time.monotonic() - began))
        sys.exit(any(one.verdict == "failed" for one in found))
    _tell(found, output)


@gateway.command()
@STATE
@click.option("--reason", default="by hand", show_default=True, help="Shown in `isthmus status`.")
@click.option(
    "--wait", type=click.FloatRange(0, 3_600), default=60.0, show_default=True, help="Seconds to wait for quiet."
)
@click.option("--force", is_flag=True, help="Also where it is the member's only gateway.")
def drain(state: Path, reason: str, wait: float, force: bool) -> None:
    """Let this gateway carry what it has and get nothing new, until undrain; also over a restart.

    Waits until nobody sends through it. Status 1 when somebody still does. Works with every controller dead.
    """
    import sys

    from gateways.draining import await_quiet, received
    from gateways.draining import drain as tell

    tell(state, reason, force)
    if not wait:
        click.echo("drained")
        return
    left = await_quiet(lambda: received(views_of(state)), wait)
    click.echo(f"drained, but these still send: {', '.join(left)}" if left else "drained: nobody sends through it")
    sys.exit(bool(left))


@gateway.command("rotate-key")
@STATE
@click.option(
    "--wait",
    type=click.FloatRange(5, 3_600),
    default=60.0,
    show_default=True,
    help="Seconds to wait for links under the new key, and then for quiet under the old one.",
)
@click.option("--force", is_flag=True, help="At once: its links are down until everybody has heard of the key.")
def rotate_key(state: Path, wait: float, force: bool) -> None:
    """Give this gateway another WireGuard key, and lose no packet: links stand under both while it changes over.

    What was interrupted goes on when it is run again. One that is drained gets its key at once: nobody sends there.
    """
    import base64

    from gateways import folder, rotation
    from gateways.draining import gateway_of

    enrolled = gateway_of(state)
    if force or folder.why_drained(state):
        public = rotation.exchange(state, enrolled)
    else:
        hands = rotation.Hands(lambda: views_of(state), click.echo)
        with folder.lock(state, "rotation"):
            public = rotation.Rotation(state, enrolled, hands).run(wait)
    click.echo(f"new public key {base64.b64encode(public).decode()}")


@gateway.command()
@click.argument("member")
@STATE
@click.option("--file", "source", type=click.File("rb"), help="As `wg genpsk` writes it; -: standard input.")
@click.option("--remove", is_flag=True, help="Do without one from now on.")
def preshared(member: str, state: Path, source: IO[bytes] | None, remove: bool) -> None:
    """Give the links to a member a preshared key: a new one, which is printed, or one that exists.

    Give each gateway of both members the same one, by a safe way, within a minute: links stand meanwhile.
    """
    from gateways.preshared import give, take_away

    if remove:
        click.echo("links to it do without one" if take_away(state, member) else "there was none")
        return
    key = give(state, member, None if source is None else source.read())
    if source is None:
        click.echo(key)


@gateway.command()
@STATE
def undrain(state: Path) -> None:
    """Let this gateway carry again."""
    from gateways.draining import undrain as end

    click.echo("carries again" if end(state) else "was not drained")


@gateway.command()
@click.option("--underlay", default="", help="IP:PORT (UDP) of WireGuard, as the agent will get it.")
@click.option("--inside", default="", help="IP:PORT (UDP) for the member's own nodes, as the agent will get it.")
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), help="The agent's folder, where there is one."
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
def preflight(underlay: str, inside: str, state: Path | None, output: str) -> None:
    """Look whether this machine can be a gateway: rights, programs, port, IPv6, MTU; who else touches routes
    and packets (CNI, kube-proxy, firewalls), and what they need.

    Status 1 when it cannot.
    """
    from gateways.preflight import facts_of, findings

    facts = facts_of(Path("/"))
    found = [*_tried(underlay, inside, state), *findings(facts), *_surrounding(facts.underlay, underlay, inside)]
    _tell(found, output)


def _surrounding(devices: Iterable[tuple[str, int]], underlay: str, inside: str) -> Iterable[Check]:
    from federation.model.errors import Unavailable
    from federation.model.overlay import SLOTS
    from federation.telemetry import split_address
    from gateways.flags import PORTS
    from gateways.kernel.nft import base_chains
    from gateways.preflight_cluster import surrounding, surroundings_of
    from gateways.verify import Check

    first = split_address(underlay, "--underlay")[1] if underlay else 0
    ports = [f"{first} to {first + PORTS - 1}"] if underlay else []
    within = split_address(inside, "--inside")[1] if inside else 0
    ports += [f"{within} to {within + SLOTS - 1}"] if inside else []
    names = [name for name, _ in devices]
    try:
        chains = base_chains()
    except Unavailable as error:
        yield Check("machine", "firewall", "warning", f"who else filters is not known: {error.text}")
        chains = ()
    said = " and ".join(ports) or "of --underlay and --inside"
    yield from surrounding(surroundings_of(Path("/"), names, chains), said, bool(inside))


def _tried(underlay: str, inside: str, state: Path | None) -> Iterable[Check]:
    from functools import partial

    from federation.model.errors import InputError
    from federation.telemetry import split_address
    from gateways import folder
    from gateways.kernel import nft, wg
    from gateways.machine import check_forwarding, check_root, check_udp_port
    from gateways.tunnels import INSIDE
    from gateways.verify import Check

    prefix = "none" if state is None else folder.device_prefix(state)
    tries: list[tuple[str, Callable[[], None], str]] = [
        ("rights", check_root, "root"),
        ("nftables", nft.check_possible, "nft is installed"),
        ("wireguard", wg.check_possible, "the kernel's" if wg.kernel_has_wireguard() else wg.PROGRAM),
    ]
    for flag, given, index in (("--underlay", underlay, 0), ("--inside", inside, INSIDE)):
        if given:
            port = split_address(given, flag)[1]
            free = partial(check_udp_port, port, f"{prefix}{index}", flag)
            tries.append(("port", free, f"UDP {port} is free, or our own"))
    if inside:
        tries.append(("forwarding", check_forwarding, "net.ipv6.conf.all.forwarding is set"))
    for name, check, good in tries:
        try:
            check()
        except InputError as error:
            yield Check("machine", name, "failed", error.text)
        else:
            yield Check("machine", name, "ok", good)


def _tell(found: Sequence[Check], output: str) -> None:
    import sys

    import msgspec

    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        for one in found:
            click.echo(f"{one.verdict:8}{one.link}: {one.name}: {one.text}")
    sys.exit(any(one.verdict == "failed" for one in found))


gateway.add_command(clean)


def views_of(state: Path) -> list[TunnelView]:
    """The devices of the agent with this folder. InputError where there is none."""
    import time

    from federation.link.enrolled import load_enrolled
    from federation.lkg import ring
    from federation.model.errors import InputError
    from federation.wire.handout import HANDOUT, HANDOUT_TOPIC
    from gateways import folder
    from gateways.intent import intend
    from gateways.kernel.linux import LinuxKernel
    from gateways.keys import load, with_keys
    from gateways.machine import check_root
    from gateways.state import Situation
    from gateways.tunnel_view import Here, tunnel_view
    from gateways.tunnels import key_under

    enrolled = load_enrolled(state)
    if enrolled.role not in ("gateway", "node"):
        raise InputError(
            f"{state}: is enrolled as {enrolled.role}, which has no links; give a gateway's folder", "E122"
        )
    check_root()
    prefix, kernel = folder.device_prefix(state), LinuxKernel()
    bare = Situation(
        node=enrolled.node,
        role=enrolled.role,
        member=enrolled.member,
        domain=enrolled.domain,
        address="",
        device=prefix,
        inside="[::]:0",
    )
    situation = with_keys(bare, load(state))
    kept = ring.newest(state / "lkg", HANDOUT_TOPIC)
    wanted = (
        {} if kept is None else {one.device: one for one in intend(situation, HANDOUT.decode_tree(kept.tree)).tunnels}
    )
    views = []
    for device in kernel.named(prefix):
        actual, link = kernel.wireguard.read(device), kernel.routes.read(device)
        if actual is not None and link is not None:
            here = Here(enrolled.member, enrolled.node, device, key_under(situation, device))
            peers = wanted[device].peers if device in wanted else ()
            views.append(tunnel_view(here, peers, actual, link, time.time()))
    if not views:
        text = f"start the agent with `isthmus agent run --state {state}`"
        if enrolled.role == "node":
            text = "a node has them where its member's gateways, on other machines, have an --inside"
        raise InputError(f"{state}: no device of it is there: {text}", "E122")
    return views
