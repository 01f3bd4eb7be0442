"""What a standby takes over from its leader: records of others, the ledger; and who may ask a leader at all."""

import asyncio
import shutil
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from federation.adapters.leadership import Leader
from federation.adapters.memory import MemoryCluster, MemoryStore
from federation.config import Folder
from federation.lkg.ring import Ring, bytes_of, newest
from federation.model.errors import Refused, Unavailable
from federation.model.spiffe import controller_id
from federation.replica.leader import Answers
from federation.replica.questions import PART, Asked, ExplainAsked, FilesAsked, PartAsked, StatusAsked
from federation.replica.standby import Leads, Standby
from federation.session.tree import tree_of
from tests.worlds.command_line import said

OTHER = controller_id("eu.acme.mesh")


class Following(MemoryStore):
    """A store that another controller leads."""

    leads = False
    leader = Leader(identity="first", address="127.0.0.1:1")

    async def follow(self) -> None:
        """Never needed here."""

    async def keep(self) -> None:
        """Never needed here."""

    async def resign(self) -> None:
        """Never needed here."""


class Copying(Standby):
    """Asks this leader, without a network between them."""

    answers: Answers

    async def _ask(self, asked: Asked) -> bytes:
        return await self.answers.answer(self._identity, msgspec.msgpack.encode(asked))


class Two:
    """A leader's folder and a standby that is a copy of it."""

    def __init__(self, path: Path) -> None:
        self.leader, self.folder = Folder(path / "a"), Folder(path / "b")
        place = ("--domain", "acme.mesh", "--name", "us", "--region", "us", "--az", "a", "--reachable", "10.1.0.0/16")
        made = said(
            "init", "--state", str(path / "a"), *place, "--clusterset", "10.101.0.0/16", "--sync", "127.0.0.1:1"
        )
        assert made[0] == 0, made
        shutil.copytree(path / "a", path / "b")
        own = self.leader.own()
        self.own = controller_id(own.trust_domain)
        self.status: dict[str, Any] = {"member": "us", "revision": 7}
        self.answers = Answers(self.own, self.leader, lambda: self.status, lambda *what: {"of": str(what[0])})
        leads = Leads("second", Following(), False)
        self.standby = Copying(self.folder, own, MemoryCluster(), leads, "127.0.0.1:1")
        self.standby.answers = self.answers


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_records_of_others_are_copied_whole_and_only_when_they_differ(two: Two) -> None:
    content = tree_of({"service/shop/web": bytes(3 * PART)})
    Ring(two.leader.lkg, "record-eu").keep(b"head", content, 1)
    asyncio.run(two.standby._take_files())
    kept = newest(two.folder.lkg, "record-eu")
    assert kept is not None and (kept.head, kept.content) == (b"head", dict(content.items()))
    stamp = (two.folder.lkg / "record-eu.now").stat().st_mtime_ns
    asyncio.run(two.standby._take_files())
    assert (two.folder.lkg / "record-eu.now").stat().st_mtime_ns == stamp


def test_of_a_log_is_asked_what_is_new(two: Two) -> None:
    ring, large = Ring(two.leader.lkg, "record-eu"), tree_of({str(n): bytes(PART // 8) for n in range(32)})
    asked: list[PartAsked] = []
    ask = two.standby._ask

    async def noted(question: Asked) -> bytes:
        asked.extend([question] if isinstance(question, PartAsked) else [])
        return await ask(question)

    two.standby._ask = noted  # type: ignore[assignment, method-assign]
    for _ in range(3):
        ring.keep(b"1", large, 1)
    log = two.folder.lkg / "record-eu.log"
    for number in range(3):
        ring.keep(b"2", large.put("a", b"%d" % number), 2)
        begun, asked[:] = len(bytes_of(log)), []
        asyncio.run(two.standby._take_files())
        kept = newest(two.folder.lkg, "record-eu")
        assert kept is not None and (kept.head, kept.content["a"]) == (b"2", b"%d" % number)
        assert [one for one in asked if one.name == log.name] == [PartAsked(log.name, begun)]
    Ring(two.leader.lkg, "record-eu").keep(b"3", large, 3)
    asyncio.run(two.standby._take_files())
    kept = newest(two.folder.lkg, "record-eu")
    assert kept is not None and (kept.head, "a" in kept.content) == (b"3", False)


def test_a_log_that_is_damaged_at_the_leader_replaces_nothing(two: Two) -> None:
    ring = Ring(two.leader.lkg, "record-eu")
    for number in range(4):
        ring.keep(b"%d" % number, tree_of({"n": b"%d" % number}), 1)
    asyncio.run(two.standby._take_files())
    path = two.leader.lkg / "record-eu.log"
    path.write_bytes(bytes_of(path)[:-40] + bytes(40))
    asyncio.run(two.standby._take_files())
    kept = newest(two.folder.lkg, "record-eu")
    assert kept is not None and kept.head == b"3"


def test_a_file_that_is_damaged_at_the_leader_replaces_nothing(two: Two) -> None:
    Ring(two.folder.lkg, "record-eu").keep(b"good", tree_of({}), 1)
    two.leader.lkg.mkdir(exist_ok=True)
    (two.leader.lkg / "record-eu.now").write_bytes(bytes(100))
    asyncio.run(two.standby._take_files())
    kept = newest(two.folder.lkg, "record-eu")
    assert kept is not None and kept.head == b"good"


def test_a_longer_ledger_is_taken_over(two: Two) -> None:
    state = str(two.leader.path)
    assert said("member", "set", "us", "--state", state, "--namespace", "shop")[0] == 0
    assert two.leader.ledger_bytes() != two.folder.ledger_bytes()
    asyncio.run(two.standby._take_files())
    assert two.leader.ledger_bytes() == two.folder.ledger_bytes()


def test_answers_are_kept_for_when_the_leader_is_silent(two: Two) -> None:
    async def work() -> None:
        assert (await two.standby.status())["replica"]["role"] == "standby"
        assert (await two.standby.explain("shop/web", "us", 0))["of"] == "shop/web"
        two.status = {}
        two.standby._ask = silent  # type: ignore[method-assign]
        answer = await two.standby.status()
        assert (answer["revision"], answer["replica"]["problems"]) == (7, ["E190 silent"])

    async def silent(asked: Asked) -> bytes:
        raise Unavailable("silent")

    asyncio.run(work())


REFUSED = [
    (
        OTHER,
        msgspec.msgpack.encode(StatusAsked()),
        f"E105 {OTHER} is no controller of this member: it may not read its state",
    ),
    (None, b"\x01", "E120 question of a standby cannot be read: Expected `object`, got `int`"),
    (None, msgspec.msgpack.encode(PartAsked("../record.key", 0)), 'E104 no file "../record.key" is given to standbys'),
    (None, msgspec.msgpack.encode(PartAsked("record.key", 0)), 'E104 no file "record.key" is given to standbys'),
    (None, msgspec.msgpack.encode(PartAsked("ledger", -1)), 'E104 no file "ledger" is given to standbys'),
]


@pytest.mark.parametrize(("caller", "request_bytes", "text"), REFUSED)
def test_what_a_leader_refuses(two: Two, caller: Any, request_bytes: bytes, text: str) -> None:
    with pytest.raises(Refused) as refused:
        asyncio.run(two.answers.answer(caller or two.own, request_bytes))
    assert str(refused.value) == text


def test_a_mistake_in_explain_is_told_as_the_api_tells_it(two: Two) -> None:
    raw = asyncio.run(two.answers.answer(two.own, msgspec.msgpack.encode(ExplainAsked("A b", "us", 0))))
    assert msgspec.json.decode(zlib.decompress(raw))["code"].startswith("E")
    listed = asyncio.run(two.answers.answer(two.own, msgspec.msgpack.encode(FilesAsked())))
    assert list(msgspec.msgpack.decode(listed)) == ["ledger"]
