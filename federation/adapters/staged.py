"""A small state that is whole in memory, with what of it is not durable yet."""

from __future__ import annotations


class Staged:
    """Reads and writes of a Store; whoever inherits it makes what is staged durable. None: dropped."""

    def __init__(self) -> None:
        self._content: dict[str, bytes] = {}
        self._staged: dict[str, bytes | None] = {}

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._content.get(key)

    def items(self, prefix: str) -> dict[str, bytes]:
        """Every key with this prefix."""
        return {key: value for key, value in self._content.items() if key.startswith(prefix)}

    def put(self, key: str, value: bytes) -> None:
        """Set the value; `flush` makes it durable."""
        if self._content.get(key) != value:
            self._content[key] = value
            self._staged[key] = value

    def drop(self, key: str) -> None:
        """Forget the key; `flush` makes it durable."""
        if self._content.pop(key, None) is not None:
            self._staged[key] = None
