"""What may happen to the usual members, by name. Pure."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from federation.simulation.world import Event, Member

BEGIN, END = 20.0, 80.0
"""Seconds; before it begins all is at rest, and when it ends all is as it was."""

LENGTH = 220.0
"""Seconds that are simulated when nobody says otherwise: after the end, a default ramp and a half."""


class Scenario(Struct, frozen=True):
    """`happens` makes the events for the members, of which it takes the first as the one that suffers."""

    title: str
    happens: Callable[[Sequence[Member]], list[Event]]


def _dies(members: Sequence[Member]) -> list[Event]:
    name, count = members[0].name, members[0].endpoints
    gone = [("cut", 0), ("endpoints", 0), ("demand", 0)]
    back = [("heal", 0), ("endpoints", count), ("demand", 100)]
    return [
        *(Event(BEGIN, what, name, value) for what, value in gone),  # type: ignore[arg-type]
        *(Event(END, what, name, value) for what, value in back),  # type: ignore[arg-type]
    ]


def _service_dies(members: Sequence[Member]) -> list[Event]:
    one = members[0]
    return [Event(BEGIN, "endpoints", one.name, 0), Event(END, "endpoints", one.name, one.endpoints)]


def _overload(members: Sequence[Member]) -> list[Event]:
    return [Event(BEGIN, "demand", members[0].name, 250), Event(END, "demand", members[0].name, 100)]


def _flapping(members: Sequence[Member]) -> list[Event]:
    one, times = members[0], range(int(BEGIN), int(END), 10)
    down = [Event(at, "endpoints", one.name, one.endpoints // 2) for at in times]
    return sorted([*down, *(Event(at + 5, "endpoints", one.name, one.endpoints) for at in times)], key=lambda e: e.at)


def _noisy(members: Sequence[Member]) -> list[Event]:
    return [
        *(Event(BEGIN, "noise", one.name, 20) for one in members),
        *(Event(END, "noise", one.name, 0) for one in members),
    ]


def _slow(members: Sequence[Member]) -> list[Event]:
    return [Event(BEGIN, "slow", members[0].name, members[0].endpoints // 2), Event(END, "slow", members[0].name, 0)]


def _lossy(members: Sequence[Member]) -> list[Event]:
    return [Event(BEGIN, "loss", one.name, 30) for one in members[1:]] + [
        Event(END, "loss", one.name, 0) for one in members[1:]
    ]


def _drained(members: Sequence[Member]) -> list[Event]:
    return [Event(BEGIN, "drain", members[0].name, 30), Event(END, "undrain", members[0].name)]


SCENARIOS = {
    "region-dies": Scenario("a region dies and comes back", _dies),
    "service-dies": Scenario("all endpoints of one member die and come back", _service_dies),
    "overload": Scenario("one member's clients ask for two and a half times as much", _overload),
    "flapping": Scenario("half of the endpoints come and go every five seconds", _flapping),
    "noisy": Scenario("a fifth of all probes fail for no reason", _noisy),
    "slow-endpoint": Scenario("half of the endpoints take five times as long", _slow),
    "lossy-link": Scenario("a third of all probes between members get lost", _lossy),
    "drain": Scenario("a member is drained over half a minute and comes back", _drained),
}
