"""Drains and shifts that were asked for here, since when, and whether more are taken: written down, so that a restart
begins none of them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct, structs

from federation.model.local import Drained
from federation.model.moves import Leaving, Order, Orders, Shift, soonest
from federation.model.names import MemberName, ServiceKey
from federation.model.record import key_of
from federation.ports import Store
from federation.wire.keyed import encode

T = TypeVar("T")
DRAIN, OBJECT, SHIFT = "moves/drain/", "moves/object/", "moves/shift/"
DECIDED, FROZEN = "moves/decided/", "moves/frozen"


class Begun(Struct, frozen=True):
    """A Drain object in force: of which member ("": our own), since when. `uid` is the object's."""

    member: str
    order: Order
    uid: str = ""


class Asked(Struct, frozen=True):
    """A shift, and why."""

    shift: Shift
    reason: str = ""


class Moves:
    """What was asked for here. `frozen` says why no move is taken now, "" when they are; `waiting` are the Drain
    objects that wait for the end of that.
    """

    def __init__(self, own: MemberName, store: Store) -> None:
        self._own = own
        self._store = store
        self.orders = {MemberName(key): value for key, value in _read(store, DRAIN, Order)}
        self.objects = dict(_read(store, OBJECT, Begun))
        self.shifts = dict(_read(store, SHIFT, Asked))
        self.decided = dict(_read(store, DECIDED, int))
        self.frozen = (store.get(FROZEN) or b"").decode()
        self.waiting: frozenset[str] = frozenset()

    def follow(self, drains: Mapping[str, Drained] | None, now: int) -> None:
        """Take over the Drain objects as they stand at this Unix millisecond; None: they are not known, as before."""
        if drains is None:
            return
        waiting = set()
        for name, drain in drains.items():
            begun = self.objects.get(name)
            again = begun is None or (begun.member, begun.uid) != (drain.member, drain.uid)
            if again and self.frozen:
                waiting.add(name)
                self._forget_object(name, now)
                continue
            since = now if begun is None or again else begun.order.since
            self._begin_object(name, Begun(drain.member, Order(since, drain.seconds, drain.reason), drain.uid), now)
        for name in self.objects.keys() - drains.keys():
            self._forget_object(name, now)
        self.waiting = frozenset(waiting)

    def drain(self, member: MemberName, order: Order, now: int) -> None:
        """This member is drained, by command, from now on or as before with another duration."""
        self.orders[member] = order
        self._store.put(DRAIN + member, encode(order))
        self.decide(member, now)

    def undrain(self, member: MemberName, now: int) -> None:
        """It is not any more, as far as a command said so."""
        if self.orders.pop(member, None) is not None:
            self._store.drop(DRAIN + member)
        self.decide(member, now)

    def decide(self, member: str, now: int) -> None:
        """Somebody drained or undrained this member here: what our programs were told before that is over, also where
        our clock was set back since.
        """
        self.decided[member] = max(now, self.decided.get(member, 0) + 1)
        self._store.put(DECIDED + member, msgspec.msgpack.encode(self.decided[member]))

    def shift(self, asked: Asked) -> None:
        """This shift is in force; another of the same service, source and destination is not."""
        key = key_of(asked.shift).removeprefix("shift/")
        self.shifts[key] = asked
        self._store.put(SHIFT + key, encode(asked))

    def unshift(self, service: ServiceKey) -> tuple[Shift, ...]:
        """None of this service is in force any more; those that were."""
        gone = {key: asked.shift for key, asked in self.shifts.items() if asked.shift.service == service}
        for key in gone:
            del self.shifts[key]
            self._store.drop(SHIFT + key)
        return tuple(gone.values())

    def freeze(self, why: str) -> None:
        """No move is taken from now on ("": they are)."""
        self.frozen = why
        if why:
            self._store.put(FROZEN, why.encode())
        else:
            self._store.drop(FROZEN)

    @property
    def told(self) -> Orders:
        """What our own programs must know."""
        return Orders(dict(sorted(self.decided.items())), self.frozen)

    def of(self, member: MemberName) -> list[Order]:
        """Every drain of this member that was asked for here."""
        found = [self.orders[member]] if member in self.orders else []
        return found + [one.order for _, one in sorted(self.objects.items()) if (one.member or self._own) == member]

    def leaves(self) -> dict[MemberName, Leaving]:
        """Who is drained by what was asked for here."""
        members = {*self.orders, *(MemberName(one.member or self._own) for one in self.objects.values())}
        found = {member: soonest(order.leaving for order in self.of(member)) for member in sorted(members)}
        return {member: leaving for member, leaving in found.items() if leaving is not None}

    def own_shifts(self, service: ServiceKey) -> tuple[Shift, ...]:
        """Those of this service away from our own member: they are for all to see."""
        return tuple(s for s in self._of_service(service) if s.source == self._own)

    def shifts_of(self, service: ServiceKey, said: Iterable[Shift]) -> tuple[Shift, ...]:
        """All that our clients obey, with what others `said` of any service, the weaker first: between the same two
        members ours counts.
        """
        others = (one for one in said if one.service == service)
        found = {(one.source, one.to): one for one in (*others, *self._of_service(service))}
        return tuple(found[key] for key in sorted(found))

    def _of_service(self, service: ServiceKey) -> list[Shift]:
        return [asked.shift for asked in self.shifts.values() if asked.shift.service == service]

    def _begin_object(self, name: str, begun: Begun, now: int) -> None:
        before = self.objects.get(name)
        if before == begun:
            return
        self.objects[name] = begun
        self._store.put(OBJECT + name, encode(begun))
        if before is None or before.order.since != begun.order.since:
            self.decide(begun.member or self._own, now)

    def _forget_object(self, name: str, now: int) -> None:
        if (begun := self.objects.pop(name, None)) is not None:
            self._store.drop(OBJECT + name)
            self.decide(begun.member or self._own, now)


def hastened(order: Order, seconds: int, reason: str) -> Order:
    """A drain that began already, over another time; its reason stays where none is given."""
    return structs.replace(order, seconds=seconds, reason=reason or order.reason)


def _read(store: Store, prefix: str, kind: type[T]) -> Iterable[tuple[str, T]]:
    for key, data in store.items(prefix).items():
        yield key.removeprefix(prefix), msgspec.msgpack.decode(data, type=kind)
