"""What this server's probes and other members' words make of each target: taken away, coming back, or neither. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from federation.health.guard import Stake, held_back
from federation.health.merge import cut_off, gone, settles
from federation.health.verdict import Verdict
from federation.model.handout import Steered
from federation.model.names import MemberName
from federation.model.policy import Probe
from federation.model.report import TargetReport
from federation.model.standing import UNKNOWN, Standing
from gslb.client import version_of
from gslb.moved import alike
from gslb.steer import FAMILY, addresses_of
from gslb.table import Table

DEFAULT = Probe()
"""Without a probe of its own a name's targets must take a TCP connection, on port 443 or 80."""

Address = tuple[str, int]
Server = tuple[str, str]


class Check(Struct, frozen=True, order=True, gc=False):
    """A member's target for a public name, by the type of its addresses (A or AAAA)."""

    host: str
    kind: int
    member: str


class Finding(Struct, frozen=True, gc=False):
    """What is held of one target.

    `own` is our verdict, `known` says if there is one; `others` counts the other members that find it down; `isolated`:
    we reach nobody, so our verdict does not count; `way` is what the law is told: down while the target is taken away,
    then up since its return. `held` is the Unix millisecond until which our word alone may not take it away because so
    much of the name went of late (0: it is not held back).
    """

    own: Standing = UNKNOWN
    known: bool = False
    others: int = 0
    isolated: bool = False
    way: Standing = UNKNOWN
    held: int = 0


Findings = Mapping[Check, Finding]


class Asked(Struct, frozen=True, gc=False):
    """How a target is probed: at this address, at least `need` of the probes must pass (0: all)."""

    address: str
    probes: tuple[Probe, ...]
    need: int = 0


def checks_of(item: Steered) -> dict[Check, Asked]:
    """What to probe for a name and how: each target's first address of each family; in order."""
    host, probe = item.name.host, item.name.policy.probe or DEFAULT
    found: dict[Check, Asked] = {}
    for kind in FAMILY:
        for target in sorted(item.targets, key=lambda one: one.candidate.member):
            for address in addresses_of(target, kind)[:1]:
                found[Check(host, kind, target.candidate.member)] = alike(Asked(address, probe.each, probe.need))
    return found


def words_of(probe: Probe) -> str:
    """What a probe is, in a few words: its kind, and what tells it from others of that kind."""
    port = f"port {probe.port}" if probe.port else ""
    return " ".join(filter(None, (probe.way, port, probe.path, probe.service, probe.command)))


class Reach(Struct, frozen=True):
    """What else we know: which of the operator's anchors and of other members' name servers answer.

    `words` is False when other members' words are old because our controllers have not been heard for long.
    """

    outside: Mapping[Address, bool] = {}
    servers: Mapping[Server, bool] = {}
    words: bool = True


def servers_of(table: Table) -> tuple[Server, ...]:
    """Other members' name servers, as (member, address)."""
    return tuple((p.member, one) for p in table.places.values() if p.member != table.own for one in p.nameservers)


def isolated(reached: Mapping[str, bool], reach: Reach, kind: int) -> bool:
    """True when over this family we reach no anchor, and of no other member a target of any name or a name server.

    So many, because whoever plays dead with one of his addresses must not make us doubt ourselves. `reached` says of
    each other member that has targets of this family if we reach any of them.
    """
    remote = {member: Standing(up=up) for member, up in reached.items()}
    for (member, address), good in reach.servers.items():
        if version_of(address) == FAMILY[kind]:
            remote[member] = _better(remote, member, good)
    anchors = [good for (address, _), good in reach.outside.items() if version_of(address) == FAMILY[kind]]
    return cut_off(remote, anchors)


def _better(remote: Mapping[str, Standing], member: str, up: bool) -> Standing:
    return Standing(up=up or remote.get(member, Standing(up=False)).up)


def judge(table: Table, host: str, seen: Findings, before: Findings, now: int) -> dict[Check, Finding]:
    """The findings on the targets of a name at this Unix millisecond; `seen` is what was found now (`see`)."""
    found: dict[Check, Finding] = {}
    for kind in FAMILY:
        fresh = {check: finding for check, finding in seen.items() if check.kind == kind}
        held = _held(table, host, fresh, before, now)
        for check, finding in fresh.items():
            alone = _alone(table, check, finding) and check.member not in held
            followed = _followed(before.get(check, finding), finding, alone, now)
            found[check] = alike(structs.replace(followed, held=held.get(check.member, 0)))
    return found


def see(table: Table, check: Check, verdict: Verdict, words: bool, cut: bool) -> Finding:
    """What is found of a target before anybody judges it; `words`: other members' count, `cut`: ours do not."""
    others = len(table.witnesses.get((check.member, check.host), frozenset())) if words else 0
    return Finding(verdict.standing, verdict.up is not None, others, cut)


def _alone(table: Table, check: Check, finding: Finding) -> bool:
    """True when our word alone may count."""
    return not finding.isolated and check.member != table.own


def _held(table: Table, host: str, fresh: Mapping[Check, Finding], before: Findings, now: int) -> dict[str, int]:
    """The members whose targets our word alone may not take away yet, and until when."""
    if all(finding.own.up for finding in fresh.values()):
        return {}
    ready = {target.candidate.member: target.candidate.ready for target in table.steered[host].targets}
    stakes = []
    for check, finding in fresh.items():
        way, own = before.get(check, finding).way, finding.own
        agreed = now if gone(own, finding.others, False, now) else 0
        alone = _alone(table, check, finding) and not agreed and gone(own, 0, True, now)
        away = agreed if way.up else way.since
        stakes.append(Stake(check.member, ready[MemberName(check.member)], away, own.since if alone else None))
    return held_back(stakes, now)


def _followed(before: Finding, fresh: Finding, alone: bool, now: int) -> Finding:
    """The finding with its way: once taken away, a target stays away until we find it up."""
    away = not before.way.up and not fresh.own.up
    if away or gone(fresh.own, fresh.others, alone, now):
        way = before.way if not before.way.up else Standing(up=False, since=now)
    else:
        way = before.way if before.way.up else Standing(up=True, since=now)
    return structs.replace(fresh, way=way)


def evidence(findings: Findings) -> dict[int, dict[str, Standing]]:
    """What the law is told of a name, by type."""
    found: dict[int, dict[str, Standing]] = {}
    for check, finding in findings.items():
        if finding.way != UNKNOWN:
            found.setdefault(check.kind, {})[check.member] = finding.way
    return found


def reports(findings: Findings) -> dict[str, TargetReport]:
    """What our controller is told of a name: the targets that no family reaches, since the last of them went.

    A family over which we reach nobody says nothing.
    """
    found: dict[tuple[str, str], list[Standing]] = {}
    for check, finding in findings.items():
        if not finding.isolated:
            found.setdefault((check.member, check.host), []).append(finding.own)
    return {
        f"target/{member}/{host}": TargetReport(MemberName(member), host, max(one.since for one in held) // 1_000)
        for (member, host), held in found.items()
        if not any(one.up for one in held)
    }


def due(findings: Iterable[Finding], now: int) -> int:
    """The next Unix millisecond at which age alone takes a target away; 0 when none will."""
    waits = (one.held or settles(one.own, now) for one in findings if one.way.up and not one.isolated)
    return min((wait for wait in waits if wait), default=0)
