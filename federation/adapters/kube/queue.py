"""The order of writes: each object once, none twice at a time, and what shall be before what shall not."""

from __future__ import annotations

from collections import Counter, OrderedDict

from federation.adapters.kube.kinds import ObjectKey


class WriteQueue:
    """Keys to look at; a key that is noted while it is being worked on comes again afterwards.

    A delete waits for the applies of its owner, one without an owner for all: an apply that hangs holds back no
    other's.
    """

    def __init__(self) -> None:
        self._applies: OrderedDict[ObjectKey, str] = OrderedDict()
        self._deletes: OrderedDict[ObjectKey, str] = OrderedDict()
        self._busy: dict[ObjectKey, str | None] = {}
        self._applying: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._applies) + len(self._deletes) + len(self._busy)

    @property
    def busy(self) -> bool:
        """True while an object is being looked at."""
        return bool(self._busy)

    def note(self, key: ObjectKey, wanted: bool, owner: str = "") -> None:
        """Look at this object of that owner; `wanted` says whether it shall be."""
        self._deletes.pop(key, None)
        before = self._applies.pop(key, None)
        if before is not None:
            self._drop_apply(before)
        if wanted:
            self._applies[key] = owner
            self._applying[owner] += 1
        else:
            self._deletes[key] = owner

    def take(self) -> ObjectKey | None:
        """The next object; a delete only when no apply that it waits for is left or under way. None: nothing now."""
        for key in self._applies:
            if key not in self._busy:
                self._busy[key] = self._applies.pop(key)
                return key
        for key, owner in self._deletes.items():
            if key not in self._busy and not (self._applying[owner] if owner else self._applying):
                del self._deletes[key]
                self._busy[key] = None
                return key
        return None

    def done(self, key: ObjectKey) -> None:
        """The object was looked at."""
        owner = self._busy.pop(key)
        if owner is not None:
            self._drop_apply(owner)

    def _drop_apply(self, owner: str) -> None:
        self._applying[owner] -= 1
        if not self._applying[owner]:
            del self._applying[owner]
