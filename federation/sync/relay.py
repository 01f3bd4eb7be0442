"""Records by way of a third member (design section 5): two that cannot reach each other are given each other's signed
bytes by a common peer, which reads nothing into them.

Each end of a session offers the topic `wants`: the members whose records it would have of the other end, each with the
root of what it holds. Pure.
"""

from collections.abc import Collection, Iterable, Sequence

from federation.model.errors import Refused
from federation.model.names import MemberName
from federation.session.tree import Tree, tree_of

TOPIC = "wants"
AWAY = 5.0
"""Seconds without a session with a member before its record is asked of others."""
CARRIERS = 2
TURN = 30.0
"""Seconds after which others are asked: one that withholds what it has only delays."""
WANTS_MAX = 48
"""Records that one member may want of us at once."""


def assign(
    wanted: Collection[MemberName], carriers: Sequence[MemberName], now: float
) -> dict[MemberName, list[MemberName]]:
    """Whose records to ask of each carrier at this moment (seconds)."""
    turn = int(now / TURN)
    asked: dict[MemberName, list[MemberName]] = {carrier: [] for carrier in carriers}
    for place, name in enumerate(sorted(wanted)):
        for step in range(min(CARRIERS, len(carriers))):
            asked[carriers[(turn + place + step) % len(carriers)]].append(name)
    return {carrier: _some(names, turn) for carrier, names in asked.items()}


def _some(names: list[MemberName], turn: int) -> list[MemberName]:
    """At most WANTS_MAX of these, others in the next turn."""
    if len(names) <= WANTS_MAX:
        return names
    start = turn * WANTS_MAX % len(names)
    return (names + names)[start : start + WANTS_MAX]


def check_wants(tree: Tree, member: str) -> None:
    """Refused (E118) when this member wants more records than one may."""
    if len(tree) > WANTS_MAX:
        raise Refused(f'member "{member}" wants {len(tree)} records of others > {WANTS_MAX}', "E118")


def owner_of(topic: str) -> str:
    """The member whose record this topic is; "" when it is none's."""
    kind, _, name = topic.partition("/")
    return name if kind == "record" else ""


def wants_tree(wants: dict[MemberName, bytes]) -> Tree:
    """The `wants` topic: what we hold of each record that we want (nothing: b"")."""
    return tree_of({str(name): root for name, root in wants.items()})


def wants_in(tree: Tree, known: Iterable[MemberName]) -> dict[MemberName, bytes]:
    """Whose records the other end wants, of those that we know."""
    found = ((name, tree.get(name)) for name in sorted(known))
    return dict([(name, root) for name, root in found if root is not None][:WANTS_MAX])
