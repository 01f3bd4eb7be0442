"""Properties of the law under evidence, policies and returns, for every input."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from federation.law.recovery import follow
from federation.law.room import PPM
from federation.law.shares import Case, rule
from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy, Ramp
from federation.model.standing import Standing

T = 1_700_000_000_000
NAMES = "abcdef"


@st.composite
def candidate(draw: st.DrawFn, name: str) -> Candidate:
    total = draw(st.integers(0, 50))
    return Candidate(
        member=MemberName(name),
        region=name,
        cost=draw(st.integers(0, 300)),
        ready=draw(st.integers(0, total)),
        total=total,
        floor=draw(st.integers(0, PPM)),
        since=draw(st.sampled_from([0, T - 60_000, T - 5_000, T, T + 5_000])),
    )


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[Candidate], Case]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=6))
    found = [draw(candidate(name)) for name in names]
    some = st.lists(st.sampled_from(NAMES), unique=True, max_size=3).map(tuple)
    policy = Policy(
        order=draw(some),
        threshold=draw(st.integers(0, 100)),
        weights=draw(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100), max_size=4)),
        drain=draw(some),
        ramp=Ramp(draw(st.integers(1, 100)), draw(st.integers(1, 60))),
    )
    standing = st.builds(Standing, st.booleans(), st.sampled_from([0, T - 30_000, T]), st.integers(0, 100))
    paths = draw(st.dictionaries(st.sampled_from(NAMES), standing, max_size=6))
    return found, Case(draw(st.sampled_from(NAMES)), policy, paths, T)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(questions())
def test_shares_sum_to_one_while_anyone_is_ready(asked: tuple[list[Candidate], Case]) -> None:
    found, case = asked
    ruling = rule(found, case)
    assert sum(share.ppm for share in ruling.shares) == (PPM if any(c.ready for c in found) else 0)
    assert all(share.ppm > 0 for share in ruling.shares)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(questions())
def test_nothing_goes_to_the_drained_or_dead_while_another_lives(asked: tuple[list[Candidate], Case]) -> None:
    found, case = asked
    ruling = rule(found, case)
    lives = [c for c in found if c.ready and c.region not in case.policy.drain and case.path(c.member).up]
    if not lives:
        return
    names = {c.member for c in lives}
    assert {share.member for share in ruling.shares} <= names
    assert {share.member for share in ruling.shares} | set(ruling.standby) == names


@settings(derandomize=True, deadline=None, max_examples=400)
@given(questions(), st.randoms(use_true_random=False))
def test_neither_order_of_candidates_nor_of_evidence_matters(
    asked: tuple[list[Candidate], Case], chance: object
) -> None:
    found, case = asked
    shuffled, paths = list(found), list(case.paths.items())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    chance.shuffle(paths)  # type: ignore[attr-defined]
    assert rule(shuffled, structs.replace(case, paths=dict(paths))) == rule(found, case)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(questions())
def test_one_more_ready_endpoint_never_lowers_the_share_of_its_member(asked: tuple[list[Candidate], Case]) -> None:
    found, case = asked
    first = found[0]
    if first.ready == first.total:
        return
    case = structs.replace(case, local=first.member)
    better = structs.replace(first, ready=first.ready + 1)
    assert rule([better, *found[1:]], case).of(first.member) >= rule(found, case).of(first.member)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(questions())
def test_until_the_moment_that_a_ruling_names_nothing_changes(asked: tuple[list[Candidate], Case]) -> None:
    found, case = asked
    now = rule(found, case)
    if not now.until:
        later = structs.replace(case, now=T + 10_000_000)
        assert rule(found, later).shares == now.shares
        return
    assert now.until > T
    just_before = structs.replace(case, now=now.until - 1)
    assert rule(found, just_before).shares == now.shares


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(st.integers(0, 8), min_size=2, max_size=30), st.integers(1, 50), st.integers(1, 5), st.integers(200, 3_000)
)
def test_a_return_is_never_faster_than_the_ramp_and_leaving_is_immediate(
    readiness: list[int], percent: int, seconds: int, pause: int
) -> None:
    """Whatever the series of readiness: the local share never exceeds its room, and climbs by at most one step of the
    ramp per interval (and the one that is under way)."""
    policy = Policy(ramp=Ramp(percent, seconds))
    other = Candidate(member=MemberName("b"), region="b", cost=60, ready=8, total=8)
    local: Candidate | None = None
    share, now = None, T
    for ready in readiness:
        fresh = Candidate(member=MemberName("a"), region="a", cost=0, ready=ready, total=8)
        local = follow(local, fresh, policy, now)
        for moment in range(now, now + pause, 50):
            new = rule([local, other], Case("a", policy, now=moment)).of("a")
            assert new <= min(PPM, ready * 14 * (PPM // 10) // 8)
            if share is not None and new > share:
                assert new - share <= percent * (PPM // 100) + 10
            share = new
        now += pause
