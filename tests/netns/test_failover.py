"""The failover story over real parts: what `make demo` shows, held as a test."""

import json
import tempfile
from pathlib import Path

import pytest

from tests.worlds.stories import check_story

STEPS = [
    "lab",
    "1 link us-east - us-west",
    "1 link us-east - eu-central",
    "1 link us-west - eu-central",
    "1 new endpoint",
    "2 own region",
    "2 access",
    "2 public name",
    "3 two of four",
    "3 one of four",
    "3 return",
    "4 nearer",
    "4 gap GET",
    "4 gap POST",
    "4 DNS",
    "4 live names",
    "5 heal",
    "5 public name",
    "5 live names",
    "6 gap GET",
    "6 gap POST",
    "6 endpoint",
    "6 DNS",
    "6 DNS server",
    "6 Envoy",
    "6 live names",
    "6 controllers",
    "down",
]

pytestmark = pytest.mark.netns


def test_a_region_is_lost_and_found_and_every_controller_dies() -> None:
    with tempfile.TemporaryDirectory(prefix="ist") as directory:
        lab, record = Path(directory) / "lab", Path(directory) / "failover.json"
        check_story("failover", lab, STEPS, "--record", str(record))
        takes = json.loads(record.read_text())["takes"]
        assert [take["step"] for take in takes] == ["3 two of four", "3 one of four", "3 return", "4 cut", "5 heal"]
        assert all(any(window["by"] for window in take["windows"]) for take in takes)
        for member in ("us-east", "us-west", "eu-central"):
            assert list((record.parent / "failover.journal" / member).glob("*.jsonl"))
