"""The file of a gateway's WireGuard keys, and what the agent makes of it."""

import base64
import json
from pathlib import Path

import pytest

from federation.link.possession import proves
from federation.model.errors import InputError
from gateways import folder, keys
from gateways.keys import Key, KeyFile, Keys
from gateways.made import keys_problem
from gateways.state import NodeState
from tests.unit.gateways.test_intent import GATEWAY

OLD, NEW = b"o" * 32, b"n" * 32
FIRST = Keys(Key(OLD))


def test_a_key_is_exchanged_in_three_steps_and_slots_take_turns() -> None:
    begun = FIRST.begun(NEW)
    turned = begun.turned()
    assert begun == Keys(Key(OLD, 0), Key(NEW, 1))
    assert turned == Keys(Key(NEW, 1), Key(OLD, 0), leaving=True)
    assert turned.ended() == Keys(Key(NEW, 1))
    assert turned.ended().begun(OLD).spare == Key(OLD, 0)
    assert begun.ended() == FIRST
    assert begun.exchanged(b"x" * 32) == Keys(Key(b"x" * 32))


@pytest.mark.parametrize(
    "held", [FIRST, FIRST.begun(NEW), FIRST.begun(NEW).turned(), FIRST.begun(NEW).turned().ended()]
)
def test_what_is_kept_is_what_is_read(tmp_path: Path, held: Keys) -> None:
    keys.save(tmp_path, held)
    path = tmp_path / folder.KEY_FILE
    assert keys.load(tmp_path) == held and path.stat().st_mode & 0o777 == 0o600
    assert (path.read_bytes() == OLD) == (held == FIRST), "a single first key is a bare seed, as ever"


def written(*held: tuple[int, int]) -> bytes:
    """A file whose keys have seeds of so many bytes, and these slots."""
    made = [{"seed": base64.b64encode(bytes(size)).decode(), "slot": slot} for size, slot in held]
    return json.dumps({"first": made[0], "spare": made[1] if made[1:] else None}).encode()


@pytest.mark.parametrize(
    "data", [b"", b"short", b"{}" * 20, written((31, 0)), written((32, 2)), written((32, 0), (32, 0)), written((32, 1), (9, 0))]
)  # fmt: skip
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / folder.KEY_FILE
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        keys.load(tmp_path)
    assert caught.value.text == (
        f"{path}: holds {len(data)} bytes, the seed of a WireGuard key has 32; remove it to make a new one"
    )


def said(file: KeyFile) -> str:
    return "; ".join(file.problems)


def test_the_agent_follows_the_file_and_keeps_what_it_read_last(tmp_path: Path) -> None:
    file = KeyFile(tmp_path, GATEWAY)
    assert file.look() is GATEWAY
    keys.save(tmp_path, FIRST.begun(NEW))
    two = file.look()
    assert file.look() is two and two.spare is not None and (two.slot, two.spare.slot) == (0, 1)
    assert proves(two.spare.possession, two.spare.public_key, "us-east", "g1")
    path = tmp_path / folder.KEY_FILE
    path.write_bytes(b"short")
    assert file.look() is two
    assert said(file) == (
        f"E122 {path}: holds 5 bytes, the seed of a WireGuard key has 32; remove it to make a new one; "
        "the key that was read last stays in use"
    )
    keys.save(tmp_path, FIRST.begun(NEW).turned())
    turned = file.look()
    assert said(file) == "" and turned.spare is not None
    assert (turned.public_key, turned.spare.public_key) == (two.spare.public_key, two.public_key)


def test_status_says_so_while_there_are_two(tmp_path: Path) -> None:
    assert keys_problem(NodeState(situation=GATEWAY)) == ()
    assert keys_problem(NodeState(situation=keys.with_keys(GATEWAY, FIRST.begun(NEW)))) == (
        "E127 this gateway has two WireGuard keys: `isthmus gateway rotate-key` goes on with that",
    )
