"""What a server holds of its names is nothing that Python's garbage collector walks over: it would stop for that long."""

import gc

from gslb.bounds import Bounds
from gslb.checks import Reach
from gslb.compiler import Compiler
from gslb.probed import Probed
from gslb.stock import Stock

from federation.health.verdict import Verdict
from federation.session.tree import tree_of
from federation.wire.handout import HANDOUT
from federation.wire.keyed import encode
from federation.wire.shared import Shared
from tests.worlds.public_names import ZONE, handout, steered, target

NAMES = 400
LOOSE = NAMES // 10
"""What else comes and goes in an interpreter."""


def test_a_hundred_times_the_names_are_no_more_objects_for_the_collector() -> None:
    held = [_held(number) for number in (4, 4, NAMES)]
    counts = [count for _, count in held]
    assert counts[2] - counts[1] < LOOSE, counts


def _held(names: int) -> tuple[object, int]:
    """All that a server holds of so many names of which a member is down; and how many more objects the collector has
    then.
    """
    before = _tracked()
    members = [target(one) for one in ("us-east", "us-west", "eu-central")]
    said = handout("us-east", *(steered(f"n{number}.{ZONE}", *members) for number in range(names)))
    tree, shared = tree_of({key: encode(value) for key, value in said.items()}), Shared()
    values = {key: shared.of(value) for key, value in HANDOUT.known(tree.items())}
    table, probed, stock = Compiler().compile(values, 1), Probed(Bounds()), Stock()
    probed.turn(table, ())
    verdicts = {one: Verdict(up=one.member != "us-west", since=1) for checks in probed.names.values() for one in checks}
    stock.take(table, probed.names, verdicts, table.steered, Reach(), 100_000)
    assert (len(stock.reports), len(stock.evidence)) == (names, 2 * names)
    del said, members, shared
    return (tree, values, table, probed, stock, verdicts), _tracked() - before


def _tracked() -> int:
    gc.collect()
    return len(gc.get_objects())
