"""Capacity across regions: the own member is filled to 0.8 of what it can take, the rest goes on by grants, and a
member whose own clients come takes its room back.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.netns.test_live_lab import ISTHMUS, MEMBERS, api, isthmus, raised

pytestmark = pytest.mark.netns

POLICY = """\
apiVersion: isthmus.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: web, namespace: shop}
spec:
  capacity: 50
  return: {percent: 100, seconds: 1}
"""
ACCESS = """\
apiVersion: isthmus.dev/v1alpha1
kind: AccessPolicy
metadata: {name: web, namespace: shop}
spec:
  service: web
  from: [{member: us-east}, {member: us-west}, {member: eu-central}]
"""
URL = "http://web.shop.svc.clusterset.local:80/"
ROOM = 80
"""Two ready endpoints of 50 requests per second, filled to 0.8."""


def offer_everywhere(lab: Path) -> None:
    """Every member offers two endpoints of 50 requests per second."""
    offered = lab / "eu-central" / "manifests"
    export, endpoints = (offered / "web.yaml").read_text(), (offered / "web-endpoints.yaml").read_text()
    for number, member in enumerate(MEMBERS, start=1):
        folder = lab / member / "manifests"
        here = endpoints.replace("10.3.1.", f"10.{number}.1.").replace("eu-central-1", f"{member}-1")
        said = {"policy": POLICY, "web-access": ACCESS, "web": export, "web-endpoints": here}
        for name, text in said.items():
            (folder / f".{name}").write_text(text)
            (folder / f".{name}").rename(folder / f"{name}.yaml")


def inputs(lab: Path, member: str) -> tuple[int, dict[str, dict[str, int]]]:
    """Demand and candidates of shop/web as the member's nodes are told them."""
    answer = isthmus("explain", "shop/web", "--from", member, "--api", api(lab, member), "--output", "json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    return told["demand"], {row["member"]: row for row in told["inputs"]}


def wait_for_offers(lab: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        rows = [row for member in MEMBERS for name, row in inputs(lab, member)[1].items() if name != member]
        if len(rows) == 6 and all(row["ready"] == 2 and row["grant"] >= 0 for row in rows):
            return
    raise AssertionError(rows)


@contextmanager
def asking(lab: Path, member: str, rate: int, out: Path) -> Iterator[None]:
    """Clients of the member ask so often during the block, answered or not."""
    words = [ISTHMUS, "lab", "exec", "--dir", str(lab), f"{member}-client", ISTHMUS, "lab", "client", "--count", "0"]
    with out.open("w") as file:
        client = subprocess.Popen(
            [*words, "--deadline", "120", "--open", "--rate", str(rate), "--keep", URL], stdout=file, stderr=sys.stderr
        )
        try:
            yield
        finally:
            client.terminate()
            client.wait(20)


def rates(out: Path, seconds: float = 8) -> dict[str, float]:
    """Answers a second by member over the last so many seconds; every request was answered."""
    lines = [json.loads(line) for line in out.read_text().splitlines()[:-1]]
    last = [one for one in lines if one["t"] > lines[-1]["t"] - seconds]
    assert all(one["ok"] for one in last)
    return {name: count / seconds for name, count in Counter(one["member"] for one in last).items()}


def settle(lab: Path, member: str, rate: int) -> None:
    """Until the member's demand is known to 10 %, and what follows is in force."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        demand, _ = inputs(lab, member)
        if abs(demand - rate) <= rate // 10:
            break
    else:
        raise AssertionError(f"{member} knows of {demand} requests per second, not {rate}")
    time.sleep(9)


def test_what_a_member_cannot_take_goes_on_by_grants(tmp_path: Path) -> None:
    with raised() as lab:
        offer_everywhere(lab)
        wait_for_offers(lab)
        east, west = tmp_path / "east", tmp_path / "west"
        with asking(lab, "us-east", 140, east):
            settle(lab, "us-east", 140)
            found = rates(east)
            demand, told = inputs(lab, "us-east")
            assert found["us-east"] == pytest.approx(ROOM, rel=0.15)
            assert found["us-west"] == pytest.approx(140 - ROOM, rel=0.2)
            assert found.get("eu-central", 0) < 5
            assert told["us-west"]["grant"] >= (demand - ROOM) * 0.9

            with asking(lab, "us-west", 60, west):
                settle(lab, "us-west", 60)
                east_now, west_now = rates(east), rates(west)
                _, told = inputs(lab, "us-east")
                assert told["us-west"]["grant"] <= ROOM - 60 + 8, "own clients first"
                assert west_now["us-west"] == pytest.approx(60, rel=0.1)
                assert east_now["us-west"] + west_now["us-west"] <= 100, "no more than it can take"
                assert east_now["eu-central"] == pytest.approx(140 - ROOM - (ROOM - 60), rel=0.4)
        answer = isthmus("map", "--api", api(lab, "us-east"), "--output", "json")
        edges = {edge["destination"]: edge for edge in json.loads(answer.stdout)["edges"]}
        assert edges["us-east"]["source"] == {"member": "us-east", "namespace": "shop", "account": "client"}
        assert edges["us-east"]["service"] == "shop/web" and edges["us-east"]["errors_percent"] == 0
