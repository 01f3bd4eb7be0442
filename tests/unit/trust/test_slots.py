"""The signer's keys over a rotation: what is on disk at every moment starts a signer that signs with the right one."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from federation.files import write_private
from federation.link.leaf import issuer_of, new_key, signing_request
from federation.model.errors import InputError, IsthmusError, Refused
from federation.model.spiffe import account
from federation.trust import slots as slots_module
from federation.trust.anchor import key_id, make_anchor
from federation.trust.signer import Command, ask_signer, command_signer
from federation.trust.slots import Slots
from tests.worlds.signer import DOMAIN, open_slots, serving, slots_of

NOW = datetime.now(UTC)
OTHER = make_anchor(DOMAIN, NOW)[1]


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return slots_of(tmp_path, make_anchor(DOMAIN, NOW))


def activated(slots: Slots) -> str:
    slots.prepare(NOW)
    assert slots.next is not None
    slots.activate(slots.next.slot.anchor)
    return slots.next.slot.anchor


def test_the_next_key_is_private_and_survives(slots: Slots, tmp_path: Path) -> None:
    slots.prepare(NOW)
    made = slots.next
    slots.prepare(NOW)
    assert slots.next == made
    assert (tmp_path / "next.json").stat().st_mode & 0o777 == 0o600
    again = open_slots(tmp_path)
    assert (again.next, again.signing) == (made, slots.first)
    assert made is not None
    again.activate(made.slot.anchor)
    assert open_slots(tmp_path).signing == made.slot


def test_finishing_leaves_one_key(slots: Slots, tmp_path: Path) -> None:
    old, new = slots.first, activated(slots)
    slots.finish(new)
    slots.finish(new)
    assert old.key not in (tmp_path / "anchor.key").read_text()
    found = open_slots(tmp_path)
    assert (found.first.anchor, found.next, (tmp_path / "next.json").exists()) == (new, None, False)


@pytest.mark.parametrize("writes", range(2))
def test_a_signer_that_dies_while_it_finishes_goes_on_with_the_new_key(
    slots: Slots, tmp_path: Path, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, left = activated(slots), [None] * writes

    def dying(path: Path, data: bytes) -> None:
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        write_private(path, data)

    monkeypatch.setattr(slots_module, "write_private", dying)
    with pytest.raises(OSError, match="No space left"):
        slots.finish(new)
    monkeypatch.undo()
    found = open_slots(tmp_path)
    assert found.signing.anchor == new
    found.finish(new)
    assert (open_slots(tmp_path).first.anchor, open_slots(tmp_path).next) == (new, None)


def aborted_late(slots: Slots) -> None:
    activated(slots)
    slots.abort()


def finished_early(slots: Slots) -> None:
    slots.prepare(NOW)
    assert slots.next is not None
    slots.finish(slots.next.slot.anchor)


REFUSED: dict[str, tuple[Callable[[Slots], None], str]] = {
    "abort after it signs": (aborted_late, "E102 the next anchor signs already: its key is not removed"),
    "finish before it signs": (finished_early, "E102 the next anchor does not sign yet: the old key is not removed"),
    "activate another": (lambda slots: slots.activate(OTHER), "E102 the signer does not hold the key of this anchor"),
    "finish another": (lambda slots: slots.finish(OTHER), "E102 the signer does not hold the key of this anchor"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_slots_refuse(slots: Slots, tmp_path: Path, case: str) -> None:
    act, text = REFUSED[case]
    with pytest.raises(Refused) as caught:
        act(slots)
    assert str(caught.value) == text
    assert open_slots(tmp_path).signing == slots.signing


def test_a_key_file_that_others_may_read_or_that_is_none_is_refused(slots: Slots, tmp_path: Path) -> None:
    slots.prepare(NOW)
    path = tmp_path / "next.json"
    path.chmod(0o644)
    with pytest.raises(InputError) as caught:
        open_slots(tmp_path)
    assert str(caught.value) == f"E122 {path} has mode 0644: must be 0600, run `chmod 600 {path}`"
    path.chmod(0o600)
    path.write_text("{")
    with pytest.raises(InputError, match=f"E125 {path}: "):
        open_slots(tmp_path)


def test_the_signer_process_signs_with_the_key_that_it_is_told_to(slots: Slots, tmp_path: Path) -> None:
    socket = tmp_path / "signer.sock"
    web = account(DOMAIN, "shop", "web")

    async def issuer() -> str:
        return issuer_of(await ask_signer(socket, signing_request(new_key(), web)))

    async def main() -> None:
        async with serving(slots, socket):
            first = await command_signer(socket, Command(do="tell"))
            prepared = await command_signer(socket, Command(do="prepare"))
            assert (first.next_anchor, prepared.active) == ("", False)
            assert await issuer() == key_id(first.anchor)
            held = await command_signer(socket, Command(do="activate", anchor=prepared.next_anchor))
            assert held.active
            assert await issuer() == key_id(prepared.next_anchor)
            done = await command_signer(socket, Command(do="finish", anchor=prepared.next_anchor))
            assert (done.anchor, done.next_anchor) == (prepared.next_anchor, "")
            assert await issuer() == key_id(done.anchor)
            with pytest.raises(IsthmusError, match="the signer does not hold the key of this anchor"):
                await command_signer(socket, Command(do="activate", anchor=OTHER))

    asyncio.run(main())
