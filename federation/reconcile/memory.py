"""What planning a service must remember over a restart: its last good wish and names, and its ways back."""

from heapq import nsmallest

import msgspec
from msgspec import Struct, structs

from federation.model.names import ServiceKey
from federation.model.standing import Standing
from federation.model.wish import Wish
from federation.plan.steering import Kept
from federation.ports import Store
from federation.wire.keyed import encode

PREFIX = "steering/"
LEFT_MAX = 5_000
"""Services that nobody exports any more whose addresses are remembered."""
_decoder = msgspec.msgpack.Decoder(Kept)


class Paths(Struct, frozen=True):
    """The ways to other members, as they are written down."""

    paths: dict[str, Standing]


class Suspicion(Struct, frozen=True):
    """A public target that our DNS servers find down since this Unix millisecond; so many other members do as well."""

    since: int
    others: int


class Suspicions(Struct, frozen=True):
    """By host and member, as they are written down."""

    hosts: dict[str, dict[str, Suspicion]]


class Memory:
    """What was remembered of each service, kept in the store where a restart would miss it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        stored = store.items(PREFIX)
        self._stored = {key.removeprefix(PREFIX): data for key, data in stored.items()}
        self._kept = {key: _decoder.decode(data) for key, data in self._stored.items()}
        self._left = {key: kept.left for key, kept in self._kept.items() if kept.left}

    def of(self, service: ServiceKey) -> Kept:
        """What the last plan of this service remembered."""
        return self._kept.get(str(service), Kept())

    def keep(self, service: ServiceKey, kept: Kept) -> None:
        """Remember this; on disk when it is more than what a first look would find."""
        name = str(service)
        self._kept[name] = kept
        if not kept.candidates and kept == Kept():
            self._kept.pop(name)
        if kept.left:
            self._left[name] = kept.left
        else:
            self._left.pop(name, None)
        data = encode(_lasting(kept)) if _worth_keeping(kept) else b""
        if data == self._stored.get(name, b""):
            return
        if data:
            self._store.put(PREFIX + name, data)
            self._stored[name] = data
        else:
            self._store.drop(PREFIX + name)
            self._stored.pop(name, None)

    def expire(self, now: int) -> None:
        """At this Unix millisecond forget the addresses of services that nobody exports for long, or of the longest
        gone when they are too many.
        """
        old = [name for name in self._left if not self._kept[name].remembered(now)]
        for name in old or nsmallest(len(self._left) - LEFT_MAX, self._left, key=self._left.__getitem__):
            namespace, _, service = name.partition("/")
            self.keep(ServiceKey(namespace, service), structs.replace(self._kept[name], addresses=(), left=0))


def _lasting(kept: Kept) -> Kept:
    """What a restart must find: not what moves with traffic."""
    candidates = tuple(structs.replace(one, grant=-1) for one in kept.candidates)
    return structs.replace(kept, candidates=candidates, wants={}, grants={})


def _worth_keeping(kept: Kept) -> bool:
    coming = any(c.since for found in (kept.candidates, *kept.targets.values()) for c in found)
    return (
        coming or Wish() != kept.wish or Wish() != kept.namespace or bool(kept.names or kept.addresses or kept.ranked)
    )
