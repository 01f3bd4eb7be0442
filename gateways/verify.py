"""What `isthmus gateway verify` finds about each link, from what was measured. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from msgspec import Struct

from gateways.bench.result import LinkResult
from gateways.probe.sizes import LEAST, MOST, SIZES
from gateways.reach import LOOPBACK
from gateways.tunnel_view import PeerView

SMALL = 104
"""Bytes of the echoes that measure distance and loss, IPv6 header included."""

LARGE = 3_000
"""Bytes of the echo that must be cut into fragments on its way (RFC 8200 section 4.5)."""

LOSS_MOST = 10
"""Per cent; less loss than this moves no shares (`federation/law`)."""

Verdict = Literal["ok", "warning", "failed", "skipped"]


class Measured(Struct, frozen=True, kw_only=True):
    """Of one link: seconds of each small echo (None: no answer), the sizes that came back, whether LARGE did, and how
    long a connection to its door took (None: there was none).
    """

    trips: tuple[float | None, ...]
    sizes: frozenset[int]
    large: bool
    door: float | None


class Check(Struct, frozen=True):
    """One finding about one link, or about the machine."""

    link: str
    name: str
    verdict: Verdict
    text: str


def checks(peer: PeerView, found: Measured) -> Iterable[Check]:
    """Everything that is looked at, of one peer's gateway."""
    link = peer.name
    for name, verdict, text in (_handshake(peer), _echo(found.trips), _size(found.sizes), _large(found), _door(found)):
        yield Check(link, name, verdict, text)


Finding = tuple[str, Verdict, str]


def _handshake(peer: PeerView) -> Finding:
    if peer.state == "up":
        where = "a third member that carries" if peer.endpoint.startswith(LOOPBACK) else peer.endpoint
        return "handshake", "ok", f"{peer.handshake_age} s ago, with {where}"
    if peer.state == "missing":
        return "handshake", "failed", "the device lacks this peer: is the agent running?"
    age = "never" if peer.handshake_age < 0 else f"{peer.handshake_age} s ago"
    where = peer.endpoint or "an unknown endpoint"
    clock = ", its clock not set back, and its preshared key ours" if peer.preshared else ", and its clock not set back"
    seen = f"; others hear it at {', '.join(peer.sighted)}, which is tried as well" if peer.sighted else ""
    why = f"is its UDP port open both ways{clock}?{seen}"
    return "handshake", "failed", f"{age}, with {where}: {why}"


def _echo(trips: Sequence[float | None]) -> Finding:
    answered = sorted(trip * 1_000 for trip in trips if trip is not None)
    lost = 100 * (len(trips) - len(answered)) / len(trips)
    if not answered:
        return "echo", "failed", f"none of {len(trips)} came back"
    most = answered[min(len(answered) - 1, len(answered) * 99 // 100)]
    text = f"{lost:g} % of {len(trips)} lost; least {answered[0]:.2f}, median {median(answered):.2f}, p99 {most:.2f} ms"
    return "echo", "failed" if lost >= LOSS_MOST else "ok", text


def _size(passed: frozenset[int]) -> Finding:
    if not passed:
        return "size", "failed", f"packets of {LEAST} bytes, which IPv6 needs, do not get there"
    gaps = [size for size in SIZES if size < max(passed) and size not in passed]
    lost = f"; lost below that: {', '.join(map(str, gaps))}" if gaps else ""
    full = "" if max(passed) == MOST else f" of {MOST}: the underlay has a smaller MTU, and TCP keeps to it"
    return "size", "ok", f"packets of {max(passed)} bytes get there whole{full}{lost}"


def _large(found: Measured) -> Finding:
    if found.large:
        return "fragments", "ok", f"an echo of {LARGE} bytes came back"
    return "fragments", "failed", f"an echo of {LARGE} bytes did not come back"


def _door(found: Measured) -> Finding:
    if found.door is None:
        return "door", "skipped", "closed: it offers nothing to us, or its Envoy does not run"
    return "door", "ok", f"open, connected in {found.door * 1_000:.2f} ms"


def throughput(peer: PeerView, found: LinkResult) -> Check:
    """What `isthmus bench link` found."""
    if found.carried is None:
        return Check(peer.name, "throughput", "failed", "nothing came back")
    carried = found.carried
    text = f"{carried.mbit:.1f} Mbit/s each way; under load median {carried.trips.median_ms:.2f} ms"
    return Check(peer.name, "throughput", "ok", text + ("; the link may carry more" if found.limited else ""))


def junit(found: Sequence[Check], seconds: float) -> str:
    """The findings as a JUnit report: a suite, a case each, as CI systems read it."""
    bad = sum(check.verdict == "failed" for check in found)
    counts = {"tests": str(len(found)), "failures": str(bad)}
    counts["skipped"] = str(sum(check.verdict == "skipped" for check in found))
    suite = Element("testsuite", {"name": "isthmus gateway verify", **counts, "time": f"{seconds:.3f}"})
    for check in found:
        case = SubElement(suite, "testcase", {"classname": check.link, "name": check.name})
        if check.verdict == "ok":
            SubElement(case, "system-out").text = check.text
        else:
            SubElement(case, "failure" if check.verdict == "failed" else "skipped", {"message": check.text})
    indent(suite)
    return tostring(suite, encoding="unicode", xml_declaration=True)
