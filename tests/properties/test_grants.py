"""Grants: never more than there is, max-min fair, nothing wasted, and still against noise."""

import random

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy
from federation.plan.grants import Importing, evenly, fair, grants, room, settled, steady, wants

NAMES = st.sampled_from([MemberName(f"m{number}") for number in range(12)])
RATES = st.dictionaries(NAMES, st.integers(0, 10**9), max_size=12)


@given(st.integers(0, 10**9), RATES)
def test_max_min(left: int, asked: dict[MemberName, int]) -> None:
    given_out = fair(left, asked)
    assert given_out.keys() == asked.keys()
    assert all(0 <= given_out[name] <= wanted for name, wanted in asked.items())
    assert sum(given_out.values()) == min(left, sum(asked.values()))
    short = [given_out[name] for name, wanted in asked.items() if given_out[name] < wanted]
    if short:
        assert max(given_out.values()) - min(short) <= 1, "nobody has more than one who wants more"


@given(st.integers(0, 10**9), st.integers(0, 10**9), RATES, st.sets(NAMES))
def test_the_sum_is_what_own_clients_leave(
    whole: int, own: int, asked: dict[MemberName, int], importers: set[MemberName]
) -> None:
    found = grants(whole, own, asked, importers)
    assert found.keys() == importers
    assert sum(found.values()) == (max(0, whole - own) if importers else 0)


@given(st.integers(0, 10**6), RATES, NAMES)
def test_who_wants_everything_gets_its_fair_part(left: int, asked: dict[MemberName, int], liar: MemberName) -> None:
    """Its lie costs nobody who wants no more than an even part anything, and it gets no more than whoever is short."""
    asked[liar] = 10**12
    found = fair(left, asked)
    part = left // len(asked)
    assert all(found[name] == wanted for name, wanted in asked.items() if wanted <= part)
    assert all(found[name] == wanted or found[liar] - found[name] <= 1 for name, wanted in asked.items())


@given(st.integers(0, 10**6), st.sets(NAMES, min_size=1))
def test_even_parts(left: int, names: set[MemberName]) -> None:
    found = evenly(left, sorted(names))
    assert sum(found.values()) == left and max(found.values()) - min(found.values()) <= 1


@given(RATES, RATES, st.integers(0, 10**10))
def test_what_stands_never_breaks_the_bound(
    fresh: dict[MemberName, int], held: dict[MemberName, int], most: int
) -> None:
    if sum(fresh.values()) <= most:
        assert sum(steady(fresh, held, most).values()) <= most


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_settled_is_near_the_truth(fresh: int, held: int) -> None:
    found = settled(fresh, held)
    assert found in (fresh, held)
    assert abs(found - fresh) <= max(2, held // 10)
    assert bool(found) == bool(fresh)


def candidate(member: str, capacity: int, ready: int, grant: int = -1) -> Candidate:
    return Candidate(
        member=MemberName(member), region=member, cost=0, ready=ready, total=ready, capacity=capacity, grant=grant
    )


CANDIDATES = st.lists(
    st.builds(
        candidate,
        member=NAMES,
        capacity=st.sampled_from([0, 1, 50, 10_000]),
        ready=st.integers(0, 20),
        grant=st.integers(-1, 500),
    ),
    unique_by=lambda c: c.member,
    max_size=8,
)


@given(CANDIDATES, st.integers(0, 10**6))
def test_nobody_is_asked_for_more_than_it_has_or_than_is_needed(order: list[Candidate], demand: int) -> None:
    own = MemberName("m0")
    found = wants(Importing(own, demand, Policy(), order))
    by_name = {one.member: one for one in order}
    assert own not in found
    for name, wanted in found.items():
        assert 0 < wanted <= room(by_name[name].capacity, by_name[name].ready)
        assert wanted <= -(-demand * 120 // 100)


def test_a_closed_loop_of_members_settles_and_never_overfills() -> None:
    """Five members export and import one service, each second by what the others said in the second before; noise of
    3 % on demand. After the start nothing moves for long stretches, and what all are granted is within the room.
    """
    noise = random.Random(6)
    names = [MemberName(f"m{number}") for number in range(5)]
    base = {name: 100 * (number + 1) for number, name in enumerate(names)}
    said_wants: dict[MemberName, dict[MemberName, int]] = {name: {} for name in names}
    said_grants: dict[MemberName, dict[MemberName, int]] = {name: {} for name in names}
    demand = dict(base)
    changes = 0
    for second in range(300):
        for name in names:
            demand[name] = settled(round(base[name] * noise.uniform(0.97, 1.03)), demand[name])
        next_wants, next_grants = {}, {}
        for place, name in enumerate(names):
            around = names[place:] + names[:place]
            order = [
                structs.replace(candidate(other, 100, 4), grant=said_grants[other].get(name, -1)) for other in around
            ]
            next_wants[name] = steady(wants(Importing(name, demand[name], Policy(), order)), said_wants[name])
            asked = {other: said_wants[other].get(name, 0) for other in names if other != name}
            whole = room(100, 4)
            fresh = grants(whole, demand[name], asked, asked.keys())
            left = max(0, whole - demand[name])
            next_grants[name] = steady(fresh, said_grants[name], left)
            assert sum(next_grants[name].values()) <= left
        if second >= 30:
            changes += sum(next_wants[n] != said_wants[n] for n in names)
            changes += sum(next_grants[n] != said_grants[n] for n in names)
        said_wants, said_grants = next_wants, next_grants
    assert changes <= 27, "of 2,700 chances"
    for name in names:
        mine = min(demand[name], room(100, 4))
        granted = mine + sum(said_grants[other].get(name, 0) for other in names if other != name)
        assert granted >= demand[name], f"{name} has room for its demand while the whole has"
