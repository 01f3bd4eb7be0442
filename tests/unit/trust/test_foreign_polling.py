"""The poller of foreign bundles: when it looks, what it takes and keeps, and what stays in force."""

import asyncio
import base64
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.adapters.memory import ManualClock
from federation.lkg.disk import Disk
from federation.model.errors import Unavailable
from federation.ports import ForeignState
from federation.trust.bundle import Bundle, write_bundle
from federation.trust.foreign import Foreign, ForeignFolder
from federation.trust.poll import Poller
from tests.unit.trust.test_foreign import AP, EU, HELD, KEY, TD, anchor_of, bundle_at, document, web
from tests.worlds.odd_certificates import ODD


class Polling:
    """A poller over a folder, with a clock and an endpoint that a test sets."""

    def __init__(self, path: Path) -> None:
        self.folder = ForeignFolder(path / "foreign", "else.mesh")
        self.folder.add(web("https://h/b"), b"", 0)
        self.clock, self.disk = ManualClock(), Disk()
        self.answer: bytes | Exception = write_bundle(HELD)
        self.looks = 0
        self.meanwhile: Callable[[], None] = lambda: None
        self.states: list[tuple[ForeignState, ...]] = []
        self.poller = self.start()

    def start(self) -> Poller:
        return Poller(self.folder, self.clock, self._fetch, self.states.append, self.disk)

    async def _fetch(self, foreign: Foreign, held: Bundle | None) -> bytes:
        self.looks += 1
        self.meanwhile()
        if isinstance(self.answer, bytes):
            return self.answer
        raise self.answer

    def step(self, seconds: float = 0) -> ForeignState:
        self.clock.advance(seconds)
        asyncio.run(self.poller.step())
        return self.states[-1][0]


@pytest.fixture
def polling(tmp_path: Path) -> Polling:
    return Polling(tmp_path)


def test_a_bundle_is_looked_at_again_when_its_hint_says_so(polling: Polling) -> None:
    found = polling.step()
    assert (found.sequence, found.anchors, found.keys, found.problem) == (7, EU.anchor, (KEY,), "")
    polling.step(299)
    assert polling.looks == 1
    polling.answer = write_bundle(bundle_at(8))
    assert polling.step(1).sequence == 8
    assert polling.looks == 2


def test_a_failure_waits_for_the_next_interval_and_the_last_good_stays(polling: Polling) -> None:
    polling.step()
    for answer, text in (
        (Unavailable("away"), "E190 away"),
        (
            write_bundle(bundle_at(6)),
            "E109 bundle of eu-central.acme.mesh: sequence 6 is older than 7, which is held; last good kept",
        ),
        (
            document(anchor_of(AP.anchor), spiffe_sequence=9),
            'E126 bundle of eu-central.acme.mesh: a certificate is of "spiffe://ap-south.acme.mesh"',
        ),
    ):
        polling.answer, before = answer, polling.looks
        found = polling.step(300)
        assert (found.problem, found.sequence, found.anchors) == (text, 7, EU.anchor)
        polling.step(299)
        assert polling.looks == before + 1
        polling.clock.advance(-299)


@pytest.mark.parametrize("kind", ODD)
def test_a_bundle_that_cannot_be_read_ends_no_poller(kind: str, polling: Polling) -> None:
    polling.step()
    polling.answer = document({"use": "x509-svid", "x5c": [base64.b64encode(ODD[kind][0]).decode()]}, spiffe_sequence=9)
    found = polling.step(300)
    text = "E126 bundle of eu-central.acme.mesh: a certificate cannot be read"
    assert (found.problem, found.sequence, found.anchors) == (text, 7, EU.anchor)


def test_what_nobody_foresaw_of_one_endpoint_is_its_problem(polling: Polling) -> None:
    polling.step()
    polling.answer = RuntimeError("not foreseen")
    assert polling.step(300).problem == "RuntimeError: not foreseen"


def test_the_last_good_survives_a_restart_and_its_sequence_too(polling: Polling) -> None:
    polling.step()
    polling.answer = write_bundle(bundle_at(6))
    polling.poller = polling.start()
    assert polling.step().sequence == 7


def test_all_keys_revoked_is_taken(polling: Polling) -> None:
    polling.step()
    polling.answer = document(spiffe_sequence=8)
    found = polling.step(300)
    assert (found.anchors, found.keys, found.sequence, found.problem) == ("", (), 8, "")


OTHER = web("https://other/b")


def move(folder: ForeignFolder) -> None:
    folder.remove(TD)
    folder.add(OTHER, b"", 0)


@pytest.mark.parametrize("moved", [False, True])
def test_what_was_removed_during_a_look_leaves_nothing_for_another_endpoint(moved: bool, polling: Polling) -> None:
    polling.meanwhile = lambda: move(polling.folder) if moved else polling.folder.remove(TD)
    asyncio.run(polling.poller.step())
    assert polling.folder.held(TD) is None
    polling.meanwhile, polling.answer = (lambda: None), Unavailable("not up yet")
    if not moved:
        polling.folder.add(OTHER, b"", 0)
    found = polling.step()
    assert (found.url, found.anchors, found.sequence, found.problem) == (OTHER.url, "", 0, "E190 not up yet")
    polling.answer = write_bundle(bundle_at(1))
    assert polling.step(300).sequence == 1


def test_a_bundle_that_was_left_behind_is_not_taken_up_again(polling: Polling) -> None:
    polling.step()
    left = polling.folder.held(TD)
    assert left is not None
    polling.folder.remove(TD)
    polling.folder.keep(TD, left[0])
    polling.folder.add(OTHER, b"", 0)
    assert polling.folder.held(TD) is None


def test_a_full_disk_does_not_keep_revoked_keys_in_force(polling: Polling, monkeypatch: pytest.MonkeyPatch) -> None:
    polling.step()
    polling.answer = document(spiffe_sequence=8)
    with monkeypatch.context() as full:
        full.setattr("federation.trust.foreign.write_private", no_space)
        found = polling.step(300)
    assert (found.anchors, found.keys, found.sequence, found.problem) == ("", (), 8, "")
    assert polling.disk.problems == (
        f"the bundle of {TD} is not on disk: No space left on device; it is served from memory, and a restart would "
        "find the one before",
    )
    polling.step(300)
    assert not polling.disk.problems


def test_what_the_disk_did_not_take_is_no_problem_once_removed(
    polling: Polling, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr("federation.trust.foreign.write_private", no_space)
        polling.step()
    polling.folder.remove(TD)
    asyncio.run(polling.poller.step())
    assert (polling.states[-1], polling.disk.problems) == ((), ())


def no_space(path: Path, data: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_removed_trust_domain_is_polled_no_more(polling: Polling) -> None:
    polling.step()
    polling.folder.remove(TD)
    asyncio.run(polling.poller.step())
    assert polling.states[-1] == ()
