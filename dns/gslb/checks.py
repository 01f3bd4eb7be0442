"""What this server's probes and other members' words make of each target: taken away, coming back, or neither. Pure."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from msgspec import Struct

from federation.health.merge import cut_off, gone, settles
from federation.health.verdict import Verdict
from federation.model.handout import TargetReport
from federation.model.names import MemberName
from federation.model.policy import Probe
from federation.model.standing import UNKNOWN, Standing
from gslb.steer import FAMILY, Evidence, addresses_of, version_of
from gslb.table import Table

Address = tuple[str, int]


class Check(Struct, frozen=True, order=True):
    """A member's target for a public name, by the type of its addresses (A or AAAA)."""

    host: str
    kind: int
    member: str


class Finding(Struct, frozen=True):
    """What is held of one target.

    `own` is our verdict, `known` says if there is one; `others` counts the other members that find it down; `isolated`:
    we reach nobody, so our verdict does not count; `way` is what the law is told: down while the target is taken away,
    then up since its return.
    """

    own: Standing = UNKNOWN
    known: bool = False
    others: int = 0
    isolated: bool = False
    way: Standing = UNKNOWN


Findings = Mapping[Check, Finding]


def checks_of(table: Table) -> dict[Check, tuple[str, Probe]]:
    """What to probe and how: of every name with a probe, each target's first address of each family; in order."""
    found: dict[Check, tuple[str, Probe]] = {}
    for host, item in table.steered.items():
        probe = item.name.policy.probe
        if probe is None:
            continue
        for target in item.targets:
            for kind in FAMILY:
                for address in addresses_of(target, kind)[:1]:
                    found[Check(host, kind, target.candidate.member)] = (address, probe)
    return dict(sorted(found.items()))


def judge(
    table: Table,
    checks: Iterable[Check],
    verdicts: Mapping[Check, Verdict],
    outside: Mapping[Address, bool],
    before: Findings,
    now: int,
) -> dict[Check, Finding]:
    """The findings on these checks in their order, at this Unix millisecond. `outside` says which anchors answer."""
    found = {}
    for (host, kind), group in groupby(checks, key=lambda check: (check.host, check.kind)):
        held = {check: verdicts.get(check, Verdict()) for check in group}
        anchors = [good for (address, _), good in outside.items() if version_of(address) == FAMILY[kind]]
        isolated = cut_off(
            {check.member: one.standing for check, one in held.items() if check.member != table.own}, anchors
        )
        for check, verdict in held.items():
            others = len(table.witnesses.get((check.member, host), frozenset()))
            finding = Finding(verdict.standing, verdict.up is not None, others, isolated)
            found[check] = _followed(before.get(check, finding), finding, now)
    return found


def _followed(before: Finding, fresh: Finding, now: int) -> Finding:
    """The finding with its way: once taken away, a target stays away until we find it up or ourselves cut off."""
    away = not before.way.up and not fresh.own.up and not fresh.isolated
    if away or gone(fresh.own, fresh.others, fresh.isolated, now):
        way = before.way if not before.way.up else Standing(up=False, since=now)
    else:
        way = before.way if before.way.up else Standing(up=True, since=now)
    return Finding(fresh.own, fresh.known, fresh.others, fresh.isolated, way)


def evidence(findings: Findings) -> Evidence:
    """What the law is told, by name and type."""
    found: dict[tuple[str, int], dict[str, Standing]] = {}
    for check, finding in findings.items():
        if finding.way != UNKNOWN:
            found.setdefault((check.host, check.kind), {})[check.member] = finding.way
    return found


def reports(findings: Findings) -> dict[str, TargetReport]:
    """What our controller is told: the targets that no family reaches, since the last of them went.

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


def problems(findings: Findings) -> tuple[str, ...]:
    """One line for each name and family of which we reach no other member."""
    alone = sorted({(check.host, FAMILY[check.kind]) for check, finding in findings.items() if finding.isolated})
    text = "we reach no other member's address over IPv{1}: answers go on without the evidence of probes"
    return tuple(f'name "{host}": ' + text.format(host, family) for host, family in alone)


def due(findings: Iterable[Finding], now: int) -> int:
    """The next Unix millisecond at which age alone takes a target away; 0 when none will."""
    waits = (settles(one.own, now) for one in findings if one.way.up and not one.isolated)
    return min((wait for wait in waits if wait), default=0)
