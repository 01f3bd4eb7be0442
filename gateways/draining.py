"""`isthmus gateway drain`, `undrain`: a gateway that answers no probe carries on and gets nothing new."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from federation.files import write_private
from federation.link.enrolled import Enrolled, load_enrolled
from federation.lkg import ring
from federation.model.errors import InputError, Refused
from federation.model.handout import Site
from federation.wire.handout import HANDOUT, HANDOUT_TOPIC
from gateways import folder
from gateways.probe.traffic import BUSY_FROM
from gateways.tunnel_view import TunnelView

QUIET = 3
"""Looks in a row, a second apart, at which nobody sends more than probes and keepalives."""


def drain(state: Path, reason: str, force: bool) -> None:
    """Tell the agent of this folder. InputError for a folder without a gateway; Refused (E127) for the only one."""
    enrolled = gateway_of(state)
    others = _others(state, enrolled.node)
    if not others and not force:
        text = "is the only one of this member, which nobody else would reach: see `isthmus drain`, or give --force"
        raise Refused(f"gateway {enrolled.node}: {text}", "E127")
    write_private(folder.drained_file(state), f"{reason}\n".encode())


def undrain(state: Path) -> bool:
    """End that; False when it was not drained."""
    try:
        folder.drained_file(state).unlink()
    except FileNotFoundError:
        return False
    return True


def gateway_of(state: Path) -> Enrolled:
    """Who the gateway of this folder is. InputError for a folder without one."""
    enrolled = load_enrolled(state)
    if enrolled.role != "gateway":
        raise InputError(f"{state}: is enrolled as {enrolled.role}; give a gateway's folder", "E122")
    return enrolled


def _others(state: Path, node: str) -> list[str]:
    kept = ring.newest(state / "lkg", HANDOUT_TOPIC)
    site = None if kept is None else HANDOUT.decode_tree(kept.tree).get("site")
    return [name for name in site.rails if name.partition("/")[0] != node] if isinstance(site, Site) else []


Received = Mapping[tuple[str, str], int]
"""Bytes received, by device and by the name of who sent them."""


def received(views: Iterable[TunnelView]) -> Received:
    """What the devices count now."""
    return {(view.device, peer.name): peer.rx for view in views for peer in view.peers}


def busy(before: Received, now: Received, seconds: float) -> list[str]:
    """Who sends more than probes and keepalives, by name."""
    rates = {key: (count - before.get(key, count)) / seconds for key, count in now.items()}
    return sorted({name for (_, name), rate in rates.items() if rate >= BUSY_FROM})


def await_quiet(look: Callable[[], Received], seconds: float) -> list[str]:
    """Wait so long at most until QUIET looks in a row see nobody; who sends still."""
    end, quiet, senders = time.monotonic() + seconds, 0, ["not looked at yet"]
    before, at = look(), time.monotonic()
    while quiet < QUIET and time.monotonic() < end:
        time.sleep(1.0)
        now, moment = look(), time.monotonic()
        senders = busy(before, now, moment - at)
        quiet = 0 if senders else quiet + 1
        before, at = now, moment
    return [] if quiet >= QUIET else senders or ["nobody for long enough"]
