"""Half an hour of 5 % loss on every link: no way may be called down, and no share may move."""

import time

from federation.lab import look, weather
from federation.lab.programs import SERVICE
from federation.lab.state import Lab
from federation.lab.topology import LAB
from tests.bench.failover import dressed
from tests.bench.raised import raised
from tests.bench.row import Row

NAMES = ("false-alarms",)
LOSS, SECONDS, LOOK = 5.0, 1_800.0, 1.0
STEADY_SECONDS = 15.0


def measure(names: tuple[str, ...]) -> list[Row]:
    """One lab, two looks a second at every member."""
    with raised() as lab:
        dressed(lab)
        for source in LAB.names:
            for target in LAB.names:
                if source < target:
                    weather.change(lab, source, target, {"loss_percent": LOSS}, both=True)
        time.sleep(STEADY_SECONDS)
        return [watched(lab) for _ in names]


def watched(lab: Lab) -> Row:
    """How many verdicts and shares changed."""
    before = {name: seen(lab, name) for name in LAB.names}
    moved, looks = 0, 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for name in LAB.names:
            now = seen(lab, name)
            moved += now != before[name]
            before[name] = now
            looks += 1
        time.sleep(LOOK)
    note = f"links' verdicts and shares of {SERVICE} that changed in {SECONDS / 60:g} minutes of {LOSS:g} % loss each way on every link, {looks} looks"
    return Row("false-alarms", float(moved), "changes", 1, note, 1.0)


def seen(lab: Lab, member: str) -> tuple[object, ...]:
    """Each link's verdict with its age, and the shares of the member's own clients."""
    links = [(row["member"], row["gateway"], row["up"], row["since"]) for row in look.status(lab, member)["links"]]
    return (sorted(links), look.explain(lab, member, SERVICE))
