"""The controller's desk: names are its own, a program of `isthmus enroll` goes before, who is gone is forgotten."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from federation.adapters.memory import MemoryCluster, MemoryStore
from federation.config import SelfEnrolled
from federation.link.enroll import Answer, Question
from federation.link.leaf import new_key, signing_request
from federation.model.errors import Refused, Unavailable
from federation.model.spiffe import agent_id, controller_id
from federation.model.tokens import ServiceAccount
from federation.ports import Agents
from federation.trust import enrolling as room
from federation.trust.enrolling import Desk, Enrolling, Forgetting, Home
from federation.trust.enrolment import AUDIENCE

DOMAIN = "us-east.acme.mesh"
NODE = agent_id(DOMAIN, "node-n1")


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class Reviewing(MemoryCluster):
    """One pod of sys/agent on n1."""

    nodes: frozenset[str] | None = frozenset({"n1"})

    async def review(self, token: str, audience: str = "") -> ServiceAccount:
        assert (token, audience) == ("token", AUDIENCE)
        return ServiceAccount("sys", "agent", "agent-x", "n1")


class Scene:
    def __init__(self, path: Path) -> None:
        self.store, self.time, self.cluster = MemoryStore(), Time(), Reviewing()
        self.home = Home(
            DOMAIN, path / "signer", path, lambda: "anchors", SelfEnrolled(self.store), self.store, self.time
        )
        self.desk = Enrolling(Desk("", {"node": ("sys", "agent")}), self.home, self.cluster)

    def ask(self, request: bytes = b"") -> Answer:
        return asyncio.run(self.desk.answer(Question("token", "node", request), "10.0.0.1"))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    async def signed(path: Path, request: bytes) -> str:
        return "chain"

    monkeypatch.setattr(room, "ask_signer", signed)
    return Scene(tmp_path)


def test_first_the_name_then_the_certificate_and_only_then_it_is_enrolled(scene: Scene) -> None:
    assert scene.ask() == Answer("node-n1")
    assert scene.home.themselves.known == {}
    for _ in ("first", "with an empty disk"):
        assert scene.ask(signing_request(new_key(), NODE)) == Answer("node-n1", "chain", "anchors", True)
    assert list(SelfEnrolled(scene.store).known) == ["node-n1"]


@pytest.mark.parametrize("wanted", [agent_id(DOMAIN, "node-n2"), controller_id(DOMAIN)])
def test_no_other_name_can_be_asked_for(scene: Scene, wanted: Any) -> None:
    with pytest.raises(Refused) as caught:
        scene.ask(signing_request(new_key(), wanted))
    assert str(caught.value) == f"E105 {NODE} may not be issued {wanted}"
    assert scene.home.themselves.known == {}


def test_a_program_of_isthmus_enroll_goes_before(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "node-n1.json").write_text("{}")
    with pytest.raises(Refused) as caught:
        scene.ask()
    assert str(caught.value) == 'E102 agent "node-n1" was enrolled by `isthmus enroll`; remove its file first'


def test_nothing_is_answered_that_the_store_does_not_hold(scene: Scene) -> None:
    scene.store.unconfirmed = True
    with pytest.raises(Unavailable):
        scene.ask(signing_request(new_key(), NODE))


def test_one_whose_node_is_gone_is_forgotten_and_can_ask_for_nothing(scene: Scene) -> None:
    scene.ask(signing_request(new_key(), NODE))
    gone: list[str] = []
    agents: Any = type("None_", (), {"states": lambda self: {}})()
    forgetting = Forgetting(scene.home, scene.cluster, cast(Agents, agents), gone.append)
    for now, nodes, expected in (
        (0.0, frozenset({"n1"}), []),
        (10_000.0, None, []),
        (20_000.0, frozenset({"n2"}), []),
        (20_600.0, frozenset({"n2"}), ["node-n1"]),
    ):
        scene.time.now, scene.cluster.nodes = now, nodes
        asyncio.run(forgetting.once())
        assert gone == expected
    assert SelfEnrolled(scene.store).known == {}
