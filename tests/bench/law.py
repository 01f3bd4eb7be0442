"""The law in Python: nanoseconds for one evaluation, with all of its inputs, for a few candidates and for many."""

import time

from msgspec import structs

from federation.law.shares import Case, rule
from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy, Price
from federation.model.standing import Standing
from tests.bench.row import Row, median_row

COUNTS = (3, 100)
NAMES = tuple(f"law-{count}-candidates" for count in COUNTS)
SAMPLES, EACH = 50, 20
T = 1_700_000_000_000


def measure(names: tuple[str, ...]) -> list[Row]:
    """Each count by itself."""
    return [one(name) for name in names]


def one(name: str) -> Row:
    """The median over samples of some evaluations each; readiness changes from one to the next."""
    count = int(name.split("-")[1])
    found, case = asked(count)
    variants = [[structs.replace(found[0], ready=ready), *found[1:]] for ready in range(1, EACH + 1)]
    samples = [sample(variants, case) for _ in range(SAMPLES)]
    note = f"{count} candidates with demand, capacity, grants, an order by label, prices and one on its way back; words included"
    return median_row(name, "ns", samples, SAMPLES, note)


def asked(count: int) -> tuple[list[Candidate], Case]:
    """More demand than the own member and half of the others can take, so that most of the law is walked."""
    found = [
        Candidate(
            member=MemberName(f"m{number}"),
            region=f"r{number % 20}",
            cost=number * 7 % 200,
            ready=20,
            total=20,
            capacity=100,
            grant=-1 if number == 0 else 200,
            floor=500_000 if number == 1 else 0,
            since=T - 15_000 if number == 1 else 0,
            labels={"tier": "gold" if number % 3 else "tin"},
        )
        for number in range(count)
    ]
    prices = (Price("r1", "r0", 20_000), Price("*", "*", 10_000))
    policy = Policy(order=("label/tier=gold", "@region"), prices=prices, price_ms=1_000)
    paths: dict[str, Standing] = {
        one.member: Standing(since=T - 60_000, loss=10 if number == 2 else 0) for number, one in enumerate(found)
    }
    return found, Case("m0", policy, paths, T, demand=1_600 + 100 * count, region="r0")


def sample(variants: list[list[Candidate]], case: Case) -> float:
    """Nanoseconds of processor time of one evaluation: others on the machine do not count."""
    begin = time.thread_time_ns()
    for found in variants:
        rule(found, case)
    return (time.thread_time_ns() - begin) / len(variants)
