"""A recorded lab run, replayed from the controllers' journals: the law says within five points what clients measured.

The record is one run of `isthmus lab run failover --record`. Windows with a failed request are those in which the cut had
not been found yet; what the law says of them is about other seconds than what clients saw.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from federation.adapters.journal import FileJournal
from federation.law.shares import Case, rule
from federation.model.handout import Import
from federation.reconcile.memory import Paths

FOLDER = Path(__file__).parents[1] / "vectors" / "failover"
TAKES: list[dict[str, Any]] = json.loads((FOLDER / "failover.json").read_text())["takes"]
POINTS = 5.0
MOMENTS = range(50, 1_000, 100)
REPLAYED = ("3 two of four", "3 one of four", "3 return", "4 cut", "5 heal")


def law_says(journal: FileJournal, service: str, member: str, at: int) -> dict[str, float]:
    """Per cent by member at this Unix millisecond."""
    data, ways = journal.find(f"import/{service}", at), journal.find("paths", at)
    assert data is not None and ways is not None
    item = msgspec.json.decode(data, type=Import)
    case = Case(member, item.policy, msgspec.json.decode(ways, type=Paths).paths, at)
    return {share.member: share.ppm / 10_000 for share in rule(item.candidates, case).shares}


def averaged(journal: FileJournal, take: dict[str, Any], begin: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for moment in MOMENTS:
        for member, percent in law_says(journal, take["service"], take["from"], int(begin * 1_000) + moment).items():
            found[member] = found.get(member, 0.0) + percent / len(MOMENTS)
    return found


@pytest.mark.parametrize("take", TAKES, ids=lambda take: take["step"].replace(" ", "-"))
def test_the_law_says_what_was_measured(take: dict[str, Any]) -> None:
    journal = FileJournal(FOLDER / "journal" / take["from"])
    compared = 0
    for window in take["windows"]:
        total = sum(window["by"].values())
        if "failed" in window["by"] or total < 50:
            continue
        said = averaged(journal, take, window["t"])
        for member in said.keys() | window["by"].keys():
            measured = 100 * window["by"].get(member, 0) / total
            assert measured == pytest.approx(said.get(member, 0.0), abs=POINTS), (member, window)
        compared += 1
    assert compared >= 2


def test_every_step_with_shares_is_in_the_record() -> None:
    assert tuple(take["step"] for take in TAKES) == REPLAYED
