"""Anchors are rotated in a live federation under load: no connection fails, and nobody who is cut off is left behind."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.lab import api
from federation.lab.state import load
from tests.netns.rotation_load import (
    BACK,
    SECONDS,
    SERVICES,
    THERE,
    anchors,
    answered,
    begin,
    connecting,
    offer_both,
    rotate,
    trust,
)
from tests.netns.spaces import await_true
from tests.netns.test_live_lab import isthmus, raised

pytestmark = pytest.mark.netns

RATE, RATE_BACK = 100, 25
"""New connections a second; half of what the row `rotation-failed-connections` asks of a machine of its own."""
REFUSALS = ("connection_error", "fail_verify_error", "fail_verify_san", "fail_verify_no_cert")


@pytest.fixture(scope="module")
def lab() -> Iterator[Path]:
    """Each of two regions offers a service of plain TCP to the other."""
    with raised() as path:
        offer_both(path)
        yield path


def counted(lab: Path, member: str, what: str, group: str = "ssl.") -> int:
    """What this member's node Envoy has counted towards gateways of other members: of TLS, or of another group."""
    text = api.text(lab / member / "node" / "envoy-admin.sock", f"/stats?filter=^cluster.*{group}{what}$")
    return sum(int(line.rpartition(":")[2]) for line in text.splitlines() if ":" in line)


def test_two_rotations_under_load_fail_no_connection(lab: Path) -> None:
    before = counted(lab, BACK, "handshake")
    with connecting(lab, RATE, RATE_BACK) as under:
        for member in (THERE, BACK):
            print(f"{member} rotated in {rotate(lab, member, under):.1f} s")
    made, resumed = counted(lab, BACK, "handshake") - before, counted(lab, BACK, "session_reused")
    refused = {member: [counted(lab, member, what) for what in REFUSALS] for member in SERVICES}
    print(f"{len(under.out)} + {len(under.home)} connections; {BACK}: {made} handshakes, {resumed} of them resumed")
    for what in (
        "upstream_cx_connect_timeout",
        "upstream_cx_none_healthy",
        "outlier_detection.ejections_enforced_total",
    ):
        print(what, {member: counted(lab, member, what, "") for member in SERVICES})
    print(f"handshakes that failed, by cause {REFUSALS}: {refused}")
    assert refused == {member: [0] * len(REFUSALS) for member in SERVICES}
    assert under.failed == []
    assert {answer["member"] for answer in under.out} == {THERE}
    assert made >= len(under.out)


def test_who_is_cut_off_is_waited_for_by_name_over_restarts_and_joins_again(lab: Path) -> None:
    assert isthmus("lab", "cut", "us-west", "--dir", str(lab)).returncode == 0
    old = anchors(lab, THERE)
    begin(lab, THERE)

    def waits() -> list[str]:
        return [row["name"] for row in trust(lab, THERE).get("waits", ())]

    await_true("it waits for us-west alone", lambda: waits() == ["member/us-west"], SECONDS)
    for program in ("controller", "signer"):
        assert isthmus("lab", "kill", "--dir", str(lab), f"{THERE}-{program}").returncode == 0
    for program in ("signer", "controller"):
        assert isthmus("lab", "start", "--dir", str(lab), f"{THERE}-{program}").returncode == 0
    socket = lab / THERE / "state" / "api.sock"
    await_true("the controller answers", lambda: socket.exists() and status_of(lab, THERE) == "prepare", SECONDS)
    await_true("it waits still", lambda: waits() == ["member/us-west"], SECONDS)
    assert (anchors(lab, THERE), trust(lab, THERE)["phase"]) == (old, "prepare")
    assert answered(load(lab), BACK, THERE)
    assert isthmus("lab", "heal", "us-west", "--dir", str(lab)).returncode == 0
    await_true("it is done", lambda: trust(lab, THERE)["phase"] == "idle", SECONDS)
    assert anchors(lab, THERE)[1] != old[1]
    await_true("us-west is served by the new anchor", lambda: answered(load(lab), "us-west", THERE), SECONDS)


def status_of(lab: Path, member: str) -> str:
    """The phase; "" while no controller answers."""
    said = isthmus("trust", "status", "--state", str(lab / member / "state"))
    return str(json.loads(said.stdout)["phase"]) if said.returncode == 0 else ""
