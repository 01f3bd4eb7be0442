"""What drain, shift and freeze refuse before they ask anybody, and how long and how much people may write."""

from pathlib import Path

import pytest

from federation.cli.moves import parse_percent
from federation.model.duration import parse_seconds, words
from federation.model.errors import InputError
from tests.worlds.command_line import said

API = ["--api", "/nowhere/api.sock"]
SHIFT = ["shift", "shop/web", *API, "--from", "us-east", "--to", "eu-central"]
PERCENT = "must be above 0 and at most 100, with at most four decimals"
DURATION = "write a duration such as 90s, 10m or 1h30m"
OFF = "--off ends them at once; give no --over, --reason, --force or --dry-run See `isthmus shift --help`."
REFUSED = {
    "a day and more": (["drain", "us-east", *API, "--over", "25h"], 'E125 --over "25h": longer than 24h; give at most that'),
    "no unit": (["drain", "us-east", *API, "--over", "600"], f'E125 --over "600": {DURATION}'),
    "not a duration": (["drain", "us-east", *API, "--over", "soon"], f'E125 --over "soon": {DURATION}'),
    "more than all": ([*SHIFT, "--percent", "100.1"], f'E125 --percent "100.1": {PERCENT}'),
    "nothing": ([*SHIFT, "--percent", "0"], f'E125 --percent "0": {PERCENT}'),
    "negative": ([*SHIFT, "--percent", "-5"], f'E125 --percent "-5": {PERCENT}'),
    "not a number": ([*SHIFT, "--percent", "NaN"], f'E125 --percent "NaN": {PERCENT}'),
    "endless": ([*SHIFT, "--percent", "inf"], f'E125 --percent "inf": {PERCENT}'),
    "words": ([*SHIFT, "--percent", "half"], f'E125 --percent "half": {PERCENT}'),
    "too fine": ([*SHIFT, "--percent", "0.00001"], f'E125 --percent "0.00001": {PERCENT}'),
    "half a shift": (SHIFT, "give --from, --to and --percent, or --off See `isthmus shift --help`."),
    "off and more": (
        [*SHIFT, "--off"],
        "--off ends every shift of the service; give no --from, --to or --percent See `isthmus shift --help`.",
    ),
    "freeze without a reason": (["freeze", "on", *API], "E125 freeze on: needs --reason, which every refusal shows"),
    "a freeze's end with a reason": (
        ["freeze", "off", *API, "--reason", "morning"],
        "--reason is for freeze on: nobody is shown why moves are taken See `isthmus freeze --help`.",
    ),
    "a dry run of off": (["shift", "shop/web", *API, "--off", "--dry-run"], OFF),
    "off in steps": (["shift", "shop/web", *API, "--off", "--over", "10m"], OFF),
    "off with a reason": (["shift", "shop/web", *API, "--off", "--reason", "x"], OFF),
    "nobody there": (
        ["drain", "us-east", *API],
        "E190 /nowhere/api.sock: no controller answers (No such file or directory); is it running?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    arguments, told = REFUSED[case]
    assert said(*arguments) == (2, "", f"isthmus: {told}\n")


def test_in_a_lab_the_member_that_is_moved_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_LAB_DIR", str(tmp_path))
    for member in ("eu-central", "us-east"):
        (tmp_path / member / "state").mkdir(parents=True)
        (tmp_path / member / "state" / "api.sock").touch()
    moves = (
        ["drain", "us-east", "--dry-run"],
        ["undrain", "us-east"],
        ["shift", "shop/web", *SHIFT[4:], "--percent", "1"],
    )
    for words_ in moves:
        assert said(*words_)[2].startswith(f"isthmus: E190 {tmp_path}/us-east/state/api.sock: no controller answers")
    assert "which member?" in said("freeze", "off")[2]


@pytest.mark.parametrize(("text", "ppm"), [("0.1", 1_000), ("100", 1_000_000), ("0.0001", 1), ("33.3333", 333_333)])
def test_a_percentage_is_exact(text: str, ppm: int) -> None:
    assert parse_percent(text) == ppm


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5_400), ("24h", 86_400), ("0s", 0)])
def test_a_duration_is_read_and_written(text: str, seconds: int) -> None:
    assert parse_seconds(text, "--over", 86_400) == seconds
    assert parse_seconds(words(seconds), "--over", 86_400) == seconds


def test_a_duration_is_one_of_the_gateway_api() -> None:
    for text in ("", "1.5h", "-1s", "1s1s1s1s", "123456s", "10 m"):
        with pytest.raises(InputError):
            parse_seconds(text, "--over", 86_400)
