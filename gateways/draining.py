"""`isthmus gateway drain`, `rotate-key`, `undrain`: a gateway that answers no probe carries on and gets nothing new."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from federation.files import write_private
from federation.link.enrolled import Enrolled, load_enrolled
from federation.link.possession import KEY_BYTES, wireguard_key
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
    enrolled = _gateway_of(state)
    others = _others(state, enrolled.node)
    if not others and not force:
        text = "is the only one of this member, which nobody else would reach: see `isthmus drain`, or give --force"
        raise Refused(f"gateway {enrolled.node}: {text}", "E127")
    write_private(folder.drained_file(state), f"{reason}\n".encode())


def rotate_key(state: Path, force: bool) -> bytes:
    """Give the gateway of this folder another WireGuard key, which its agent takes when it starts; the public key.

    Refused (E127) while it carries: until its peers and nodes have heard of the key they drop what it sends.
    """
    enrolled = _gateway_of(state)
    if not (folder.why_drained(state) or force):
        text = "is not drained, and its links are down until everybody knows the new key: `isthmus gateway drain` first"
        raise Refused(f"gateway {enrolled.node}: {text}, or give --force", "E127")
    write_private(state / folder.KEY_FILE, secrets.token_bytes(KEY_BYTES))
    return wireguard_key(folder.wireguard_seed(state), enrolled.member, enrolled.node).public


def undrain(state: Path) -> bool:
    """End that; False when it was not drained."""
    try:
        folder.drained_file(state).unlink()
    except FileNotFoundError:
        return False
    return True


def _gateway_of(state: Path) -> Enrolled:
    enrolled = load_enrolled(state)
    if enrolled.role != "gateway":
        raise InputError(f"{state}: is enrolled as {enrolled.role}; give a gateway's folder", "E122")
    return enrolled


def _others(state: Path, node: str) -> list[str]:
    kept = ring.newest(state / "lkg", HANDOUT_TOPIC)
    site = None if kept is None else HANDOUT.decode_tree(kept.tree).get("site")
    return [name for name in site.rails if name != node] if isinstance(site, Site) else []


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
