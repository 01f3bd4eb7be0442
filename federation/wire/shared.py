"""One object for what many resources of a feed say alike."""

from typing import TypeVar

from msgspec import Struct, msgpack, structs

from federation.model.handout import Steered, Target

T = TypeVar("T", Struct, tuple[Target, ...])

MOST = 8_192
"""Contents of which is remembered which object has them; then it begins anew."""


class Shared:
    """Remembers contents by their bytes."""

    def __init__(self) -> None:
        self._held: dict[bytes, object] = {}

    def of(self, value: Struct) -> Struct:
        """The same; policy and targets of a public name are those of the first that had the very same."""
        if not isinstance(value, Steered):
            return value
        name = structs.replace(value.name, policy=self._one(value.name.policy))
        return structs.replace(value, name=name, targets=self._one(value.targets))

    def _one(self, value: T) -> T:
        if len(self._held) > MOST:
            self._held.clear()
        found = self._held.setdefault(type(value).__name__.encode() + msgpack.encode(value), value)
        assert type(found) is type(value)
        return found
