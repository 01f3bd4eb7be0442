"""Cases for the law with every one of its inputs, drawn from a source of chance (hypothesis' or a seeded one)."""

from random import Random

from federation.law.case import Case
from federation.model.handout import Candidate
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Panic, Policy, Portion, Price, Ramp
from federation.model.standing import Standing

T = 1_700_000_000_000
NAMES = "abcdef"
REGIONS = ("r0", "r1", "r2", "r3")
WEB = ServiceKey("shop", "web")
SINCE = (0, T - 60_000, T - 5_000, T, T + 5_000)
PPMS = (1_000, 50_000, 300_000, 700_000, 1_000_000)
TERMS = (*REGIONS, "@region", "@az", "member/b", "member/d", "label/tier=gold")


def question(chance: Random) -> tuple[list[Candidate], Case]:
    """Candidates and a case; about half of the inputs of the policy are at rest in each."""
    found = [candidate(chance, name) for name in chance.sample(NAMES, chance.randint(1, len(NAMES)))]
    paths = {
        name: Standing(chance.random() < 0.8, chance.choice(SINCE), chance.choice((0, 0, 30, 100)))
        for name in chance.sample(NAMES, chance.randint(0, 4))
    }
    return found, Case(
        chance.choice(NAMES),
        policy(chance),
        paths,
        T,
        demand=chance.choice((0, 1, 7, 100, 997, 10_000)),
        shifts=tuple(shift(chance) for _ in range(chance.choice((0, 0, 1, 2)))),
        region=chance.choice(("", *REGIONS)),
    )


def candidate(chance: Random, name: str) -> Candidate:
    total = chance.randint(0, 20)
    return Candidate(
        member=MemberName(name),
        region=chance.choice(REGIONS),
        cost=chance.randint(0, 300),
        ready=chance.randint(0, total),
        total=total,
        floor=chance.randint(0, 1_000_000),
        since=chance.choice(SINCE),
        leaving=Leaving(T - chance.randint(0, 30_000), chance.choice((0, 10, 60))) if chance.random() < 0.2 else None,
        capacity=chance.choice((0, 0, 3, 50)),
        grant=chance.choice((-1, -1, 0, 20, 500)),
        labels={"tier": "gold"} if chance.random() < 0.3 else {},
    )


def policy(chance: Random) -> Policy:
    def some(of: tuple[str, ...], most: int) -> tuple[str, ...]:
        return tuple(chance.sample(of, chance.randint(0, most)))

    def asked() -> bool:
        return chance.random() < 0.25

    return Policy(
        order=some(TERMS, 3),
        threshold=chance.choice((0, 0, 50, 100)),
        capacity=chance.choice((0, 0, 40)),
        weights={region: chance.randint(0, 100) for region in some(REGIONS, 4)} if asked() else {},
        drain=some(REGIONS, 1),
        prices=(Price("r0", "*", 20_000), Price("*", "r1", 90_000), Price("*", "*", 10_000)) if asked() else (),
        price_ms=chance.choice((0, 1_000)),
        residency=some(REGIONS, 3) if asked() else (),
        least={region: chance.choice(PPMS) for region in some(REGIONS, 2)} if asked() else {},
        most={region: chance.choice((0, *PPMS)) for region in some(REGIONS, 2)} if asked() else {},
        canary=Portion(chance.choice(TERMS), chance.choice(PPMS)) if asked() else None,
        panic=Panic(chance.choice(("open", "closed", "fallback")), chance.choice((0, 30, 90)), "spare")
        if asked()
        else Panic(),
        ramp=Ramp(chance.randint(1, 100), chance.randint(1, 60)),
    )


def shift(chance: Random) -> Shift:
    source, to = (MemberName(name) for name in chance.sample(NAMES, 2))
    since, seconds = T - chance.randint(0, 30_000), chance.choice((0, 20))
    return Shift(service=WEB, source=source, to=to, ppm=chance.choice(PPMS), since=since, seconds=seconds)
