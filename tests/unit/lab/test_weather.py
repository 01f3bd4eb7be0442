import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.lab import shim, weather
from federation.lab.errors import LabError
from federation.lab.shim import answer
from federation.lab.state import Lab
from federation.lab.switch import Switch
from federation.lab.topology import LAB, topology_of


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    made = Switch(LAB.names)

    def ask(_control: Path, request: dict[str, object]) -> dict[str, object]:
        said = answer(made, json.dumps(request).encode())
        if not said["ok"]:
            raise ValueError(said["error"])
        return said

    monkeypatch.setattr(shim, "ask", ask)
    yield made


PAIR = (("us-east", "eu-central"), ("eu-central", "us-east"))


def of_pair(switch: Switch, *names: str) -> list[tuple[object, ...]]:
    rows = {(row["from"], row["to"]): row for row in switch.get()}
    return [tuple(rows[way][name] for name in names) for way in PAIR]


def cuts(switch: Switch) -> set[tuple[object, object]]:
    return {(row["from"], row["to"]) for row in switch.get() if row["cut"]}


LAB_UP = Lab("a1b2", "/nowhere")


def test_one_direction_unless_both(switch: Switch) -> None:
    weather.change(LAB_UP, "us-east", "eu-central", {"delay_ms": 7})
    assert of_pair(switch, "delay_ms") == [(7,), (0,)]
    weather.change(LAB_UP, "us-east", "eu-central", {"delay_ms": 9}, both=True)
    assert of_pair(switch, "delay_ms") == [(9,), (9,)]


def test_a_round_trip_is_half_in_each_direction_and_the_rest_in_one(switch: Switch) -> None:
    weather.change(LAB_UP, "eu-central", "us-east", {"block": True}, rtt_ms=90)
    assert of_pair(switch, "delay_ms", "block") == [(45, False), (45, True)]


def test_a_cut_region_is_cut_both_ways_from_every_other_and_healed_likewise(switch: Switch) -> None:
    assert weather.cut(LAB_UP, "us-east") == ["us-west", "eu-central"]
    assert cuts(switch) == {(a, b) for a, b in LAB.pairs() if "us-east" in (a, b)}
    assert weather.heal(LAB_UP, "us-east", "us-west") == ["us-west"]
    assert cuts(switch) == set(PAIR)
    weather.heal(LAB_UP, "us-east")
    assert cuts(switch) == set()


def test_one_way_is_cut_alone_and_what_was_set_stays(switch: Switch) -> None:
    weather.change(LAB_UP, "us-east", "eu-central", {"block": True, "loss_percent": 5.0})
    weather.cut(LAB_UP, "eu-central", "us-east")
    assert of_pair(switch, "block", "loss_percent", "cut") == [(True, 5.0, True), (False, 0.0, True)]
    weather.heal(LAB_UP, "eu-central", "us-east")
    assert of_pair(switch, "block", "loss_percent", "cut") == [(True, 5.0, False), (False, 0.0, False)]


@pytest.mark.parametrize("change", [weather.cut, weather.heal])
@pytest.mark.parametrize(
    ("region", "other", "line"),
    [
        ("mars", None, 'E186 the lab has no region "mars": it has us-east, us-west, eu-central'),
        ("us-east", "mars", 'E186 the lab has no region "mars": it has us-east, us-west, eu-central'),
        ("us-east", "us-east", 'E186 "us-east" to itself does not pass the WAN'),
    ],
)
def test_a_region_that_cannot_be_cut_is_one_line(
    switch: Switch, change: Callable[..., object], region: str, other: str | None, line: str
) -> None:
    with pytest.raises(LabError) as caught:
        change(LAB_UP, region, other)
    assert str(caught.value) == line and cuts(switch) == set()


@pytest.mark.parametrize(
    ("source", "values", "line"),
    [
        ("mars", {"block": True}, 'E186 the lab has no machine "mars": it has us-east, us-west, eu-central'),
        ("us-east", {}, "E186 say what to change, for example --loss 5 or --block"),
        ("us-east", {"loss_percent": 120.0}, "E186 loss_percent must be 0 to 100, not 120.0"),
        ("eu-central", {"block": True}, 'E186 "eu-central" to itself does not pass the WAN'),
    ],
)
def test_bad_weather_is_one_line(switch: Switch, source: str, values: dict[str, object], line: str) -> None:
    with pytest.raises(LabError) as caught:
        weather.change(LAB_UP, source, "eu-central", values)
    assert str(caught.value) == line


def test_a_region_of_two_machines_is_cut_with_both_and_one_of_them_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Switch(topology_of(True).ports)
    monkeypatch.setattr(shim, "ask", lambda _control, request: answer(made, json.dumps(request).encode()))
    lab = Lab("a1b2", "/nowhere", second=True)
    far = {"us-east", "eu-central"}
    assert set(weather.cut(lab, "us-west-2")) == {"us-west", *far}
    assert cuts(made) == {pair for other in ("us-west", *far) for pair in (("us-west-2", other), (other, "us-west-2"))}
    weather.heal(lab, "us-west-2")
    assert set(weather.cut(lab, "us-west")) == far
    assert len(cuts(made)) == 2 * 2 * 2 and ("us-west", "us-west-2") not in cuts(made)
