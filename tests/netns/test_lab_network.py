"""The lab's network in real namespaces: the WAN's weather, and that nothing of a lab stays behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from federation.lab import netns, process, weather
from federation.lab.down import leftovers, marks, take_down
from federation.lab.errors import LabError
from federation.lab.inside import namespaces, pids_in
from federation.lab.ping import ping
from federation.lab.preflight import TUN, opens
from federation.lab.state import FILE, Lab, load
from federation.lab.up import Options, raise_lab

ABLE = os.geteuid() == 0 and opens(TUN)
if not ABLE:
    print("\n*** NOT RUN: tests of real namespaces need root and /dev/net/tun ***\n", file=sys.__stderr__)

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not ABLE, reason="needs root and /dev/net/tun"),
]

COMMAND = [sys.executable, "-m", "federation.cli.lab"]


def eventually(happened: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def remove(folder: Path) -> None:
    if (folder / FILE).exists():
        take_down(folder)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("network") / "lab"
    try:
        yield raise_lab(folder, Options(rtt_ms=0, bare=True), lambda _: None)
    finally:
        remove(folder)


@pytest.fixture
def wan(bare: Lab) -> Iterator[Lab]:
    calm: dict[str, object] = {
        "delay_ms": 0,
        "jitter_ms": 0,
        "loss_percent": 0,
        "mtu": 65535,
        "block": False,
    }
    yield bare
    weather.change(bare, "us-east", "eu-central", calm, both=True)


def trips(lab: Lab, count: int = 5, **values: float) -> list[float | None]:
    size = int(values.pop("size", 56))
    return ping(netns.machine(lab.lab, "us-east"), "192.0.2.3", count, size=size, **values)


def test_the_wan_adds_well_under_a_millisecond_of_its_own(wan: Lab) -> None:
    assert median(ms for ms in trips(wan, 20) if ms is not None) < 1


def test_a_round_trip_is_as_long_as_was_set(wan: Lab) -> None:
    weather.change(wan, "us-east", "eu-central", {}, rtt_ms=90)
    found = [ms for ms in trips(wan, 20) if ms is not None]
    assert len(found) == 20 and min(found) >= 90 and median(found) < 93


def test_a_delay_is_of_one_direction(wan: Lab) -> None:
    weather.change(wan, "us-east", "eu-central", {"delay_ms": 60})
    assert 60 <= min(ms for ms in trips(wan) if ms is not None) < 75


def test_loss_is_near_its_percentage(wan: Lab) -> None:
    weather.change(wan, "us-east", "eu-central", {"loss_percent": 30})
    lost = sum(ms is None for ms in trips(wan, 400, interval=0.001, wait=0.3))
    assert 80 <= lost <= 160


def test_a_one_way_block_lets_frames_through_the_other_way(wan: Lab) -> None:
    before = {(row["from"], row["to"]): row for row in pairs(wan)}
    weather.change(wan, "us-east", "eu-central", {"block": True})
    assert trips(wan, 5, wait=0.2) == [None] * 5
    ping(netns.machine(wan.lab, "eu-central"), "192.0.2.1", 3, wait=0.1)
    after = {(row["from"], row["to"]): row for row in pairs(wan)}
    out, back = ("us-east", "eu-central"), ("eu-central", "us-east")
    assert after[out]["dropped"] > before[out]["dropped"] and after[out]["passed"] == before[out]["passed"]
    assert after[back]["passed"] > before[back]["passed"]
    weather.change(wan, "us-east", "eu-central", {"block": False})
    assert None not in trips(wan)


def test_a_hole_in_the_path_mtu_swallows_large_packets_only(wan: Lab) -> None:
    weather.change(wan, "us-east", "eu-central", {"mtu": 1300})
    assert None not in trips(wan, 3, size=1000)
    assert trips(wan, 3, size=1400, wait=0.2) == [None] * 3


def pairs(lab: Lab) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*COMMAND, "status", "--dir", lab.directory, "--output", "json"], capture_output=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["wan"]
    return found


def test_pods_reach_their_own_endpoints_and_the_client_has_its_own_resolver(bare: Lab) -> None:
    space = netns.client(bare.lab, "eu-central")
    argv = process.wrapped(space, process.own("client", "http://10.3.1.13:8080/x", "--count", "2"))
    done = subprocess.run(argv, capture_output=True, check=True, timeout=20)
    assert [json.loads(line)["endpoint"] for line in done.stdout.splitlines()] == ["eu-central-web-3"] * 2
    resolv = subprocess.run(process.wrapped(space, ["cat", "/etc/resolv.conf"]), capture_output=True, check=True)
    assert b"nameserver 10.3.0.1\n" in resolv.stdout


def test_up_beside_a_running_lab_is_refused_by_its_name_and_leaves_it_alone(bare: Lab) -> None:
    done = subprocess.run([*COMMAND, "up", "--bare", "--dir", bare.directory], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f'isthmus: E182 lab "{bare.lab}" is already in {bare.directory}: ')
    assert len(done.stderr.splitlines()) == 1
    assert None not in trips(bare, 1) and all(map(process.alive, load(bare.path).programs.values()))


def test_a_second_lab_lives_beside_the_first_and_goes_alone(bare: Lab, tmp_path: Path) -> None:
    before = marks()
    try:
        second = raise_lab(tmp_path / "lab", Options(bare=True), lambda _: None)
        assert len(namespaces(netns.prefix(second.lab))) == 13
    finally:
        remove(tmp_path / "lab")
    assert leftovers(second) == [] and marks() == before
    assert None not in trips(bare, 1)


def test_a_killed_program_is_started_again_by_its_name(bare: Lab) -> None:
    for verb in ("kill", "start"):
        subprocess.run([*COMMAND, verb, "wan", "--dir", bare.directory], check=True, stdout=subprocess.DEVNULL)
        assert process.alive(load(bare.path).programs["wan"]) is (verb == "start")
    again = subprocess.run([*COMMAND, "start", "wan", "--dir", bare.directory], capture_output=True, text=True)
    assert again.returncode == 2 and "E182 wan runs already" in again.stderr
    eventually(lambda: (bare.wan_socket).exists() and None not in trips(bare, 1))


@pytest.mark.parametrize("moment", ["first namespace", "endpoints"])
def test_down_after_kill_9_during_up_leaves_nothing(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "lab"
    before = marks()
    with subprocess.Popen([*COMMAND, "up", "--bare", "--dir", str(folder)], stdout=subprocess.DEVNULL) as child:
        try:
            eventually(lambda: (folder / FILE).exists())
            lab = load(folder)
            spaces = netns.prefix(lab.lab)
            if moment == "endpoints":
                eventually(lambda: "eu-central-web" in load(folder).programs)
            else:
                eventually(lambda: bool(namespaces(spaces)))
        finally:
            child.kill()
    try:
        strays = set(pids_in(namespaces(spaces)))
        assert strays or moment == "first namespace"
        done = subprocess.run([*COMMAND, "down", "--dir", str(folder)], capture_output=True, text=True, check=True)
        assert done.stdout == f"lab {lab.lab} is down; nothing of it is left\n"
    finally:
        remove(folder)
    assert leftovers(lab) == [] and marks() == before
    assert all(process.start_ticks(pid) is None for pid in strays)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_takes_down_what_it_made(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "lab"
    before = marks()
    with subprocess.Popen(
        [*COMMAND, "up", "--bare", "--dir", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        try:
            eventually(lambda: (folder / FILE).exists() and bool(load(folder).programs))
            child.send_signal(number)
            child.wait(20)
        finally:
            child.kill()
            remove(folder)
    assert child.returncode != 0
    assert marks() == before and not folder.exists()


def test_a_failed_up_takes_down_what_it_made_and_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        process, "own", lambda *_: ["sh", "-c", "echo 'isthmus: cannot serve: port in use' >&2; exit 2"]
    )
    before = marks()
    folder = tmp_path / "lab"
    try:
        with pytest.raises(LabError) as caught:
            raise_lab(folder, Options(bare=True), lambda _: None)
    finally:
        remove(folder)
    assert str(caught.value) == (
        f"E184 wan ended with status 2: isthmus: cannot serve: port in use (log: {folder}/log/wan.log)"
    )
    assert marks() == before
    assert [path.name for path in folder.iterdir()] == ["log"]
