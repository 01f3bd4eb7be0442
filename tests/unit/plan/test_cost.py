"""A cost follows the round trip without following its noise."""

import pytest

from federation.plan.cost import settled_cost


@pytest.mark.parametrize(
    ("held", "rtt_us", "cost"),
    [
        (None, 90_400, 90),
        (90, 95_000, 90),
        (90, 108_400, 90),
        (90, 108_600, 109),
        (90, 71_000, 71),
        (2, 7_400, 2),
        (2, 7_600, 8),
        (8, 2_600, 8),
        (8, 2_400, 2),
    ],
)
def test_only_a_notable_move_moves_it(held: int | None, rtt_us: int, cost: int) -> None:
    assert settled_cost(held, rtt_us) == cost
