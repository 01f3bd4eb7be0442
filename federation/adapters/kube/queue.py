"""The order of writes: each object once, none twice at a time, and what shall be before what shall not."""

from __future__ import annotations

from collections import OrderedDict

from federation.adapters.kube.kinds import ObjectKey


class WriteQueue:
    """Keys to look at; a key that is noted while it is being worked on comes again afterwards."""

    def __init__(self) -> None:
        self._applies: OrderedDict[ObjectKey, None] = OrderedDict()
        self._deletes: OrderedDict[ObjectKey, None] = OrderedDict()
        self._busy: dict[ObjectKey, bool] = {}
        self._applying = 0

    def __len__(self) -> int:
        return len(self._applies) + len(self._deletes) + len(self._busy)

    @property
    def busy(self) -> bool:
        """True while an object is being looked at."""
        return bool(self._busy)

    def note(self, key: ObjectKey, wanted: bool) -> None:
        """Look at this object; `wanted` says whether it shall be."""
        mine, other = (self._applies, self._deletes) if wanted else (self._deletes, self._applies)
        other.pop(key, None)
        mine[key] = None

    def take(self) -> ObjectKey | None:
        """The next object; deletes only when no apply waits or is under way. None: nothing to do now."""
        for waiting in (self._applies, self._deletes):
            if waiting is self._deletes and (self._applies or self._applying):
                return None
            for key in waiting:
                if key not in self._busy:
                    del waiting[key]
                    self._busy[key] = waiting is self._applies
                    self._applying += self._busy[key]
                    return key
        return None

    def done(self, key: ObjectKey) -> None:
        """The object was looked at."""
        self._applying -= self._busy.pop(key)
