"""What was seen, tick by tick, and what it comes to: turns, overload, failures. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from federation.simulation.world import Event, World

POINTS = 20_000
"""Parts per million; a share that moves by less has not turned."""

Parts = dict[str, int]


class Moment(Struct, frozen=True):
    """One tick. `shares` by clients' member and member (ppm); by member: `load` and `capacity` (requests per second),
    `wait` (ms), `ready`. `failed` requests and all that were `asked`. `spare` by clients' member: the room (ppm) that
    each member gave it and it does not use.
    """

    at: float
    shares: dict[str, Parts]
    load: dict[str, float]
    capacity: dict[str, float]
    wait: dict[str, float]
    ready: dict[str, int]
    failed: float
    asked: float
    spare: dict[str, Parts]


class Trace(Struct, frozen=True):
    """A run: what happened in which world, and every tick of it."""

    title: str
    world: World
    events: tuple[Event, ...]
    moments: tuple[Moment, ...]
    tick: float

    def series(self, clients: str, member: str, begin: float = 0.0, end: float = float("inf")) -> list[int]:
        """The share of a member in what these clients ask, from tick to tick."""
        return [m.shares[clients].get(member, 0) for m in self.moments if begin <= m.at < end]


class Finding(Struct, frozen=True):
    """From one event to the next. `turns` is how often the most restless share turned round, `failed` the part of
    requests in ppm, `busiest` the most that any member was given of its capacity (per cent), `settled` after how many
    seconds no share moved any more.
    """

    at: float
    what: str
    turns: int
    failed: int
    busiest: int
    settled: float


def findings(trace: Trace) -> list[Finding]:
    """One for the beginning and one for each moment of the run at which anything happens."""
    times = [0.0, *sorted({event.at for event in trace.events if event.at <= trace.moments[-1].at})]
    ends = [*times[1:], float("inf")]
    return [_finding(trace, begin, end) for begin, end in zip(times, ends, strict=True)]


def _finding(trace: Trace, begin: float, end: float) -> Finding:
    moments = [m for m in trace.moments if begin <= m.at < end]
    names = [one.name for one in trace.world.members]
    pairs = [(clients, member) for clients in names for member in names]
    asked = sum(m.asked for m in moments)
    happened = [str(event) for event in trace.events if event.at == begin] or ["at rest"]
    return Finding(
        at=begin,
        what="; ".join(happened),
        turns=max((reversals(trace.series(*pair, begin, end)) for pair in pairs), default=0),
        failed=round(sum(m.failed for m in moments) * 1_000_000 / asked) if asked else 0,
        busiest=round(100 * max((use for m in moments for use in uses(m)), default=0.0)),
        settled=round(max((still(trace.series(*pair, begin, end)) for pair in pairs), default=0) * trace.tick, 1),
    )


def uses(moment: Moment) -> Iterable[float]:
    """For each member that can take anything, how much of that it is given."""
    return (moment.load[name] / capacity for name, capacity in moment.capacity.items() if capacity)


def reversals(series: Sequence[int]) -> int:
    """How often a series turns round by more than POINTS."""
    turns, direction, extreme = 0, 0, series[0] if series else 0
    for value in series:
        if (direction >= 0 and value > extreme) or (direction <= 0 and value < extreme):
            direction = direction or (1 if value > extreme else -1)
            extreme = value
        elif abs(value - extreme) > POINTS:
            turns += 1
            direction, extreme = -direction, value
    return turns


def still(series: Sequence[int]) -> int:
    """After how many ticks the series stays within POINTS of its end."""
    moving = [at for at, value in enumerate(series) if abs(value - series[-1]) > POINTS]
    return moving[-1] + 1 if moving else 0
