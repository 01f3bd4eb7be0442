"""Programs of our cluster enrol themselves here, and are forgotten when they are gone (rules: `enrolment.py`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct
from prometheus_client import Counter

from federation.config import SelfEnrolled
from federation.link.enroll import Answer, Question
from federation.model.errors import IsthmusError, Refused
from federation.model.handout import Role
from federation.model.spiffe import agent_id
from federation.ports import Agents, Clock, ClusterApi, Store, TokenReviewer
from federation.trust.enrolment import AUDIENCE, Absence, Account, Pace, check_room, enrolment_of
from federation.trust.issue import requested_identity
from federation.trust.policy import check_request
from federation.trust.signer import ask_signer

log = logging.getLogger("enroll")
enrolled_total = Counter(
    "isthmus_enrolments_total", "Certificates given to programs that enrolled themselves", ["role"]
)
forgotten_total = Counter("isthmus_enrolments_forgotten_total", "Self-enrolled programs that were forgotten", ["role"])

REVIEWING_MAX = 8
"""Tokens under review at a time."""
LOOK_SECONDS = 15.0


class Desk(Struct, frozen=True):
    """Where programs may enrol themselves (ADDRESS:PORT), and whose pods may have which role."""

    listen: str
    accounts: dict[Role, Account]


@dataclass(frozen=True)
class Home:
    """What enrolling needs of its member. `anchor` gives the PEM to trust, `agents` is where `isthmus enroll` keeps its
    files.
    """

    trust_domain: str
    signer: Path
    agents: Path
    anchor: Callable[[], str]
    themselves: SelfEnrolled
    store: Store
    clock: Clock


class Enrolling:
    """Answers the questions of `federation.link.enroll`."""

    def __init__(self, desk: Desk, home: Home, reviewer: TokenReviewer) -> None:
        self._desk, self._home, self._reviewer = desk, home, reviewer
        self._pace = Pace(home.clock.monotonic())
        self._reviewing = asyncio.Semaphore(REVIEWING_MAX)

    async def answer(self, question: Question, source: str) -> Answer:
        """The name of whoever asks, and with a signing request in that name its certificate: then it is enrolled.

        Refused (E102, E105, E118) when it may not; Unavailable when it asks too often, or we cannot tell now.
        """
        home = self._home
        self._pace.check(source, home.clock.monotonic())
        async with self._reviewing:
            found = await self._reviewer.review(question.token, AUDIENCE)
        enrolment = enrolment_of(question.role, found, self._desk.accounts)
        if (home.agents / f"{enrolment.name}.json").exists():
            raise Refused(f'agent "{enrolment.name}" was enrolled by `isthmus enroll`; remove its file first', "E102")
        check_room(enrolment.name, home.themselves.known)
        if not question.request:
            return Answer(enrolment.name)
        own = agent_id(home.trust_domain, enrolment.name)
        check_request(own, requested_identity(question.request)[0], frozenset({own}))
        chain = await ask_signer(home.signer, question.request)
        new = enrolment.name not in home.themselves.known
        home.themselves.put(enrolment)
        await home.store.flush()
        enrolled_total.labels(enrolment.role).inc()
        log.info("enrolled", extra={"node": enrolment.name, "pod": found.pod, "source": source, "new": new})
        return Answer(enrolment.name, chain, home.anchor(), enrolment.attests)


class Forgetting:
    """Forgets who enrolled itself and is gone. `gone` is called with its name."""

    def __init__(self, home: Home, cluster: ClusterApi, agents: Agents, gone: Callable[[str], None]) -> None:
        self._home, self._cluster, self._agents, self._gone = home, cluster, agents, gone
        self._absence = Absence()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.once()
            except IsthmusError as error:
                log.warning("nobody is forgotten", extra={"code": error.code, "reason": error.text})

    async def once(self) -> None:
        """One look. Unavailable when the store fails."""
        themselves = self._home.themselves
        nodes = self._cluster.nodes if isinstance(self._cluster, TokenReviewer) else None
        connected = frozenset(name for name, state in self._agents.states().items() if state.connected)
        now = self._home.clock.monotonic()
        for name in self._absence.over(themselves.known, nodes, connected, now):
            role = themselves.known[name].role
            themselves.drop(name)
            await self._home.store.flush()
            self._gone(name)
            forgotten_total.labels(role).inc()
            log.info("forgotten", extra={"node": name, "role": role})
