"""Who of the other members may call what we export: what a person should know of it, and one call judged. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from federation.model.access import AccessRule, Call, admitting, normalised, rules_at
from federation.model.names import ServiceKey
from federation.model.record import Port, is_http


class Verdict(Struct, frozen=True, kw_only=True):
    """What the gateway does with a call to this port: it is admitted by `rule`, or answered `status` (0: closed)."""

    port: Port
    http: bool
    admitted: bool
    status: int
    why: str
    rule: AccessRule | None = None


def judged(ports: Iterable[Port], rules: Sequence[AccessRule], domain: str, call: Call) -> list[Verdict]:
    """The call at each of these ports that peers can reach."""
    return [_judged(port, rules_at(port, rules), domain, call) for port in ports if port.protocol == "TCP"]


def _judged(port: Port, rules: Sequence[AccessRule], domain: str, call: Call) -> Verdict:
    http = is_http(port.app_protocol)
    by = admitting(rules, domain, call)
    if by is not None:
        return Verdict(port=port, http=http, admitted=True, status=200, why=in_words(by), rule=by)
    if not http:
        return Verdict(port=port, http=False, admitted=False, status=0, why="no AccessPolicy admits it")
    if any(rule.paths for rule in rules) and normalised(call.path) is None:
        why = "rules name paths, and this one holds an escaped slash or is none"
        return Verdict(port=port, http=True, admitted=False, status=400, why=why)
    return Verdict(port=port, http=True, admitted=False, status=403, why="no AccessPolicy admits it")


def in_words(rule: AccessRule) -> str:
    """A rule as one line: whom it admits to what."""
    who = ", ".join(f"{s.member or '*'}/{s.namespace or '*'}/{s.account or '*'}" for s in rule.sources)
    limits = {"ports": rule.ports, "methods": rule.methods, "paths": rule.paths}
    return "; ".join([f"from {who}", *(f"{name} {', '.join(values)}" for name, values in limits.items() if values)])


def access_notes(service: ServiceKey, ports: Sequence[Port], rules: Sequence[AccessRule], own: str) -> tuple[str, ...]:
    """What is strange about who may call this export: nobody can, or a rule that nobody can come in by."""
    reachable = [port for port in ports if port.protocol == "TCP"]
    useless = [rule for rule in rules if not any(rules_at(port, (rule,)) for port in reachable)]
    notes = [
        f"ServiceExport {service}: AccessPolicy ({in_words(rule)}) admits nobody: {_useless(rule, reachable)}"
        for rule in useless
    ]
    if not admits_another(reachable, rules, own):
        notes.append(f"ServiceExport {service}: no AccessPolicy admits another member: nobody but this one can call it")
    return tuple(notes)


def admits_another(ports: Iterable[Port], rules: Sequence[AccessRule], own: str) -> bool:
    """True when some caller of another member may come in at some port."""
    return any(source.member != own for port in ports for rule in rules_at(port, rules) for source in rule.sources)


def _useless(rule: AccessRule, ports: Iterable[Port]) -> str:
    spoken_of = [port for port in ports if rule.speaks_of(port)]
    if not spoken_of:
        return "the service has no TCP port of that name or number"
    if any(is_http(port.app_protocol) for port in spoken_of) or not (rule.methods or rule.paths):
        return "it names no caller, or no path that can be"
    return "methods and paths are seen only on a port whose appProtocol is HTTP"
