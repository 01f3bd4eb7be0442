"""`isthmus simulate`: what it says, what it draws, and what it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts import draw_shares
from tests.worlds.command_line import content, inside, said

HEAD = "apiVersion: isthmus.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: web, namespace: shop}\nspec: "
SCENARIOS = "region-dies, service-dies, overload, flapping, noisy, slow-endpoint, lossy-link, drain"


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("simulate")
    (path / "home.yaml").write_text(HEAD + "{residency: [us-east]}\n")
    (path / "mars.yaml").write_text(HEAD + "{order: [us-eastt]}\n")
    (path / "wrong.yaml").write_text(HEAD + "{tresh: 1}\n")
    (path / "two.yaml").write_text(f"{HEAD}{{}}\n---\n{HEAD}{{}}\n")
    with inside(path):
        yield path


BAD = {
    "scenario": (["--scenario", "rain"], f'E104 --scenario "rain": no such scenario; known: {SCENARIOS}'),
    "seconds": (
        ["--scenario", "drain", "--seconds", "5"],
        "Invalid value for '--seconds': 5 is not in the range 10<=x<=3600. See `isthmus simulate --help`.",
    ),
    "no file": (["no.yaml", "--scenario", "drain"], "E125 no.yaml: No such file or directory"),
    "field": (["wrong.yaml", "--scenario", "drain"], 'E111 wrong.yaml:4: unknown field "spec.tresh", did you mean "spec.threshold"?'),
    "region": (
        ["mars.yaml", "--scenario", "drain"],
        'E125 mars.yaml:1: field "spec.order": no member is in region "us-eastt"; known: eu-central, us-east, us-west (did you mean "us-east"?)',
    ),
    "two": (["two.yaml", "--scenario", "drain"], "E125 two.yaml: must hold one TrafficPolicy and nothing else, it holds 2 objects"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(place: Path, case: str) -> None:
    arguments, text = BAD[case]
    before = content(place)
    assert said("simulate", *arguments) == (2, "", f"isthmus: {text}\n")
    assert content(place) == before


def test_scenarios_are_listed() -> None:
    status, out, _ = said("simulate", "--scenario", "list")
    assert (status, [line.split()[0] for line in out.splitlines()]) == (0, SCENARIOS.split(", "))


def test_it_says_what_happened_and_what_followed() -> None:
    status, out, _ = said("simulate", "--scenario", "service-dies", "--seconds", "60")
    assert status == 0
    assert "20 s: us-east has 0 endpoints alive" in out.splitlines()
    assert "  clients of eu-central: eu-central 100 % -> eu-central 100 %" in out.splitlines()


def test_json_has_series_and_findings_and_the_policy_of_the_file() -> None:
    status, out, _ = said(
        "simulate", "home.yaml", "--scenario", "overload", "--seconds", "30", "--output", "json", "--undamped", "--capacity-unknown"
    )  # fmt: skip
    told = json.loads(out)
    assert (status, told["policy"]["residency"], told["policy"]["ramp"]) == (
        0,
        ["us-east"],
        {"percent": 100, "seconds": 1},
    )
    assert [row["at"] for row in told["series"]] == list(range(30))
    assert all(row["shares"]["us-west"] in ({"us-east": 1_000_000}, {}) for row in told["series"])
    assert [one["at"] for one in told["findings"]] == [0, 20]


def test_the_picture_is_drawn(place: Path) -> None:
    assert said("simulate", "--scenario", "drain", "--seconds", "60", "--svg", "out.svg")[0] == 0
    root = ElementTree.parse(place / "out.svg").getroot()
    kinds = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert (kinds.count("polygon"), kinds.count("line")) == (9, 3)
    assert "prefers-color-scheme:dark" in (place / "out.svg").read_text()


def test_the_picture_in_the_readme_is_what_the_law_does_now() -> None:
    assert draw_shares.OUT.read_text(encoding="utf-8") == draw_shares.drawn(), "stale: run `make shares`"
