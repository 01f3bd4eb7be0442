"""Anchors are rotated in a live federation under load: no connection fails, and nobody who is cut off is left behind.

The load is a new TCP connection for each request to a port that is no HTTP, so that node Envoy and gateway Envoy make a new
mutual TLS connection for each: Envoy's own count of handshakes says so.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.lab import api, look, manifests
from federation.lab.look import Answer
from federation.lab.manifests import Listed
from federation.lab.state import Lab, load
from federation.lab.topology import LAB
from tests.netns.spaces import await_true
from tests.netns.test_live_lab import isthmus, raised

pytestmark = pytest.mark.netns

THERE, BACK = "eu-central", "us-east"
SERVICES = {THERE: "there", BACK: "back"}
RATE, RATE_BACK = 200, 50
SECONDS = 40.0
REFUSALS = ("connection_error", "fail_verify_error", "fail_verify_san", "fail_verify_no_cert")


@pytest.fixture(scope="module")
def lab() -> Iterator[Path]:
    """Each of two regions offers a service of plain TCP to the other."""
    with raised() as path:
        for member, service in SERVICES.items():
            folder, pods = path / member / "manifests", LAB.member(member).endpoints[:2]
            texts = {service: manifests.SERVICE.format(service=service)}
            texts[f"{service}-endpoints"] = manifests.slice_text(map(Listed, pods), service)
            for name, text in texts.items():
                plain = "".join(line for line in text.splitlines(True) if "appProtocol" not in line)
                manifests.replace(folder / f"{name}.yaml", plain)
        for client, server in ((BACK, THERE), (THERE, BACK)):
            await_true(f"{client} is served", lambda c=client, s=server: answered(load(path), c, s))  # type: ignore[misc]
        yield path


def url(member: str) -> str:
    return f"http://{SERVICES[member]}.shop.svc.clusterset.local/"


def answered(lab: Lab, client: str, server: str) -> bool:
    answers = look.fetch(lab, client, 1, "--timeout", "2", url=url(server))
    return bool(answers) and answers[0]["member"] == server


def trust(lab: Path, member: str) -> dict[str, Any]:
    """What `isthmus trust status` prints, without a process that takes time from those that are measured."""
    return api.get(lab / member / "state" / "api.sock", "/v1/trust")


def begin(lab: Path, member: str) -> None:
    said = isthmus("trust", "rotate", "--state", str(lab / member / "state"))
    assert said.returncode == 0, said.stderr


def counted(lab: Path, member: str, what: str, group: str = "ssl.") -> int:
    """What this member's node Envoy has counted towards gateways of other members: of TLS, or of another group."""
    text = api.text(lab / member / "node" / "envoy-admin.sock", f"/stats?filter=^cluster.*{group}{what}$")
    return sum(int(line.rpartition(":")[2]) for line in text.splitlines() if ":" in line)


def anchors(lab: Path, member: str) -> tuple[str, str]:
    """The anchor that the signer has on disk and the one that status names."""
    return (lab / member / "state" / "anchor.pem").read_text(), str(trust(lab, member)["anchor"])


def rotate(lab: Path, member: str, answers: list[Answer]) -> None:
    """One whole rotation; load goes on for a second after it."""
    file, name = anchors(lab, member)
    begun = time.monotonic()
    begin(lab, member)
    await_true(f"{member} is done", lambda: trust(lab, member)["phase"] == "idle", SECONDS)
    print(f"{member} rotated in {time.monotonic() - begun:.1f} s")
    after = anchors(lab, member)
    assert (after[0] != file, after[1] != name) == (True, True)
    assert not (lab / member / "state" / "ca" / "next.json").exists()
    seen = len(answers)
    await_true("load goes on", lambda: len(answers) >= seen + RATE)


def failures(answers: list[Answer]) -> list[str]:
    return [look.told(answer) for answer in answers if not answer["ok"]]


def test_two_rotations_under_load_fail_no_connection(lab: Path) -> None:
    live, before = load(lab), counted(lab, BACK, "handshake")
    there = look.recording(live, BACK, "--rate", str(RATE), url=url(THERE))
    back = look.recording(live, THERE, "--rate", str(RATE_BACK), url=url(BACK))
    with there as out, back as home:
        await_true("load runs", lambda: len(out) >= RATE and len(home) >= RATE_BACK)
        for member in (THERE, BACK):
            rotate(lab, member, out)
    made, resumed = counted(lab, BACK, "handshake") - before, counted(lab, BACK, "session_reused")
    refused = {member: [counted(lab, member, what) for what in REFUSALS] for member in SERVICES}
    print(f"{len(out)} + {len(home)} connections; {BACK}: {made} handshakes, {resumed} of them resumed")
    for what in (
        "upstream_cx_connect_timeout",
        "upstream_cx_none_healthy",
        "outlier_detection.ejections_enforced_total",
    ):
        print(what, {member: counted(lab, member, what, "") for member in SERVICES})
    print(f"handshakes that failed, by cause {REFUSALS}: {refused}")
    assert refused == {member: [0] * len(REFUSALS) for member in SERVICES}
    assert (failures(out), failures(home)) == ([], [])
    assert {answer["member"] for answer in out} == {THERE}
    assert made >= len(out)


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
