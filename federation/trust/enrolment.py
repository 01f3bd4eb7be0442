"""Programs of a cluster that enrol themselves: who may, under which name, how often, and who is forgotten. No I/O.

A program proves who it is by the service account token of its pod. Nothing of its request counts but that token, its
public key and the role that it asks for; its name follows from where it runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import cast, get_args

from federation.config import Enrolment
from federation.model.errors import InputError, Refused, Unavailable
from federation.model.handout import Role
from federation.model.names import is_label, parse_label
from federation.model.spiffe import SYSTEM
from federation.model.tokens import ServiceAccount

Account = tuple[str, str]
AUDIENCE = "isthmus"
NO_NODES: frozenset[Role] = frozenset(("dns", "xds"))
"""Roles of programs that any pod may have: they are called after it, and forgotten when they are silent for long."""

ENROLLED_MAX = 10_000
"""Programs of a member that enrolled themselves."""

SOURCE_BURST, SOURCE_RATE = 20.0, 2.0
ALL_BURST, ALL_RATE = 100.0, 20.0
SOURCES_MAX = 4_096
"""Sources whose pace is remembered; beyond it the one that was quiet for longest is forgotten."""

NODE_GONE_SECONDS = 600.0
SILENT_SECONDS = 3_600.0

_ENDS_AS_HASHED = re.compile(r"-[0-9a-f]{16}$")


def parse_accounts(texts: Iterable[str]) -> dict[Role, Account]:
    """`ROLE=NAMESPACE/ACCOUNT`, one account a role. InputError for another form, and for what is given twice: where
    nodes had the account of gateways, each could become a gateway.
    """
    found: dict[Role, Account] = {}
    for text in texts:
        role, _, who = text.partition("=")
        namespace, slash, name = who.partition("/")
        if role not in get_args(Role) or not slash:
            raise InputError(
                f'--enroll "{text}": write it as ROLE=NAMESPACE/ACCOUNT; roles: {", ".join(get_args(Role))}'
            )
        if namespace == SYSTEM:
            raise InputError(f'--enroll "{text}": the namespace "{SYSTEM}" is that of our own identities', "E105")
        account = (parse_label(namespace, "--enroll namespace"), parse_label(name, "--enroll account"))
        if role in found:
            raise InputError(f'--enroll "{text}": the role {role} has the account {"/".join(found[role])}')
        for other, taken in found.items():
            if taken == account:
                raise InputError(f'--enroll "{text}": is the account of the role {other}; give each role its own')
        found[cast(Role, role)] = account
    return found


def program_name(role: Role, place: str) -> str:
    """What a program is called that runs in this place (a node, or a pod): `role-place` where that is a DNS
    label, else with dots as hyphens, cut, and 64 bits of a hash behind.
    """
    plain = f"{role}-{place}"
    if is_label(plain) and not _ENDS_AS_HASHED.search(plain):
        return plain
    mark = hashlib.sha256(place.encode()).hexdigest()[:16]
    readable = re.sub("[^a-z0-9-]", "-", plain.lower())[: 63 - 17].rstrip("-")
    return f"{readable}-{mark}"


def enrolment_of(role: str, found: ServiceAccount, accounts: Mapping[Role, Account]) -> Enrolment:
    """Who the pod with this token is enrolled as. Refused (E105) when its account has not this role, or the API server
    does not say on which node it runs.
    """
    who = f"service account token of {found.namespace}/{found.name}"
    if role not in accounts:
        raise Refused(f'enrolment: no account may have the role "{role[:20]}" here; see --enroll', "E105")
    known = cast(Role, role)
    if (found.namespace, found.name) != accounts[known]:
        raise Refused(f"{who}: the role {role} is for {'/'.join(accounts[known])}", "E105")
    if known in NO_NODES:
        return Enrolment(name=program_name(known, found.pod), role=known)
    if not found.node:
        raise Refused(f"{who}: the API server names no node in it (Kubernetes 1.32 or later does)", "E105")
    return Enrolment(name=program_name(known, found.node), role=known, kubernetes=found.node, attests=known == "node")


def check_room(name: str, enrolled: Mapping[str, Enrolment]) -> None:
    """Refused (E118) when there is no room for another program of this name."""
    if name not in enrolled and len(enrolled) >= ENROLLED_MAX:
        raise Refused(f'enrolment of "{name}": {len(enrolled)} programs have enrolled, limit {ENROLLED_MAX}', "E118")


class Bucket:
    """So many at once, so many a second after that."""

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst, self._rate = burst, rate
        self._left, self._at = burst, now

    def ready(self, now: float) -> bool:
        """Whether one more may pass now (seconds that never go back)."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left >= 1

    def take(self) -> None:
        """One passed."""
        self._left -= 1


class Pace:
    """How often enrolment may be asked for, by each source and by all: each question is one to the API server."""

    def __init__(self, now: float) -> None:
        self._all = Bucket(ALL_BURST, ALL_RATE, now)
        self._sources: dict[str, Bucket] = {}

    def check(self, source: str, now: float) -> None:
        """Count a question of this source. Unavailable when it, or all together, ask too often."""
        bucket = self._sources.pop(source, None) or Bucket(SOURCE_BURST, SOURCE_RATE, now)
        if len(self._sources) >= SOURCES_MAX:
            del self._sources[next(iter(self._sources))]
        self._sources[source] = bucket
        if not bucket.ready(now):
            raise Unavailable(f"enrolment: {source} asks more than {SOURCE_RATE:.0f} times a second; ask later")
        if not self._all.ready(now):
            raise Unavailable(f"enrolment: more than {ALL_RATE:.0f} questions a second in all; ask later")
        bucket.take()
        self._all.take()


class Absence:
    """Since when each program that enrolled itself is gone. It begins anew with each start of the controller."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def over(
        self, enrolled: Mapping[str, Enrolment], nodes: frozenset[str] | None, connected: frozenset[str], now: float
    ) -> list[str]:
        """Whom to forget now: whose node is gone for NODE_GONE_SECONDS, and which of NO_NODES had no session for
        SILENT_SECONDS. While the nodes are unknown (None) no node is gone.
        """
        away = {name for name, one in enrolled.items() if _is_away(one, nodes, connected)}
        self._since = {name: self._since.get(name, now) for name in away}
        limits = {name: SILENT_SECONDS if enrolled[name].role in NO_NODES else NODE_GONE_SECONDS for name in away}
        return sorted(name for name, since in self._since.items() if now - since >= limits[name])


def _is_away(one: Enrolment, nodes: frozenset[str] | None, connected: frozenset[str]) -> bool:
    if one.role in NO_NODES:
        return one.name not in connected
    return nodes is not None and one.kubernetes not in nodes
