"""What the guard must remember between two passes: since when a withdrawal is seen, and what was let go just now."""

from collections.abc import Collection, Iterable

from prometheus_client import Gauge

from federation.model.names import ServiceKey
from federation.plan.guard import CONFIRMED_AFTER, WINDOW, Held, judge

held_gauge = Gauge("isthmus_guard_held", "Services whose withdrawal the guard holds")


class Guarding:
    """The guard over time; `now` is in monotonic seconds. A service that was offered for less than the window comes and
    goes: among what is gone it does not count.
    """

    def __init__(self) -> None:
        self.held: Held | None = None
        self._seen: dict[ServiceKey, float] = {}
        self._gone: dict[ServiceKey, float] = {}
        self._new: dict[ServiceKey, float] = {}

    def hold(self, offered: int, withdrawn: Collection[ServiceKey], now: float) -> tuple[ServiceKey, ...]:
        """Which of these withdrawals from so many offered services must wait."""
        self._seen = {key: self._seen.get(key, now) for key in withdrawn}
        self._gone = _recent(self._gone, now)
        self.held = judge(offered, {key: now - since for key, since in self._seen.items()}, len(self._gone))
        held = self.held.services if self.held else ()
        held_gauge.set(len(held))
        return held

    def obeyed(self, came: Iterable[ServiceKey], left: Iterable[ServiceKey], now: float) -> None:
        """Our record offers these from now on, and those no more."""
        for key in came:
            self._new[key] = now
            self._gone.pop(key, None)
        self._new = _recent(self._new, now)
        for key in left:
            confirmed = now - self._seen.get(key, now) >= CONFIRMED_AFTER
            if self._new.pop(key, None) is None and not confirmed:
                self._gone[key] = now


def _recent(times: dict[ServiceKey, float], now: float) -> dict[ServiceKey, float]:
    return {key: at for key, at in times.items() if now - at < WINDOW}
