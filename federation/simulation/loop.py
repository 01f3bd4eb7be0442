"""The loop: shares make load, load makes queues and failing probes, these and grants make shares. Pure."""

from collections.abc import Iterable, Sequence

from federation.model.moves import Leaving
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Probe
from federation.plan.rooms import Demanding, Rooms, rooms_of
from federation.simulation.chance import Chance
from federation.simulation.exporter import Exporter
from federation.simulation.importer import WAY_MS, Importer, Said
from federation.simulation.trace import Moment, Trace
from federation.simulation.world import Event, World

TICK_MS = 100
REPORT_MS = 1_000
"""How often an agent reports what its clients ask."""

EPOCH_MS = 1_700_000_000_000
"""Unix milliseconds at which every run begins."""

WARM_MS = 5_000
"""What passes before the first moment that is looked at: until then nobody has heard of anybody's grants."""

SERVICE = ServiceKey("simulated", "service")


class Simulation:
    """One world at one moment; `step` is the next tick."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.chance = Chance(world.seed)
        probe = world.policy.probe or Probe()
        self.exporters = {one.name: Exporter(one, probe, self.chance) for one in world.members}
        self.importers = {one.name: Importer(world, one) for one in world.members}
        self.rooms = {one.name: Rooms() for one in world.members}
        self.leaving: dict[str, Leaving | None] = {one.name: None for one in world.members}
        self.asking = {one.name: float(one.demand) for one in world.members}
        self.counted = dict.fromkeys(self.asking, 0.0)
        self.cut: frozenset[str] = frozenset()
        self.loss: dict[str, int] = {}
        self._told: dict[str, Said] = {}
        self.now = -WARM_MS

    @property
    def wall(self) -> int:
        """Unix milliseconds."""
        return EPOCH_MS + self.now

    def happen(self, event: Event) -> None:
        """Something happens to a member."""
        name, exporter = event.member, self.exporters[event.member]
        match event.what:
            case "endpoints":
                exporter.keep_alive(event.value)
            case "slow":
                exporter.slow_down(event.value)
            case "noise":
                exporter.noise = event.value
            case "demand":
                self.asking[name] = exporter.member.demand * event.value / 100
            case "loss":
                self.loss[name] = event.value
            case "cut" | "heal":
                self.cut = self.cut | {name} if event.what == "cut" else self.cut - {name}
            case "drain" | "undrain":
                self.leaving[name] = Leaving(self.wall, event.value) if event.what == "drain" else None

    def step(self) -> Moment:
        """One tick: records arrive, the law decides, load flows, probes look."""
        self._tell()
        for importer in self.importers.values():
            importer.hear(self.now, self.cut)
            importer.decide(self.wall)
        seconds = TICK_MS / 1_000
        asked = {name: rps * self.chance.around(self.world.load_noise) for name, rps in self.asking.items()}
        unreached = self._flow(asked, seconds)
        self._count(asked)
        self._look()
        moment = self._moment(asked, seconds, unreached)
        self.now += TICK_MS
        return moment

    def _count(self, asked: dict[str, float]) -> None:
        """Agents count and report once a second, each in its turn."""
        for number, (name, importer) in enumerate(self.importers.items()):
            self.counted[name] += asked[name] * TICK_MS / REPORT_MS
            if self.now % REPORT_MS == (REPORT_MS // 2 + number * TICK_MS) % REPORT_MS:
                importer.measure(self.counted[name], REPORT_MS, self.now)
                self.counted[name] = 0.0

    def _tell(self) -> None:
        """Each member says what it is; demand and grants once a period, in turn."""
        period = round(self.world.period * 1_000)
        for number, (name, importer) in enumerate(self.importers.items()):
            if self.now % period == number * TICK_MS % period:
                importer.say_demand()
                self.rooms[name] = self._rooms(importer)
            said = Said(self.exporters[name].ready, self.leaving[name], self.rooms[name].wants, self.rooms[name].grants)
            if self._told.get(name) != said:
                self._told[name] = said
                for other in self.importers.values():
                    other.tell(name, said, self.now)

    def _rooms(self, importer: Importer) -> Rooms:
        own, held = MemberName(importer.member.name), self.rooms[importer.member.name]
        asks = {MemberName(name): said.wants.get(own, 0) for name, said in importer.heard.items() if name != own}
        case = importer.case(self.wall)
        demanding = Demanding(
            service=SERVICE,
            own=own,
            demand=case.demand,
            case=case,
            candidates=tuple(importer.candidates.values()),
            asks=asks,
            importers=tuple(MemberName(name) for name in sorted(importer.ways)),
            wants=held.wants,
            grants=held.grants,
        )
        return rooms_of(demanding, exported=True)

    def _flow(self, asked: dict[str, float], seconds: float) -> float:
        """Requests go where the shares say; how many reached nobody."""
        loads, lost = dict.fromkeys(self.exporters, 0.0), 0.0
        for name, importer in self.importers.items():
            if not importer.ruling.shares:
                lost += asked[name] * seconds
            for share in importer.ruling.shares:
                part = asked[name] * share.ppm / 1_000_000
                if self._severed(name, share.member):
                    lost += part * seconds
                else:
                    loads[share.member] += part
        for name, exporter in self.exporters.items():
            exporter.take(loads[name], seconds)
        return lost

    def _severed(self, one: str, other: str) -> bool:
        return one != other and (one in self.cut or other in self.cut)

    def _look(self) -> None:
        for exporter in self.exporters.values():
            exporter.look(self.now, TICK_MS, self.wall)
        if self.now % WAY_MS == 0:
            for name, importer in self.importers.items():
                for other, way in importer.ways.items():
                    lost = self.chance.part() * 100 < self.loss.get(name, 0)
                    way.probed(not lost and not self._severed(name, other), self.wall)

    def _moment(self, asked: dict[str, float], seconds: float, unreached: float) -> Moment:
        exporters = self.exporters.items()
        shares = {name: {s.member: s.ppm for s in one.ruling.shares} for name, one in self.importers.items()}
        return Moment(
            at=self.now / 1_000,
            shares=shares,
            load={name: round(one.load, 3) for name, one in exporters},
            capacity={name: one.capacity for name, one in exporters},
            wait={name: round(one.wait * 1_000, 3) for name, one in exporters},
            ready={name: one.ready for name, one in exporters},
            failed=unreached + sum(one.failed for _, one in exporters),
            asked=sum(asked.values()) * seconds,
            spare={name: one.spare for name, one in self.importers.items()},
        )


def run(world: World, events: Sequence[Event], seconds: float, title: str = "") -> Trace:
    """The world for so long, with what happens in it."""
    simulation = Simulation(world)
    waiting = sorted(events, key=lambda event: event.at)
    moments: list[Moment] = []
    while simulation.now < 0:
        simulation.step()
    for _ in range(round(seconds * 1_000 / TICK_MS)):
        waiting = list(_happened(simulation, waiting))
        moments.append(simulation.step())
    return Trace(title, world, tuple(events), tuple(moments), TICK_MS / 1_000)


def _happened(simulation: Simulation, waiting: Iterable[Event]) -> Iterable[Event]:
    for event in waiting:
        if event.at * 1_000 <= simulation.now:
            simulation.happen(event)
        else:
            yield event
