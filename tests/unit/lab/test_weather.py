from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.lab import weather
from federation.lab.errors import LabError
from federation.lab.shim import answer
from federation.lab.state import Lab
from federation.lab.switch import Switch
from federation.lab.topology import LAB


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    import json

    made = Switch(LAB.names)

    def ask(_control: Path, request: dict[str, object]) -> dict[str, object]:
        said = answer(made, json.dumps(request).encode())
        if not said["ok"]:
            raise ValueError(said["error"])
        return said

    monkeypatch.setattr(weather, "ask", ask)
    yield made


def delays(switch: Switch) -> list[object]:
    return [row["delay_ms"] for row in switch.get()]


LAB_UP = Lab("a1b2", "/nowhere")


def test_one_direction_unless_both(switch: Switch) -> None:
    weather.change(LAB_UP, "us-east", "eu-central", {"delay_ms": 7})
    assert delays(switch) == [7, 0]
    weather.change(LAB_UP, "us-east", "eu-central", {"delay_ms": 9}, both=True)
    assert delays(switch) == [9, 9]


def test_a_round_trip_is_half_in_each_direction_and_the_rest_in_one(switch: Switch) -> None:
    weather.change(LAB_UP, "eu-central", "us-east", {"block": True}, rtt_ms=90)
    assert [(row["delay_ms"], row["block"]) for row in switch.get()] == [(45, False), (45, True)]


@pytest.mark.parametrize(
    ("source", "values", "line"),
    [
        ("mars", {"block": True}, 'E186 the lab has no member "mars": it has us-east, eu-central'),
        ("us-east", {}, "E186 say what to change, for example --loss 5 or --block"),
        ("us-east", {"loss_percent": 120.0}, "E186 loss_percent must be 0 to 100, not 120.0"),
        ("eu-central", {"block": True}, 'E186 "eu-central" to itself does not pass the WAN'),
    ],
)
def test_bad_weather_is_one_line(switch: Switch, source: str, values: dict[str, object], line: str) -> None:
    with pytest.raises(LabError) as caught:
        weather.change(LAB_UP, source, "eu-central", values)
    assert str(caught.value) == line
