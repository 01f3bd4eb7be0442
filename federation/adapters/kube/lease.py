"""Who may lead: a Lease (coordination.k8s.io/v1) and what its events mean. Sans-IO: times are handed in.

A follower never trusts the leader's clock: it counts by its own since it last saw the Lease change. A leader counts
from the moment before it sent its renewal, and stops early.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct, structs

NAME = "isthmus-controller"
API_VERSION = "coordination.k8s.io/v1"
LISTEN, WRITES = "isthmus.dev/listen", "isthmus.dev/writes"
DURATION, MARGIN, RENEWAL, GRACE = 10.0, 2.0, 4.0, 5.0
"""Seconds: after a change that nothing followed the Lease is free; its holder stops so long before; it renews so often;
after an outage of the API server its holder has so long to say that it lives.
"""


class _Meta(Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Spec(Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    acquire_time: str | None = None
    lease_transitions: int | None = None


class _Object(Struct, frozen=True):
    metadata: _Meta = _Meta()
    spec: _Spec = _Spec()


class Lease(Struct, frozen=True, kw_only=True):
    """A Lease as the API server has it. `holder` is "" when it was released; `term` counts its holders; `listen` is
    where its holder is reached; `writes` how far each shard of the store had come.
    """

    version: str
    holder: str
    term: int
    since: str = ""
    listen: str = ""
    writes: tuple[int, ...] = ()


_decoder = msgspec.json.Decoder(_Object)


def read_lease(raw: bytes | msgspec.Raw) -> Lease:
    """The Lease in this object. MsgspecError when it is none."""
    found = _decoder.decode(raw)
    annotations = found.metadata.annotations or {}
    counts = annotations.get(WRITES, "").split(",")
    return Lease(
        version=found.metadata.resource_version,
        holder=found.spec.holder_identity or "",
        term=found.spec.lease_transitions or 0,
        since=found.spec.acquire_time or "",
        listen=annotations.get(LISTEN, ""),
        writes=tuple(map(int, counts)) if all(map(str.isdecimal, counts)) else (),
    )


def micro_time(seconds: float) -> str:
    """A MicroTime: RFC 3339 in UTC with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def furthest(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    """The higher count of each shard."""
    size = max(len(first), len(second))
    padded = ((*counts, *[0] * (size - len(counts))) for counts in (first, second))
    return tuple(map(max, *padded))


class Election:
    """What one candidate knows of the Lease. `now` is seconds that never go back, and count a machine's sleep too."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.lease: Lease | None = None
        self.term = self.highest = -1
        self.deadline = 0.0
        self.writes: tuple[int, ...] = ()
        self._changed: float | None = None
        self._sighted: float | None = None

    def saw(self, lease: Lease | None, now: float) -> bool:
        """The Lease is this (None: there is none); True when that is news."""
        news = self._changed is None or lease != self.lease
        if news:
            self._changed = now
        if self._sighted is None:
            self._sighted = now + (0.0 if news else GRACE)
        self.lease = lease
        if lease is not None:
            self.highest, self.writes = max(self.highest, lease.term), furthest(self.writes, lease.writes)
        return news

    def blind(self) -> None:
        """The API server cannot be read: the leader may live on and be unable to say so."""
        self._sighted = None

    @property
    def sighted(self) -> bool:
        """True while what is known of the Lease is current."""
        return self._sighted is not None

    def free_at(self) -> float | None:
        """When the Lease may be taken; None when that cannot be said before it is seen again."""
        if self._changed is None or self._sighted is None:
            return None
        taken = self.lease is not None and self.lease.holder not in ("", self.identity)
        return max(self._changed + DURATION, self._sighted) if taken else self._changed

    def age(self, now: float) -> float | None:
        """Seconds since the Lease was last seen to change."""
        return None if self._changed is None else now - self._changed

    def is_ours(self, lease: Lease | None) -> bool:
        """True when this is the Lease of our leadership."""
        return lease is not None and (lease.holder, lease.term) == (self.identity, self.term)

    def held(self, lease: Lease, sent: float, now: float) -> None:
        """Our write of the Lease, sent at that moment, was taken."""
        self.saw(lease, now)
        self.term, self.deadline = lease.term, sent + DURATION - MARGIN

    def ended(self) -> None:
        """We lead no more."""
        self.deadline = 0.0

    def may_write(self, now: float) -> bool:
        """True while nobody else can have taken the Lease."""
        return now < self.deadline

    def body(self, namespace: str, now: float, **said: Any) -> dict[str, Any]:
        """The Lease to be written, at the Unix second `now`; `said` are fields of Lease other than as they are."""
        wanted = structs.replace(self.lease or Lease(version="", holder="", term=0), **said)
        counts = furthest(self.writes, wanted.writes)
        notes = {LISTEN: wanted.listen} | ({WRITES: ",".join(map(str, counts))} if counts else {})
        version = {"resourceVersion": wanted.version} if wanted.version else {}
        spec = {
            "holderIdentity": wanted.holder,
            "leaseDurationSeconds": int(DURATION),
            "acquireTime": wanted.since,
            "renewTime": micro_time(now),
            "leaseTransitions": wanted.term,
        }
        meta = {"name": NAME, "namespace": namespace, "annotations": notes, **version}
        return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": meta, "spec": spec}
