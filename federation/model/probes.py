"""What a probe may ask for, whoever wrote it: its field in the model's words, and why not. Pure."""

from federation.model import policy as limits
from federation.model.names import is_host, is_label
from federation.model.policy import Kind, Probe, is_path

Fault = tuple[str, str]
SHOWN = 80
"""Characters of a wrong text that are repeated."""

SERVICE_MAX = 127
_HTTP: tuple[Kind, ...] = ("http", "https")
_GRPC: tuple[Kind, ...] = ("grpc", "grpcs")
_TLS: tuple[Kind, ...] = ("https", "grpcs")
ONLY: dict[str, tuple[Kind, ...]] = {
    "path": _HTTP,
    "method": _HTTP,
    "statuses": _HTTP,
    "body": _HTTP,
    "host": (*_HTTP, *_GRPC),
    "server_name": _TLS,
    "verify": _TLS,
    "service": _GRPC,
    "command": ("exec",),
}
"""The kinds that a field is for."""

_PLAIN = Probe()


def probe_fault(probe: Probe) -> Fault | None:
    """The first fault of a probe, or of one of its parts."""
    if not probe.parts:
        return _misplaced(probe) or _form_fault(probe)
    if len(probe.parts) > limits.PROBES_MAX:
        return "probes", f"{len(probe.parts)} probes, at most {limits.PROBES_MAX}"
    if not 0 <= probe.need <= len(probe.parts):
        return "need", f"{probe.need} of {len(probe.parts)} probes can never pass"
    for index, part in enumerate(probe.parts):
        if part.parts:
            return f"probes[{index}]", "has parts of its own"
        fault = _misplaced(part) or _form_fault(part)
        if fault is not None:
            return f"probes[{index}].{fault[0]}", fault[1]
    return None


def _misplaced(probe: Probe) -> Fault | None:
    for field, kinds in ONLY.items():
        if probe.way not in kinds and getattr(probe, field) != getattr(_PLAIN, field):
            return field, f"only used with kind {' or '.join(kinds)}"
    if probe.way == "icmp" and probe.port:
        return "port", "an echo has none"
    if probe.way == "exec" and not probe.command:
        return "command", "kind exec needs the name that the operator gave to a program"
    if probe.body and probe.method == "HEAD":
        return "body", "an answer to HEAD has no content"
    return None


def _form_fault(probe: Probe) -> Fault | None:
    if probe.path and not is_path(probe.path):
        return "path", f'{probe.path[:SHOWN]!r} must begin with "/" and hold printable ASCII without spaces'
    for field in ("host", "server_name"):
        name = getattr(probe, field)
        if name and not is_host(name):
            return field, f"{name[:SHOWN]!r} is not a DNS name in lower case such as shop.example.com"
    if len(probe.body) > limits.PROBE_TEXT_MAX:
        return "body", f"{len(probe.body)} characters, at most {limits.PROBE_TEXT_MAX}"
    if len(probe.service) > SERVICE_MAX or not all("!" <= one <= "~" for one in probe.service):
        return "service", f"{probe.service[:SHOWN]!r} is not printable ASCII without spaces, {SERVICE_MAX} at most"
    if probe.command and not is_label(probe.command):
        return "command", f"{probe.command[:SHOWN]!r} is not a DNS label"
    return _statuses_fault(probe)


def _statuses_fault(probe: Probe) -> Fault | None:
    if len(probe.statuses) > limits.PROBE_STATUSES_MAX:
        return "statuses", f"{len(probe.statuses)} of them, at most {limits.PROBE_STATUSES_MAX}"
    low, high = limits.STATUS.low, limits.STATUS.high
    for one in probe.statuses:
        if not low <= one.low <= one.high <= high:
            return "statuses", f'"{one.low}-{one.high}" is no range within {low} to {high}'
    return None
