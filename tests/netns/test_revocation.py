"""A member is revoked, or leaves, in a live federation: trust, links, services and names are gone everywhere within the bar, and stay so."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.lab import manifests, netns
from federation.lab.cluster import Folder
from federation.lab.dns_client import Question, ask
from federation.lab.manifests import Listed, Return
from federation.lab.state import load
from federation.lab.topology import LAB
from tests.netns.spaces import await_true
from tests.netns.test_live_lab import ISTHMUS, isthmus, raised, status

pytestmark = pytest.mark.netns

GONE, OTHERS = "eu-central", ("us-east", "us-west")
BAR = 30.0
HOST = "shop.example.test"
URL = "http://web.shop.svc.clusterset.local/"


@pytest.fixture
def lab() -> Iterator[Path]:
    """Three members; only the one that will be revoked offers shop/web, us-east defines a public name for it."""
    with raised() as path:
        manifests.set_endpoints(
            Folder(path / GONE / "manifests"), [Listed(pod) for pod in LAB.member(GONE).endpoints[:2]]
        )
        Folder(path / "us-east" / "manifests").put(manifests.public_name(Return(100, 1)))
        yield path


def fetched(lab: Path, member: str) -> str:
    """Who answers shop/web to a client in this member; "" when nobody does."""
    where = ("lab", "exec", "--dir", str(lab), f"{member}-client", ISTHMUS, "lab", "client")
    said = json.loads(isthmus(*where, URL, "--timeout", "3").stdout)
    return str(said["member"]) if said["ok"] else ""


def resolved(lab: Path, member: str) -> tuple[str, ...]:
    """What a client in this member gets for the public name."""
    question = Question(LAB.member(member).gateway, HOST)
    return ask(netns.client(load(lab).lab, member), question).addresses


def left(lab: Path, member: str) -> list[str]:
    """What this member still has of the revoked one."""
    found: dict[str, Any] = status(lab, member)
    said = [part for part in ("members", "links") for row in found[part] if row["member"] == GONE]
    said += [f"shares of {row['service']}" for row in found["services"] if row.get("shares")]
    said += [f"{row['node']} is not current" for row in found["nodes"] if not row["current"]]
    said += ["an answer"] if fetched(lab, member) else []
    return said + (["an address"] if resolved(lab, member) else [])


def used(lab: Path) -> None:
    """Until both others are served and named by the one that will go."""
    for member in OTHERS:
        await_true(f"{member} is served from {GONE}", lambda member=member: fetched(lab, member) == GONE)  # type: ignore[misc]
        await_true(f"{member} names {GONE}", lambda member=member: resolved(lab, member) == (LAB.member(GONE).public,))  # type: ignore[misc]


def alone(lab: Path) -> list[str]:
    """What keeps the one that left from serving its own cluster, and no other."""
    found: dict[str, Any] = status(lab, GONE)
    said = [] if found["membership"] else ["it does not know that it left"]
    said += [
        f"{row['node']} {row['session']}" for row in found["nodes"] if not (row["current"] and row["session"] == "up")
    ]
    said += [f"a link to {row['member']}" for row in found["links"]]
    return said + ([] if fetched(lab, GONE) == GONE else ["its own service does not answer"])


def test_a_member_that_leaves_is_gone_everywhere_and_serves_its_own_cluster_alone(lab: Path) -> None:
    used(lab)
    done = isthmus("leave", "--state", str(lab / GONE / "state"))
    assert json.loads(done.stdout)["state"] == "asks to leave", done.stderr
    for member in OTHERS:
        await_true(f"{member} has forgotten it", lambda member=member: not left(lab, member), BAR)  # type: ignore[misc]
    await_true("it goes on alone", lambda: not alone(lab), BAR)
    assert isthmus("lab", "kill", "--dir", str(lab), f"{GONE}-controller").returncode == 0
    assert isthmus("lab", "start", "--dir", str(lab), f"{GONE}-controller").returncode == 0
    await_true("its controller answers again", lambda: answers(lab, GONE), BAR)
    await_true("it goes on alone", lambda: not alone(lab), BAR)


def test_c14_a_revoked_member_is_gone_everywhere_and_stays_gone(lab: Path) -> None:
    used(lab)
    done = isthmus("member", "revoke", GONE, "--state", str(lab / "us-east" / "state"))
    assert json.loads(done.stdout) == {"member": GONE, "state": "revoked"}, done.stderr
    for member in OTHERS:
        await_true(f"{member} has forgotten it", lambda member=member: not left(lab, member), BAR)  # type: ignore[misc]
    assert fetched(lab, GONE) == GONE, "inside, its own service goes on"
    assert isthmus("lab", "kill", "--dir", str(lab), "us-west-controller").returncode == 0
    assert isthmus("lab", "start", "--dir", str(lab), "us-west-controller").returncode == 0
    await_true("the restarted controller answers", lambda: (lab / "us-west" / "state" / "api.sock").exists())
    await_true("and still has nothing of it", lambda: answers(lab, "us-west") and not left(lab, "us-west"), BAR)
    again = isthmus("member", "revoke", GONE, "--state", str(lab / "us-east" / "state"))
    assert (again.returncode, again.stderr) == (2, f'isthmus: E102 member "{GONE}" is revoked already\n')


def answers(lab: Path, member: str) -> bool:
    command = [ISTHMUS, "status", "--api", str(lab / member / "state" / "api.sock"), "--output", "json"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
