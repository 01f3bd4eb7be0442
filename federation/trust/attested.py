"""What the API server said of pods on our nodes, and how long an agent may take an identity because of it. No I/O."""

from __future__ import annotations

import jwt
from jwt.types import Options

from federation.model.handout import Workload
from federation.model.tokens import ServiceAccount

LASTS_MAX = 3_600
ACCOUNTS_MAX = 1_024
"""Accounts of one node at a time; beyond it the one that was attested first is forgotten."""

_UNVERIFIED: Options = {"verify_signature": False, "verify_exp": False, "verify_aud": False}


def seconds_left(token: str, now: float) -> int:
    """For how many seconds a token counts that the API server has just found good: to its `exp`, an hour at most; 0
    when it names no end.
    """
    try:
        end = jwt.decode(token, options=_UNVERIFIED).get("exp")
    except jwt.PyJWTError:
        return 0
    return max(0, min(LASTS_MAX, int(end - now))) if isinstance(end, int | float) else 0


class Attested:
    """By agent: the service accounts whose tokens were reviewed for it, and until when (seconds that never go back)."""

    def __init__(self) -> None:
        self._until: dict[str, dict[tuple[str, str], float]] = {}

    def note(self, agent: str, found: ServiceAccount, now: float) -> None:
        """This account's pod runs on this agent's node; it counts for `found.lasts` seconds."""
        held = self._until.setdefault(agent, {})
        who = (found.namespace, found.name)
        until = max(held.pop(who, 0.0), now + found.lasts)
        if len(held) >= ACCOUNTS_MAX:
            del held[next(iter(held))]
        held[who] = until

    def workloads(self, agent: str, now: float) -> tuple[Workload, ...]:
        """Those that count now."""
        held = {who: until for who, until in self._until.get(agent, {}).items() if until > now}
        if agent in self._until:
            self._until[agent] = held
        return tuple(Workload(*who, kubernetes=True) for who in held)

    def forget(self, agent: str) -> None:
        """This agent is enrolled no more."""
        self._until.pop(agent, None)
