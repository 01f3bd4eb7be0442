"""One member's clients and what steers them: evidence of the ways, demand, others' records, the law. Pure."""

from collections import deque
from collections.abc import Mapping

from msgspec import Struct

from federation.health.verdict import Limits, Verdict, observe
from federation.law.average import averaged
from federation.law.case import Case
from federation.law.eligible import eligible
from federation.law.recovery import follow
from federation.law.room import LOSS_COUNTS_FROM, room_now
from federation.law.shares import Ruling, rule
from federation.law.surge import NONE, Counted, believed
from federation.law.terms import rank
from federation.model.handout import Candidate
from federation.model.moves import Leaving
from federation.model.names import MemberName
from federation.model.standing import Standing
from federation.plan.grants import settled
from federation.simulation.world import Member, World

SYNC_MS = 100
"""From a change in one member until another's agents have it, beside half a round trip."""

WAY = Limits(fall=4, rise=3)
WAY_MS = 200
WAY_WINDOW = 30
"""How node agents probe the ways to other members: verdict, interval, and over how many probes loss is counted."""


class Said(Struct, frozen=True):
    """What a member's record says of the service at one moment."""

    ready: int
    leaving: Leaving | None
    wants: Mapping[MemberName, int]
    grants: Mapping[MemberName, int]


class Way(Struct):
    """The way to one member as its probes say."""

    verdict: Verdict = Verdict(up=True)
    lost: tuple[bool, ...] = ()

    def probed(self, good: bool, wall: int) -> None:
        """One more probe."""
        verdict = observe(self.verdict, good, wall, WAY)
        self.lost = () if verdict.up != self.verdict.up else (*self.lost, not good)[-WAY_WINDOW:]
        self.verdict = verdict

    @property
    def standing(self) -> Standing:
        """As the law reads it; loss in steps of ten per cent once there are enough probes."""
        loss = 100 * sum(self.lost) // WAY_WINDOW if len(self.lost) == WAY_WINDOW else 0
        return Standing(self.verdict.up is not False, self.verdict.since, loss // LOSS_COUNTS_FROM * LOSS_COUNTS_FROM)


class Importer:
    """What one member knows and decides. `heard` is the last of each other's record that arrived, `spare` the
    room (ppm) that each member gives and that is not used.
    """

    def __init__(self, world: World, member: Member) -> None:
        self.world = world
        self.member = member
        self.ways = {one.name: Way() for one in world.members if one.name != member.name}
        self.heard: dict[str, Said] = {}
        self.candidates: dict[str, Candidate] = {}
        self.average = member.demand * 1_000
        self.surge = NONE
        self.demand = member.demand
        self.ruling = Ruling((), ())
        self.spare: dict[str, int] = {}
        self._known: tuple[object, ...] = ()
        self._coming: deque[tuple[int, str, Said]] = deque()

    def tell(self, name: str, said: Said, now: int) -> None:
        """A member's record is on its way to us since this millisecond."""
        delay = 0 if name == self.member.name else SYNC_MS + self.world.distance(name, self.member.name) // 2
        self._coming.append((now + delay, name, said))

    def hear(self, now: int, cut: frozenset[str]) -> None:
        """Take what has arrived; what was under way when somebody was cut off is lost."""
        waiting = list(self._coming)
        self._coming.clear()
        for due, name, said in waiting:
            severed = name != self.member.name and (name in cut or self.member.name in cut)
            if due > now and not severed:
                self._coming.append((due, name, said))
            elif not severed:
                self.heard[name] = said

    def measure(self, asked: float, ms: int, now: int) -> None:
        """The clients asked for so much over these milliseconds up to now: an agent's report."""
        fast = round(asked * 1_000)
        self.average = averaged(self.average, fast, ms) if self.world.smooth else fast
        self.surge = believed(self.surge, Counted(self.average, fast, ms), now)

    def say_demand(self) -> None:
        """The measured demand becomes the one that is used, if it is far enough from it."""
        fresh = -(-max(self.average, self.surge.level) // 1_000)
        self.demand = settled(fresh, self.demand) if self.world.smooth else fresh

    def case(self, wall: int) -> Case:
        """What the law is asked now."""
        ways = {name: way.standing for name, way in self.ways.items()}
        name = self.member.name
        return Case(name, self.world.policy, ways, wall, self.demand if self._measured() else 0, region=name)

    def decide(self, wall: int) -> None:
        """The law over what is known now, when that changed or age alone can change what follows."""
        case = self.case(wall)
        known = (dict(self.heard), case.paths, case.demand)
        if known == self._known and not 0 < self.ruling.until <= wall:
            return
        self._known = known
        for one in self.world.members:
            said = self.heard.get(one.name)
            if said is not None:
                fresh, own = self._candidate(one, said), one.name == self.member.name
                before = self.candidates.get(one.name)
                self.candidates[one.name] = follow(before, fresh, case.policy, wall, demand=case.demand, own=own)
        self.ruling = rule(tuple(self.candidates.values()), case)
        order = sorted(self.candidates.values(), key=lambda c: rank(c, case))
        chosen = eligible(order, case).candidates
        self.spare = {c.member: room_now(c, case) - self.ruling.of(c.member) for c in chosen}

    def _candidate(self, one: Member, said: Said) -> Candidate:
        return Candidate(
            member=MemberName(one.name),
            region=one.name,
            cost=self.world.distance(one.name, self.member.name),
            ready=said.ready,
            total=one.endpoints,
            leaving=said.leaving,
            capacity=one.capacity if self.world.told else 0,
            grant=said.grants.get(MemberName(self.member.name), -1),
        )

    def _measured(self) -> bool:
        return self.world.told or self.world.policy.capacity > 0
