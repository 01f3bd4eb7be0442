"""Properties of the law that hold for every input."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from federation.law.room import PPM
from federation.law.shares import Case, rule
from federation.law.words import percent
from federation.model.handout import Candidate
from federation.model.names import MemberName

HERE = Case("a")


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    names = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1, max_size=8))
    found = []
    for name in names:
        total = draw(st.integers(0, 1000))
        ready = draw(st.integers(0, total))
        cost = draw(st.integers(0, 300))
        found.append(Candidate(member=MemberName(name), region=name, cost=cost, ready=ready, total=total))
    return found


@settings(derandomize=True, deadline=None)
@given(candidates())
def test_shares_sum_to_one_unless_nobody_is_ready(found: list[Candidate]) -> None:
    total = sum(share.ppm for share in rule(found, HERE).shares)
    assert total == (PPM if any(c.ready for c in found) else 0)


@settings(derandomize=True, deadline=None)
@given(candidates())
def test_a_member_with_nobody_ready_gets_nothing(found: list[Candidate]) -> None:
    ruling = rule(found, HERE)
    assert all(ruling.of(c.member) == 0 for c in found if c.ready == 0)


@settings(derandomize=True, deadline=None)
@given(candidates(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(found: list[Candidate], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rule(shuffled, HERE) == rule(found, HERE)


@settings(derandomize=True, deadline=None)
@given(candidates())
def test_one_more_ready_endpoint_never_lowers_the_local_share(found: list[Candidate]) -> None:
    local = found[0]
    if local.ready == local.total:
        return
    better = structs.replace(local, ready=local.ready + 1)
    before = rule(found, Case(local.member)).of(local.member)
    assert rule([better, *found[1:]], Case(local.member)).of(local.member) >= before


@settings(derandomize=True, deadline=None)
@given(candidates())
def test_a_farther_member_gets_something_only_when_the_nearer_is_full_or_all_are_scaled(
    found: list[Candidate],
) -> None:
    ruling = rule(found, HERE)
    room = {c.member: min(PPM, c.ready * 14 * (PPM // 10) // c.total) if c.total else 0 for c in found}
    if sum(room.values()) < PPM:
        return
    order = sorted(found, key=lambda c: (c.member != "a", c.cost, c.member))
    left = PPM
    for candidate in order:
        assert ruling.of(candidate.member) == min(left, room[candidate.member])
        left -= ruling.of(candidate.member)


def test_the_table_of_the_design() -> None:
    def shares(ready: int) -> list[str]:
        local = Candidate(member=MemberName("a"), region="a", cost=0, ready=ready, total=4)
        other = Candidate(member=MemberName("b"), region="b", cost=60, ready=4, total=4)
        return [percent(share.ppm) for share in rule([local, other], HERE).shares]

    assert [shares(n) for n in (4, 3, 2, 1, 0)] == [
        ["100 %"],
        ["100 %"],
        ["70 %", "30 %"],
        ["35 %", "65 %"],
        ["100 %"],
    ]
