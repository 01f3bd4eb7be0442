"""The WireGuard keys of an agent: one, and of a gateway two while the one is exchanged for the other.

They stand in one file of the folder that is replaced whole, so that each step is taken or is not.
"""

import secrets
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from federation.files import write_private
from federation.link.possession import KEY_BYTES, wireguard_key
from federation.model.errors import InputError
from federation.model.overlay import SLOTS
from gateways import folder
from gateways.state import Situation


class Key(Struct, frozen=True):
    """The seed of a key (`federation.link.possession`), and the slot that gives it rails, ports and devices."""

    seed: bytes
    slot: int = 0


class Keys(Struct, frozen=True):
    """Everybody sends under `first`; under `spare` links stand as well. `leaving`: that is the old one, else a new."""

    first: Key
    spare: Key | None = None
    leaving: bool = False

    def begun(self, seed: bytes) -> "Keys":
        """With a new key beside the one in use."""
        return Keys(self.first, Key(seed, SLOTS - 1 - self.first.slot))

    def turned(self) -> "Keys":
        """With the new key in use, and the old one leaving."""
        return Keys(self.spare or self.first, self.first, leaving=True)

    def ended(self) -> "Keys":
        """With the key in use alone."""
        return Keys(self.first)

    def exchanged(self, seed: bytes) -> "Keys":
        """With this one in the place of the one in use, at once."""
        return Keys(Key(seed, self.first.slot))


def load(directory: Path) -> Keys:
    """The keys in the folder; a first one is made on first use. InputError when the file holds none."""
    path = directory / folder.KEY_FILE
    try:
        return parsed(path, path.read_bytes())
    except FileNotFoundError:
        keys = Keys(Key(new_seed()))
        save(directory, keys)
        return keys
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def parsed(path: Path, data: bytes) -> Keys:
    """What the file holds: a bare seed, or more in JSON. InputError for anything else."""
    if len(data) == KEY_BYTES:
        return Keys(Key(data))
    wrong = f"{path}: holds {len(data)} bytes, the seed of a WireGuard key has {KEY_BYTES}; remove it to make a new one"
    try:
        keys = msgspec.json.decode(data, type=Keys)
    except msgspec.MsgspecError:
        raise InputError(wrong) from None
    held = [keys.first, *([keys.spare] if keys.spare else [])]
    slots = {one.slot for one in held}
    if any(len(one.seed) != KEY_BYTES for one in held) or len(slots) != len(held) or not slots <= set(range(SLOTS)):
        raise InputError(wrong)
    return keys


def save(directory: Path, keys: Keys) -> None:
    """Put them in the folder (0600), for the agent to find."""
    bare = keys == Keys(Key(keys.first.seed))
    write_private(directory / folder.KEY_FILE, keys.first.seed if bare else msgspec.json.encode(keys))


def new_seed() -> bytes:
    """The seed of a key that nobody has."""
    return secrets.token_bytes(KEY_BYTES)


def with_keys(situation: Situation, keys: Keys) -> Situation:
    """An agent that has these."""
    spare = None if keys.spare is None else _under(situation, keys.spare)
    return structs.replace(_under(situation, keys.first), spare=spare)


def _under(situation: Situation, key: Key) -> Situation:
    made = wireguard_key(key.seed, situation.member, situation.node)
    return structs.replace(
        situation, slot=key.slot, private_key=made.private, public_key=made.public, possession=made.proof, spare=None
    )


class KeyFile:
    """The situation of a gateway as the keys in its folder have it now. What cannot be read changes nothing."""

    def __init__(self, directory: Path, situation: Situation) -> None:
        self._path = directory / folder.KEY_FILE
        self._situation = situation
        self._read = b""
        self.problems: tuple[str, ...] = ()

    def look(self) -> Situation:
        """The very object of the last look while the keys are the same."""
        try:
            data = self._path.read_bytes()
            if data != self._read:
                self._situation, self._read = with_keys(self._situation, parsed(self._path, data)), data
        except FileNotFoundError:
            pass
        except (OSError, InputError) as error:
            why = error.text if isinstance(error, InputError) else f"{self._path}: {error.strerror}"
            self.problems = (f"E122 {why}; the key that was read last stays in use",)
        else:
            self.problems = ()
        return self._situation
