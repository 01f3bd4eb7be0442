"""Draw docs/shares.svg: what the README shows of steering. `make shares`; a test fails when it is stale."""

from pathlib import Path

from federation.simulation.loop import run
from federation.simulation.scenarios import LENGTH, SCENARIOS
from federation.simulation.svg import svg
from federation.simulation.world import USUAL

OUT = Path(__file__).resolve().parents[1] / "docs" / "shares.svg"
SCENARIO = "service-dies"


def drawn() -> str:
    """The picture as it has to be."""
    scenario = SCENARIOS[SCENARIO]
    return svg(run(USUAL, scenario.happens(USUAL.members), LENGTH, scenario.title))


if __name__ == "__main__":
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(drawn(), encoding="utf-8")
