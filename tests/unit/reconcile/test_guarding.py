"""Withdrawals over time, as the guard sees them."""

from federation.model.names import ServiceKey
from federation.plan.guard import CONFIRMED_AFTER, LIMIT_PERCENT
from federation.reconcile.guarding import Guarding

MANY = [ServiceKey("shop", f"s{number:04}") for number in range(2_000)]


def standing() -> Guarding:
    """At second 100 all of MANY are offered for long."""
    guard = Guarding()
    guard.obeyed(MANY, (), 0.0)
    guard.obeyed((), (), 100.0)
    return guard


def delete(guard: Guarding, each: float) -> dict[ServiceKey, float]:
    """One of MANY after another, `each` seconds apart, and passes until none is held; when each was obeyed."""
    obeyed: dict[ServiceKey, float] = {}
    now, wanted = 100.0, set[ServiceKey]()
    for number in range(round(2_000 + 2 * CONFIRMED_AFTER / each)):
        now = 100.0 + number * each
        wanted |= {*MANY[number : number + 1]}
        held = guard.hold(2_000 - len(obeyed), wanted, now)
        left = wanted.difference(held)
        guard.obeyed((), left, now)
        obeyed |= dict.fromkeys(left, now)
        wanted -= left
    assert not wanted
    return obeyed


def test_two_thousand_that_are_deleted_one_after_another_are_held() -> None:
    each = 0.01
    obeyed = delete(standing(), each)
    waited = [obeyed[key] - (100.0 + number * each) for number, key in enumerate(MANY)]
    free = 2_000 * LIMIT_PERCENT // 100
    assert max(waited[:free]) == 0.0
    assert round(min(waited[free : free + 800])) == CONFIRMED_AFTER
    assert max(waited) < CONFIRMED_AFTER + 2 * each


def test_a_rolling_deletion_over_minutes_is_not_held() -> None:
    obeyed = delete(standing(), 0.1)
    assert all(obeyed[key] == 100.0 + number * 0.1 for number, key in enumerate(MANY[:1_000]))


def test_what_was_confirmed_does_not_hold_the_next() -> None:
    guard = standing()
    gone, few = MANY[:1_900], MANY[1_900:1_903]
    assert guard.hold(2_000, gone, 100.0) == tuple(gone)
    assert guard.hold(2_000, gone, 100.0 + CONFIRMED_AFTER) == ()
    guard.obeyed((), gone, 100.0 + CONFIRMED_AFTER)
    assert guard.hold(100, few, 101.0 + CONFIRMED_AFTER) == ()
