"""What is held by name, and looked at only where something moved, is what looking at everything each time would hold."""

from dataclasses import dataclass, field
from random import Random

import pytest
from gslb.checks import Check, Reach, checks_of
from gslb.compiler import Compiler
from gslb.stock import UNHEARD, Stock
from gslb.table import Table
from msgspec import Struct, structs

from federation.health.verdict import Verdict
from federation.model.handout import Steered, Witness
from federation.model.names import MemberName
from federation.model.policy import Policy, Probe
from federation.model.record import Evidence
from tests.worlds.public_names import NUMBERS, ZONE, handout, steered, target

STEPS = 400
MEMBERS = tuple(NUMBERS)
HOSTS = tuple(f"{name}.{ZONE}" for name in "abcd")
ANCHOR = ("192.0.2.99", 53)


@dataclass
class Walk:
    """A world that moves at random."""

    chance: Random
    now: int = 1_700_000_000_000
    words: bool = True
    outside: bool = True
    values: dict[str, Struct] = field(default_factory=dict)
    verdicts: dict[Check, Verdict] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    compiler: Compiler = field(default_factory=Compiler)

    def __post_init__(self) -> None:
        self.values = dict(handout("us-east", *(self._name(host) for host in HOSTS)))

    def table(self) -> Table:
        """The handout's."""
        return self.compiler.compile(self.values, 1)

    def step(self) -> None:
        """One thing is another, and time goes on."""
        moves = (self._verdict, self._verdict, self._verdict, self._witness, self._ready, self._reach, self._everyone)
        self.chance.choice(moves)()
        self.now += self.chance.choice((0, 1, 500, 3_000, 9_999, 10_000, 70_000))

    def _name(self, host: str) -> Steered:
        ready = {member: self.chance.randrange(5) for member in MEMBERS}
        return steered(
            host, *(target(m, ready=n) for m, n in ready.items() if n), policy=Policy(probe=Probe(path="/health"))
        )

    def _verdict(self) -> None:
        check = Check(self.chance.choice(HOSTS), self.chance.choice((1, 28)), self.chance.choice(MEMBERS))
        self._hear(check, self.chance.random() < 0.5)

    def _everyone(self) -> None:
        up = self.chance.random() < 0.5
        for host in HOSTS:
            for member in MEMBERS[1:]:
                self._hear(Check(host, 1, member), up)

    def _hear(self, check: Check, up: bool) -> None:
        if self.verdicts.get(check, UNHEARD).up is not up:
            self.verdicts[check] = Verdict(up=up, since=self.now)
            self.heard.add(check.host)

    def _witness(self) -> None:
        host, about = self.chance.choice(HOSTS), self.chance.choice(MEMBERS)
        observer = MemberName(self.chance.choice(MEMBERS))
        key = f"witness/{observer}/target/{about}/{host}"
        if self.values.pop(key, None) is None:
            word = Evidence(kind="target", about=MemberName(about), host=host, since=self.now // 1_000)
            self.values[key] = Witness(observer, word)

    def _ready(self) -> None:
        host = self.chance.choice(HOSTS)
        key = f"steered/{host}/shop/web"
        gone = self.values.pop(key, None)
        if gone is None or self.chance.random() < 0.8:
            self.values[key] = self._name(host)

    def _reach(self) -> None:
        if self.chance.random() < 0.5:
            self.words = not self.words
        else:
            self.outside = not self.outside


def taken(walk: Walk, stock: Stock, table: Table, heard: set[str]) -> bool:
    checks = {host: checks_of(item) for host, item in table.steered.items()}
    return stock.take(table, checks, walk.verdicts, heard, Reach({ANCHOR: walk.outside}, {}, walk.words), walk.now)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_looked_at_by_name_is_what_looking_at_all_gives(seed: int) -> None:
    walk, one, every = Walk(Random(seed)), Stock(), Stock()
    told, gone = 0, 0
    for step in range(STEPS):
        walk.step()
        table = walk.table()
        heard, walk.heard = walk.heard, set()
        news = taken(walk, one, table, heard)
        assert news == taken(walk, every, table, {*HOSTS}), step
        assert (one.findings, one.evidence, one.cut) == (every.findings, every.evidence, every.cut), step
        assert (one.reports, one.due) == (every.reports, every.due), step
        told, gone = told + news, gone + sum(not way.up for ways in one.evidence.values() for way in ways.values())
    assert told > STEPS / 10 and gone > STEPS / 10


def test_what_did_not_move_is_not_looked_at_and_stays_the_same_object() -> None:
    walk, stock = Walk(Random(1)), Stock()
    walk.values = dict(handout("us-east", *(steered(host, *map(target, MEMBERS)) for host in HOSTS)))
    table = walk.table()
    assert not taken(walk, stock, table, set())
    before, evidence = dict(stock.findings), stock.evidence
    walk.verdicts[Check(HOSTS[0], 1, "us-west")] = Verdict(up=False, since=walk.now - 20_000)
    assert taken(walk, stock, table, {HOSTS[0]})
    assert evidence == {} and list(stock.evidence) == [(HOSTS[0], 1)]
    assert [host for host in HOSTS if stock.findings[host] is before[host]] == [*HOSTS[1:]]
    again = stock.findings, stock.evidence, stock.reports
    assert stock.reports == {}, "the other family reaches it"
    assert not taken(walk, stock, table, set())
    assert all(one is was for one, was in zip((stock.findings, stock.evidence, stock.reports), again, strict=True))


def test_a_name_that_is_gone_leaves_nothing() -> None:
    walk, stock = Walk(Random(2)), Stock()
    for _ in range(50):
        walk.step()
        taken(walk, stock, walk.table(), {*HOSTS})
    walk.values = {key: value for key, value in walk.values.items() if not isinstance(value, Steered)}
    taken(walk, stock, walk.table(), set())
    assert (stock.findings, stock.evidence, stock.reports, stock.due) == ({}, {}, {}, 0)
    assert not any(stock._asked.values()) and not any(stock._reached.values())
    assert structs.asdict(walk.table())["steered"] == {}
