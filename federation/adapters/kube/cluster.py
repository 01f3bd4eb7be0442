"""The cluster as a Kubernetes API: every kind followed, what we want written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

import msgspec

from federation.adapters.kube import drains
from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.claim import Claim
from federation.adapters.kube.follow import Follower
from federation.adapters.kube.http import Http
from federation.adapters.kube.kinds import FOLLOWED, Kind, ObjectKey, title
from federation.adapters.kube.pace import Outage, Pace
from federation.adapters.kube.reading import Wrong, is_marked, named_service, read_head, read_object
from federation.adapters.kube.tokens import review
from federation.adapters.kube.writer import Writer
from federation.adapters.objects import OverObjects
from federation.model.local import Drained
from federation.model.moves import Order
from federation.model.names import MemberName, ServiceKey
from federation.model.tokens import ServiceAccount
from federation.ports import Certainty, Wake, Wanted
from federation.wire.k8s.types import KINDS, K8sObject, Node, Pod

PROPERTY = "ClusterProperty"
HELD = K8sObject | Node | Pod
"""What the world is made of."""
log = logging.getLogger("kube")


class Kube(OverObjects):
    """A ClusterApi over one API server. Nothing is written while `may_write()` is False; nothing is known or written
    while the cluster is another member's by `claim`.
    """

    def __init__(
        self,
        access: KubeAccess,
        default_az: str,
        pace: Pace | None = None,
        may_write: Callable[[], bool] = lambda: True,
        claim: Claim | None = None,
    ) -> None:
        self._access = access
        self._pace = pace or Pace()
        self._claim = claim or Claim()
        self._may_write = may_write
        super().__init__(default_az)
        self._certainty: dict[str, Certainty] = {name: "unknown" for name in FOLLOWED}
        self._rejected: dict[ObjectKey, str] = {}
        self._troubles: dict[str, str] = {}
        self._wake: Wake = lambda key: None
        self._http = Http(access, self._pace, self._writes)
        self._writer = Writer(self._http, self._pace, self._writes)

    @property
    def certainty(self) -> Certainty:
        """The worst of the kinds without which nothing is known."""
        if not self._claim.held:
            return "unknown"
        found = {self._certainty[kind.name] for kind in FOLLOWED.values() if kind.required}
        return "unknown" if "unknown" in found else "stale" if "stale" in found else "fresh"

    @property
    def drains(self) -> Mapping[str, Drained] | None:
        """Every Drain, by its name; None before the first list."""
        return None if self._certainty["Drain"] == "unknown" else super().drains

    @property
    def settled(self) -> bool:
        """True when every kind was listed and everything wanted is so, or waits for somebody else."""
        return "unknown" not in self._certainty.values() and self._writer.idle

    @property
    def native(self) -> bool:
        """True: it gives clusterset IPs and holds imports."""
        return True

    @property
    def problems(self) -> tuple[str, ...]:
        """One line per object that was rejected or cannot be written and per kind that cannot be read."""
        kept = "; the last good state stays in force"
        wrong = [f"{title(key)}: {text}{kept}" for key, text in self._rejected.items()]
        return (*self._claim.problems, *sorted((*wrong, *self._troubles.values())), *self._writer.problems)

    def rejected(self) -> Mapping[ObjectKey, str]:
        """Every object that is not in force as it stands, with field and reason."""
        return self._rejected

    def want(self, owner: str, objects: Iterable[Wanted]) -> None:
        """From now on this owner wants these and no others."""
        self._writer.want(owner, objects)

    def complete(self) -> None:
        """Everything was wanted once: what bears our mark and nobody wants is deleted from now on."""
        self._writer.complete()

    @property
    def nodes(self) -> frozenset[str] | None:
        """By name; None while the list of nodes is not fresh."""
        return frozenset(self._objects.nodes) if self._certainty["Node"] == "fresh" else None

    async def review(self, token: str, audience: str = "") -> ServiceAccount:
        """Whose this service account token is (TokenReview)."""
        return await review(self._access, token, audience)

    async def make_drain(self, name: str, member: MemberName, order: Order) -> None:
        """Make the Drain of this name, or give it this duration."""
        await drains.make(self._http, name, member, order)

    async def end_drain(self, name: str) -> None:
        """Delete it."""
        await drains.end(self._http, name)

    async def run(self, wake: Wake) -> None:
        """Follow every kind and write what is wanted, until cancelled."""
        self._wake = wake
        outage = Outage(self._pace.longest)
        async with self._http.opened(), asyncio.TaskGroup() as group:
            group.create_task(self._writer.run())
            for kind in FOLLOWED.values():
                group.create_task(Follower(kind, self._http, self, self._pace, outage).run())

    def take(self, kind: Kind, raw: msgspec.Raw) -> tuple[ObjectKey, str]:
        """This object is there; its key and version."""
        key, meta = read_head(kind, raw)
        if kind.name == PROPERTY:
            marked = is_marked(kind, meta)
            self._claims(lambda: self._claim.saw(key[2], raw) if marked else self._claim.gone(key[2]))
        if not kind.only_read:
            self._writer.saw(kind, key, meta, raw)
        try:
            value = read_object(kind, raw)
        except Wrong as wrong:
            self._judge(key, raw, str(wrong), meta.generation)
            return key, meta.resource_version
        self._judge(key, raw, None)
        if isinstance(value, HELD):
            self._tell(self._objects.put(value), self._wake)
        return key, meta.resource_version

    def drop(self, key: ObjectKey) -> None:
        """This object is gone."""
        if key[0] == PROPERTY:
            self._claims(lambda: self._claim.gone(key[2]))
        self._judge(key, None, None)
        if not FOLLOWED[key[0]].only_read:
            self._writer.lost(key)
        self._tell(self._objects.drop(key), self._wake)

    def listed(self, kind: Kind) -> None:
        """Everything that there is of this kind has been told."""
        if kind.name == PROPERTY:
            self._claims(self._claim.listed)
        self._writer.listed(kind)
        self._certain(kind, "fresh")

    def trouble(self, kind: Kind, text: str, stale: bool) -> None:
        """What is wrong with reading this kind; "" for nothing."""
        if text != self._troubles.get(kind.name, ""):
            self._troubles[kind.name] = text
            if not text:
                del self._troubles[kind.name]
            log.log(logging.WARNING if text else logging.INFO, "reading", extra={"kind": kind.name, "problem": text})
            self._wake(None)
        if self._certainty[kind.name] != "unknown":
            self._certain(kind, "stale" if stale else "fresh")

    def _writes(self) -> bool:
        return self._claim.held and self._may_write()

    def _claims(self, learn: Callable[[], None]) -> None:
        """Learn this of whose cluster it is, and say what follows."""
        before = self._claim.problems
        learn()
        if self._claim.problems != before:
            for text in self._claim.problems or ("the cluster is ours again",):
                log.error("whose cluster", extra={"problem": text})
            self._wake(None)

    def _certain(self, kind: Kind, now: Certainty) -> None:
        if self._certainty[kind.name] != now:
            self._certainty[kind.name] = now
            self._wake(None)

    def _judge(self, key: ObjectKey, raw: msgspec.Raw | None, wrong: str | None, generation: int = 0) -> None:
        """Keep what is wrong with this object as of that generation; who writes its status is woken when it changes."""
        before = self._rejected.get(key)
        if wrong is None and before is None:
            return
        if wrong is None:
            del self._rejected[key]
        elif wrong != before:
            self._rejected[key] = wrong
            log.error("object rejected", extra={"code": "E125", "object": title(key), "reason": wrong})
        if key[1] and key[0] in KINDS:
            about = (named_service(key, raw) if raw is not None else None) or ServiceKey(key[1], key[2])
            self._tell(self._objects.fault(key, about, wrong, generation), self._wake)
        elif wrong != before:
            self._wake(None)
