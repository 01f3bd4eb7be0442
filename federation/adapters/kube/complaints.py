"""What could not be written: a problem line per object, but one per namespace, right or outage that stops many."""

from __future__ import annotations

import re

from federation.adapters.kube.http import ApiError
from federation.adapters.kube.kinds import Kind, ObjectKey, title

_MANAGER = re.compile(r'conflict with "([^"]*)"')
_RIGHT = re.compile(r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[a-z/]+)"')
_TEXT_MAX = 400


class Complaints:
    """The problems of now."""

    def __init__(self) -> None:
        self._objects: dict[ObjectKey, str] = {}
        self._rights: dict[str, set[ObjectKey]] = {}
        self._waiting: dict[str, set[ObjectKey]] = {}
        self._outage = ""

    def lines(self) -> tuple[str, ...]:
        """One line each."""
        waits = [_waits(namespace, keys) for namespace, keys in self._waiting.items()]
        outage = (self._outage,) if self._outage else ()
        return tuple(sorted((*self._objects.values(), *waits, *self._rights, *outage)))

    def answered(self) -> None:
        """The API server takes writes."""
        self._outage = ""

    def unreachable(self, why: str) -> None:
        """The API server takes no writes."""
        self._outage = f"the API server cannot be written to ({why[:_TEXT_MAX]}); what waits is written when it answers"

    def gone(self, key: ObjectKey) -> None:
        """Nothing is wrong with this object any more."""
        self._objects.pop(key, None)
        for held, name in (*((self._rights, line) for line in tuple(self._rights)), (self._waiting, key[1])):
            keys = held.get(name, set())
            keys.discard(key)
            if not keys:
                held.pop(name, None)

    def waits(self, key: ObjectKey) -> None:
        """The object's namespace is not there."""
        self._waiting.setdefault(key[1], set()).add(key)

    def namespace_is_there(self, namespace: str) -> set[ObjectKey]:
        """What waited for it."""
        return self._waiting.pop(namespace, set())

    def foreign(self, key: ObjectKey) -> None:
        """Somebody else's object stands where ours shall be."""
        self._objects[key] = f"{title(key)}: is there and not ours, so it is left alone: delete or rename it"

    def stuck(self, key: ObjectKey, finalizers: list[str]) -> None:
        """Our object is being deleted and does not go."""
        who = ", ".join(f'"{name[:_TEXT_MAX]}"' for name in finalizers[:3])
        self._objects[key] = (
            f"{title(key)}: is being deleted and does not go before its finalizers {who} are taken out by who set them"
        )

    def refused(self, kind: Kind, key: ObjectKey, error: ApiError) -> None:
        """The API server refused a write."""
        reasons = {cause.reason for cause in error.causes}
        if error.code == 403 and "NamespaceTerminating" in reasons:
            self.waits(key)
        elif error.code == 403 and (right := _RIGHT.search(error.message)):
            self._rights.setdefault(_forbidden(kind, right), set()).add(key)
        elif error.code == 404 and error.details.kind == "namespaces":
            self.waits(key)
        elif error.code == 404 and error.details.name == key[2]:
            pass
        elif error.code == 404:
            self._objects[key] = f"{title(key)}: the API server does not know {kind.resource}: install the definitions"
        elif error.code >= 500:
            self.unreachable(str(error))
        elif "FieldManagerConflict" in reasons:
            self._objects[key] = _conflict(key, error)
        else:
            self._objects[key] = f"{title(key)}: the API server refuses it: {str(error)[:_TEXT_MAX]}"


def _forbidden(kind: Kind, right: re.Match[str]) -> str:
    resource, _, sub = right["resource"].partition("/")
    what = f"{resource}.{kind.group}" if kind.group else resource
    return (
        f"{kind.name}: the API server does not let us {right['verb']} {what}{'/' if sub else ''}{sub}: "
        "grant it (deploy/, ClusterRole)"
    )


def _waits(namespace: str, keys: set[ObjectKey]) -> str:
    few = ", ".join(title(key) for key in sorted(keys)[:3]) + (", ..." if len(keys) > 3 else "")
    return f'namespace "{namespace}" does not exist or is ending: {len(keys)} of our objects wait for it ({few})'


def _conflict(key: ObjectKey, error: ApiError) -> str:
    fields = ", ".join(cause.field.removeprefix(".") for cause in error.causes)
    managers = sorted({found[1] for cause in error.causes if (found := _MANAGER.search(cause.message))})
    who = ", ".join(f'"{name}"' for name in managers)
    return f"{title(key)}: field {fields} is held by {who}, so it is left alone: take it out there"
