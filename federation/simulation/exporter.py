"""One member's endpoints: queues that fill, requests that fail, probes that decide who is ready. Pure."""

from msgspec import Struct

from federation.health.verdict import Limits, Verdict, observe
from federation.model.policy import Probe
from federation.simulation.chance import Chance
from federation.simulation.world import Member

QUEUE_SECONDS = 2.0
"""An endpoint whose queue is longer than this refuses requests."""

SLOWER = 5
"""How many times as long a slow endpoint takes for each request."""

BUSIEST = 0.95
"""Use beyond which the wait at random arrivals is no longer computed; the queue itself shows it."""


class Endpoint(Struct):
    """`capacity` in requests per second, `queue` in requests, `wait` in seconds until a new request is answered."""

    capacity: float
    alive: bool = True
    queue: float = 0.0
    wait: float = 0.0
    verdict: Verdict = Verdict(up=True)

    def take(self, load: float, seconds: float) -> float:
        """Requests come in for so long; how many failed."""
        if not self.alive:
            self.queue = 0.0
            return load * seconds
        waiting = self.queue + (load - self.capacity) * seconds
        self.queue = min(max(0.0, waiting), self.capacity * QUEUE_SECONDS)
        use = min(load / self.capacity, BUSIEST)
        self.wait = (1 + use / (1 - use)) / self.capacity + self.queue / self.capacity
        return max(0.0, waiting - self.queue)


class Exporter:
    """The endpoints of one member, each probed in its turn."""

    def __init__(self, member: Member, probe: Probe, chance: Chance) -> None:
        self.member = member
        self.probe = probe
        self.chance = chance
        self.endpoints = [Endpoint(float(member.capacity)) for _ in range(member.endpoints)]
        self.noise = 0
        self.load = 0.0
        self.failed = 0.0

    @property
    def ready(self) -> int:
        """How many endpoints are believed to take requests."""
        return sum(1 for one in self.endpoints if one.verdict.up)

    @property
    def capacity(self) -> float:
        """Requests per second of those that are believed ready and alive."""
        return sum(one.capacity for one in self.endpoints if one.verdict.up and one.alive)

    @property
    def wait(self) -> float:
        """The longest wait at an endpoint that is ready, in seconds."""
        return max((one.wait for one in self.endpoints if one.verdict.up and one.alive), default=0.0)

    def keep_alive(self, count: int) -> None:
        """So many endpoints are alive, the others dead."""
        for number, one in enumerate(self.endpoints):
            one.alive = number < count

    def slow_down(self, count: int) -> None:
        """So many endpoints are slow."""
        for number, one in enumerate(self.endpoints):
            one.capacity = self.member.capacity / (SLOWER if number < count else 1)

    def take(self, load: float, seconds: float) -> None:
        """`load` requests per second come in for so long, and are divided over those that are believed ready."""
        ready = [one for one in self.endpoints if one.verdict.up]
        self.load = load
        self.failed = load * seconds
        if ready:
            self.failed = sum(one.take(load / len(ready), seconds) for one in ready)
        for one in self.endpoints:
            if not one.verdict.up:
                one.take(0.0, seconds)

    def look(self, now: int, tick: int, wall: int) -> None:
        """Probes that are due in this tick of so many milliseconds; `now` since the beginning, `wall` Unix."""
        limits = Limits(self.probe.unhealthy, self.probe.healthy)
        for number, one in enumerate(self.endpoints):
            phase = number * self.probe.interval_ms // len(self.endpoints)
            if (now - phase) % self.probe.interval_ms < tick:
                one.verdict = observe(one.verdict, self._answers(one), wall, limits)

    def _answers(self, one: Endpoint) -> bool:
        noise = self.chance.part() * 100 < self.noise
        return one.alive and not noise and one.wait * 1_000 < self.probe.timeout_ms
