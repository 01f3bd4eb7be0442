"""Programs of a cluster enrol themselves by their service account tokens: real processes, on both beds."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_service_account import told
from tests.netns.spaces import await_true, why_not
from tests.worlds.clusters import Bed
from tests.worlds.enrolling import BELOW, Town, enrolled, town

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"ENROLLING NOT TESTED: {why_not()}")
N1, N2 = "ip-10-0-1-23.ec2.internal", "n2"
NODE = "node-ip-10-0-1-23-ec2-internal-50fb9056cf3a89b3"


@pytest.fixture(scope="module")
def place(alone: Bed) -> Iterator[Town]:
    """With two nodes."""
    with town(alone.one) as found:
        found.node(N1)
        found.node(N2)
        yield found


def test_every_role_enrols_and_connects(place: Town) -> None:
    tokens = {role: place.token(role, place.pod(role, N1)) for role in ("gateway", "node")}
    pod = place.pod("dns", N2)
    place.agent("gateway", tokens["gateway"], "--underlay", f"{BELOW}:51820")
    node = place.agent("node", tokens["node"])
    place.dns(place.token("dns", pod))
    await_true("all three are connected", lambda: len(place.sessions()) == 3, 60)
    assert sorted(place.sessions().values()) == ["dns", "gateway", "node"]
    assert place.sessions()[f"dns-{pod}"] == "dns"
    found = enrolled(node)
    assert found["node"] == NODE and place.sessions()[NODE] == "node"
    assert (found["member"], found["domain"], found["attests"]) == ("us-east", "acme.mesh", True)


def test_a_pod_that_lost_its_disk_is_the_same_program(place: Town) -> None:
    pod = place.pod("dns", N1)
    state = place.dns(place.token("dns", pod), "forgetful")
    await_true("it is connected", lambda: f"dns-{pod}" in place.sessions(), 60)
    place.site.kill("forgetful")
    shutil.rmtree(state)
    await_true("it is gone", lambda: f"dns-{pod}" not in place.sessions(), 60)
    place.dns(place.token("dns", pod), "forgetful")
    await_true("it is back under its name", lambda: f"dns-{pod}" in place.sessions(), 60)
    assert [one for one in place.site.log("us-east-controller") if one.get("node") == f"dns-{pod}" and "new" in one][
        -1
    ]["new"] is False


def test_a_controller_that_starts_again_knows_who_enrolled(place: Town) -> None:
    pod = place.pod("dns", N1)
    place.dns(place.token("dns", pod), "steady")
    await_true("it is connected", lambda: f"dns-{pod}" in place.sessions(), 60)
    place.site.kill("us-east-controller")
    place.site.run_controller("us-east", place.cluster.kubeconfig)
    await_true("it is connected again", lambda: f"dns-{pod}" in place.sessions(), 60)
    assert [one["message"] for one in place.site.log("steady")].count("enrolled") == 1


def test_one_that_was_forgotten_enrols_again_by_itself(place: Town) -> None:
    pod = place.pod("dns", N1)
    place.dns(place.token("dns", pod), "stranger")
    await_true("it is connected", lambda: f"dns-{pod}" in place.sessions(), 60)
    place.site.kill("us-east-controller")
    for path in place.site.folder("us-east").path.glob("store.sqlite*"):
        path.unlink()
    place.site.run_controller("us-east", place.cluster.kubeconfig)
    await_true("it is connected again", lambda: f"dns-{pod}" in place.sessions(), 60)
    said = [one["message"] for one in place.site.log("stranger")]
    assert said.count("enrolled") == 2 and "enrolling anew" in said


REFUSED = {
    "another account": ("other", "dns", N1, "isthmus", "the role dns is for {namespace}/dns"),
    "another role": ("node", "gateway", N1, "isthmus", "the role gateway is for {namespace}/gateway"),
    "another audience": ("dns", "dns", N1, "", "E105 service account token: "),
    "no pod": ("dns", "dns", "", "isthmus", "E105 service account token of {namespace}/dns: is bound to no pod"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_may_not_is_told_why_and_keeps_asking(place: Town, case: str) -> None:
    account, role, node, audience, text = REFUSED[case]
    token = place.token(account, place.pod(account, node) if node else "", audience)
    name = f"refused-{case.replace(' ', '-')}"
    state = ("--state", str(place.site.path / name))
    how = place.how(name, token)
    if role == "dns":
        place.site.launch(name, "dns", "serve", *state, "--listen", "127.0.0.1:1", *how)
    else:
        more = ("--address", "127.0.0.1", "--underlay", "127.0.0.1:1", "--role", role)
        place.site.launch(name, "agent", "run", *state, *more, *how)
    said = text.format(namespace=place.namespace)

    def reasons() -> list[str]:
        return [one["reason"] for one in place.site.log(name) if one["message"] == "not enrolled yet"]

    await_true("it was refused twice", lambda: len(reasons()) > 1, 60)
    assert all(said in reason for reason in reasons()), reasons()
    place.site.kill(name)
    assert not (place.site.path / name / "enrolled.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="SERVICE ACCOUNTS NOT TESTED: not root, cannot mount")
def test_a_pod_on_the_node_gets_its_identity_without_a_registration(place: Town) -> None:
    if not (place.site.path / "agent-node" / "enrolled.json").exists():
        place.agent("node", place.token("node", place.pod("node", N1)))
    socket = place.site.path / "agent-node" / "workload.sock"
    await_true("the Workload API is there", socket.exists)
    await_true("the agent is connected", lambda: "node" in place.sessions().values(), 60)
    here, there = place.pod("client", N1), place.pod("other", N2)
    said = await_true("an answer", lambda: answered(socket, place.token("client", here, "")), 60)
    assert said == f"spiffe://us-east.acme.mesh/ns/{place.namespace}/sa/client"
    said = told(socket, place.token("other", there, ""))
    assert f'its pod runs on node "{N2}", and was shown on "{N1}"' in said


def answered(socket: Path, token: str) -> str | None:
    """What a process with this token is told once the agent has a handout."""
    said = told(socket, token)
    return None if "no handout" in said or "no controller" in said else said
