"""The controller: wiring only."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from federation.adapters.clock import SystemClock
from federation.adapters.journal import FileJournal
from federation.api.access import AccessRoute
from federation.api.flat import FlatRoute
from federation.api.map import MapRoutes
from federation.api.moves import MoveRoutes
from federation.api.serve import Api
from federation.config import Enrolment, Enrolments, Folder, SelfEnrolled
from federation.link.dial import ATTEST, ISSUE, READ, TOKEN
from federation.link.enroll import EnrolServer
from federation.link.join import JoinServer
from federation.link.leaf import Leaf
from federation.link.serve import LinkServer
from federation.lkg.disk import Disk
from federation.model.errors import InputError, IsthmusError, Refused
from federation.model.flat import Image
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Leave, Resource, Rotation
from federation.model.spiffe import SpiffeId, controller_id
from federation.ports import ClusterApi, Store, TokenReviewer
from federation.process import until_one_ends
from federation.reconcile.access import access
from federation.reconcile.bundles import own_statement
from federation.reconcile.explain import Asked, explain
from federation.reconcile.flattening import Flattener
from federation.reconcile.loop import Loop
from federation.reconcile.map import service_map
from federation.reconcile.moving import Mover
from federation.reconcile.parts import Parts
from federation.reconcile.status import status
from federation.reconcile.trust import Trust
from federation.registrar.admit import admit, read_request
from federation.registrar.leave import Leaving
from federation.registrar.register import Appender
from federation.registrar.signing import RECORD, SigningKey
from federation.registrar.token import Tickets
from federation.registrar.wishes import Wishes
from federation.replica.leader import Answers
from federation.sync.agents import AgentSync
from federation.sync.ledger import HeldLedger
from federation.sync.own import OwnRecord
from federation.sync.peers import PeerSync
from federation.trust.endpoint import BundleEndpoint, BundleServing, OwnBundle
from federation.trust.enrolling import Desk, Enrolling, Forgetting, Home
from federation.trust.fetch import fetch
from federation.trust.foreign import ForeignFolder
from federation.trust.own_leaf import OwnLeaf
from federation.trust.poll import Poller
from federation.trust.programs import Programs
from federation.trust.rotating import Rotating, Surroundings, Told
from federation.trust.signer import ask_statement

log = logging.getLogger("controller")
Send = Callable[[bytes], Awaitable[None]]
JWT_KEYS_PERIOD = 30.0
"""Seconds between two questions to the signer, a small part of the age at which a new key signs."""


class Also(Struct, frozen=True):
    """What a controller serves beside peers and agents: joining, our bundle, enrolling; None: it does not."""

    join_listen: str | None = None
    serving: BundleServing | None = None
    desk: Desk | None = None


NOTHING_ELSE = Also()


class Controller:
    """Everything that one controller process holds."""

    def __init__(
        self,
        folder: Folder,
        cluster: ClusterApi,
        store: Store,
        replica: str = "",
        labels: Mapping[str, str] | None = None,
        images: tuple[Image, ...] = (),
    ) -> None:
        """`replica` is who this is among several controllers of one store. InputError when the folder is not that of an
        admitted member.
        """
        self.folder = folder
        self.own = folder.own()
        self.ledger = HeldLedger(folder.ledger, self.own.federation)
        identity = controller_id(self.own.trust_domain)
        disk = Disk()
        self.leaf = OwnLeaf(identity, folder.path / "leaf.json", folder.signer, disk)
        self.store = store
        clock = SystemClock()
        key = SigningKey(folder.private_text(folder.record_key), RECORD)
        self.agents = AgentSync(
            self.own.name,
            lambda name: self.loop.agent_reported(name),
            lambda name, flows: self.loop.demands.heard(name, flows),
        )
        self.peers = PeerSync(
            self.own.name,
            self.ledger,
            self.leaf.current,
            folder.lkg,
            lambda member, change: self.loop.peer_changed(member, change),
        )
        self.cluster = cluster
        self.themselves = SelfEnrolled(store)
        self.programs = Programs(self.own.trust_domain, folder.signer, cluster, clock, self._enrolment)
        self.loop = Loop(
            Parts(
                own=self.own,
                folder=folder,
                ledger=self.ledger,
                cluster=cluster,
                peers=self.peers,
                agents=self.agents,
                record=OwnRecord(self.own.name, key, self.store, clock),
                store=self.store,
                clock=clock,
                journal=FileJournal(folder.path / "journal"),
                disk=disk,
                enrolled=self.themselves,
                labels=labels or {},
                images=images,
            )
        )
        foreign = ForeignFolder(folder.foreign, self.own.domain)
        self.foreign = Poller(foreign, clock, fetch, self.loop.bundles.put_foreign, disk)
        self.bundle = OwnBundle(
            self.own.trust_domain,
            lambda: self.ledger.ledger.members[self.own.name].trusted,
            lambda: own_statement(self.store),
            self.store,
            clock,
        )
        self.wishes = Wishes(folder)
        self.leaving = Leaving(self.own.name, self.ledger, self.peers, self.store)
        self.enrolling = Home(
            trust_domain=self.own.trust_domain,
            signer=folder.signer,
            agents=folder.agents,
            anchor=lambda: self.ledger.ledger.members[self.own.name].trusted,
            themselves=self.themselves,
            store=store,
            clock=clock,
        )
        self._rotating: Rotating | None = None
        self._anchor_moved = asyncio.Event()
        self._replica = replica
        self._answers = Answers(identity, folder, self._status, self._explain)

    @property
    def rotating(self) -> Rotating:
        """The rotation of our anchor, after `run`."""
        assert self._rotating is not None
        return self._rotating

    def _open_rotation(self) -> Rotating:
        around = Surroundings(
            own=self.own.name,
            ledger=self.ledger,
            peers=self.peers,
            agents=self.agents,
            programs=Enrolments(self.folder.agents, self.themselves).names,
            store=self.store,
            signer=self.folder.signer,
            leaf=self.leaf,
            shared=bool(self._replica),
        )
        rotating = Rotating(around, self._rotation_moved)
        self._rotation_moved(rotating.told)
        return rotating

    def _rotation_moved(self, told: Told) -> None:
        self._tell_loop(told)
        self._anchor_moved.set()

    def _tell_loop(self, told: Told) -> None:
        wishes: tuple[Resource | None, ...] = (told.wish, self.leaving.wish)
        record = tuple(wish for wish in wishes if wish is not None)
        trust = Trust(record, told.issuer, told.status, self.leaving.problems)
        if trust != self.loop.trust:
            if trust.membership != self.loop.trust.membership:
                log.info("membership", extra=self.leaving.status())
            self.loop.trust_moved(trust)

    async def run(self, listen: str, also: Also) -> None:
        """Serve until cancelled; a registrar also those who join."""
        self._check_admitted()
        beside: tuple[Awaitable[None], ...] = ()
        await self.leaf.ready()
        self._rotating = self._open_rotation()
        async with contextlib.AsyncExitStack() as ended:
            server = LinkServer(
                self._credentials,
                self._exchange,
                {
                    ISSUE: self.programs.issue,
                    TOKEN: self.programs.token,
                    ATTEST: self.programs.attest,
                    READ: self._answers.answer,
                },
            )
            ended.push_async_callback(server.stop)
            await server.start(listen)
            moves, edges = MoveRoutes(Mover(self.loop)), MapRoutes(lambda: service_map(self.loop))
            asked = Api(
                self._status,
                self._explain,
                self,
                [moves, edges, AccessRoute(self._access), FlatRoute(Flattener(self.loop))],
            )
            api = await asked.start(self.folder.api)
            ended.callback(self.folder.api.unlink, missing_ok=True)
            ended.push_async_callback(api.cleanup)
            ended.push_async_callback(self.peers.stop)
            if also.join_listen is not None:
                joining = JoinServer(self.leaf.current, self.folder.ledger_bytes, self._admit)
                ended.push_async_callback(joining.stop)
                await joining.start(also.join_listen)
                beside = (*beside, joining.keep_fresh())
            if also.serving is not None:
                endpoint = BundleEndpoint(self.bundle, also.serving.show(self.leaf.current))
                ended.push_async_callback(endpoint.stop)
                await endpoint.start(also.serving.listen)
                beside = (*beside, endpoint.keep_fresh())
            if also.desk is not None and isinstance(self.cluster, TokenReviewer):
                enrolling = Enrolling(also.desk, self.enrolling, self.cluster)
                desk = EnrolServer(self.leaf.current, enrolling.answer)
                ended.push_async_callback(desk.stop)
                await desk.start(also.desk.listen)
                beside = (*beside, desk.keep_fresh())
            await self._work(listen, *beside)

    def unready(self) -> str:
        """Why this controller cannot be relied on yet; empty after its first pass."""
        if self.loop.out.started:
            return ""
        return self.loop.problem or f"no pass yet: what is known of the cluster is {self.cluster.certainty}"

    def _status(self) -> dict[str, Any]:
        here = {"replica": {"role": "leader", "identity": self._replica}} if self._replica else {}
        return status(self.loop) | here

    def _explain(self, *what: Any) -> dict[str, Any]:
        return explain(self.loop, Asked(*what))

    def _access(self, service: ServiceKey, source: str, method: str, path: str) -> dict[str, Any]:
        return access(self.loop, service, source, method, path)

    def _admit(self, secret: bytes, request: bytes) -> bytes:
        """Let in whoever has a ticket for his name. Refused, InputError."""
        applicant = read_request(request)
        with Tickets(self.folder.tokens).taken(secret, time.time()) as ticket:
            if ticket.name != applicant.name:
                raise Refused(f'the token is for "{ticket.name}", not for "{applicant.name}"', "E105")
            key, now = self.folder.registrar_key(), datetime.now(UTC)
            ledger = Appender(self.folder.ledger, self.own.federation, self.own.name)
            data, member = ledger.append(key, lambda ledger: admit(ledger, applicant, now, ticket.zones, ticket.rejoin))
        log.info("member is admitted", extra={"member": member.name, "number": member.number})
        return data

    async def _work(self, listen: str, *beside: Awaitable[None]) -> None:
        self.peers.follow_ledger()
        work = [
            self.cluster.run(self.loop.wake),
            self.loop.run(),
            self.peers.keep_on_disk(),
            self.peers.relay(),
            self.leaf.keep_fresh(),
            self._keep_ledger(),
            self._keep_jwt_keys(),
            self.foreign.run(),
            self.rotating.run(),
            Forgetting(self.enrolling, self.cluster, self.agents, self.programs.forget).run(),
            *beside,
        ]
        log.info("controller is up", extra={"member": self.own.name, "listen": listen})
        await until_one_ends(work)

    def _credentials(self) -> tuple[Leaf, str]:
        anchors = "".join(member.trusted for member in self.ledger.ledger.seen_from(self.own.name))
        return self.leaf.current(), anchors

    async def _exchange(self, caller: SpiffeId, incoming: AsyncIterator[bytes], send: Send) -> None:
        for member in self.ledger.ledger.seen_from(self.own.name):
            if caller == controller_id(self.ledger.ledger.trust_domain(member.name)) and member.name != self.own.name:
                await self.peers.serve(MemberName(member.name), incoming, send)
                return
        await self.agents.serve(self.programs.who(caller).name, incoming, send)

    def _enrolment(self, name: str) -> Enrolment | None:
        """Whoever enrolled itself counts before the loop has looked."""
        return self.loop.programs.enrolments.get(name) or self.themselves.known.get(name)

    async def _keep_jwt_keys(self) -> None:
        """Publish the keys of JWT-SVIDs as the signer states them; what was published stands while it is away."""
        while True:
            try:
                self.loop.bundles.put_own(await ask_statement(self.folder.signer))
            except IsthmusError as error:
                log.warning("keys of JWT-SVIDs are not known", extra={"code": error.code, "reason": error.text})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._anchor_moved.wait(), JWT_KEYS_PERIOD)
            self._anchor_moved.clear()

    async def _keep_ledger(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.wishes.grant(self.ledger.ledger, self._said(), self._leaves(here=True), datetime.now(UTC))
            if self.ledger.reload():
                self.peers.follow_ledger()
            self._tell_loop(self.rotating.told)
            self._check_admitted()

    def _check_admitted(self) -> None:
        """InputError (E102) when a later registrar overruled our admission: nobody trusts us any more."""
        ledger = self.ledger.ledger
        if self.own.name not in ledger.members:
            text = f'admission of member "{self.own.name}" was overruled by term {ledger.term} of the ledger'
            raise InputError(f'{text}; join again at "{ledger.registrar}" with a new state folder', "E102")

    def _said(self) -> dict[MemberName, Rotation]:
        """What members' records, and we, want of the ledger."""
        found = {name: state.view.get("rotation") for name, state in self.peers.states().items()}
        found[self.own.name] = self.rotating.told.wish
        return {name: wish for name, wish in found.items() if isinstance(wish, Rotation)}

    def _leaves(self, here: bool = False) -> dict[MemberName, Leave]:
        """Who wants to leave by the last that we know; `here`: of those only with whom we have a session."""
        states = self.peers.states().items()
        found = {name: state.view.get("leave") for name, state in states if state.connected or not here}
        return {name: wish for name, wish in found.items() if isinstance(wish, Leave)}

    def trust(self) -> dict[str, Any]:
        """What is known of the rotation of anchors: ours, and what members want of the ledger."""
        requests = self.wishes.open(self.ledger.ledger, self._said())
        return self.rotating.told.status | {"requests": sorted(requests), "refused": self.wishes.refused}

    def wish(self, member: str) -> dict[str, Any]:
        """What this member wants of the ledger, as base64. InputError when that is nothing."""
        requests = self.wishes.open(self.ledger.ledger, self._said())
        found = requests.get(MemberName(member))
        if found is None:
            known = ", ".join(sorted(requests)) or "none"
            raise InputError(f'member "{member}" asks for no change of its anchors; members that do: {known}', "E104")
        return {"member": member, "wish": b64encode(msgspec.msgpack.encode(found)).decode()}

    async def rotate(self, excluded: tuple[str, ...]) -> dict[str, Any]:
        """Begin to rotate our anchor, or wait no longer for these."""
        await self.rotating.begin(excluded)
        return self.trust()

    async def abort(self) -> dict[str, Any]:
        """Give the rotation up."""
        await self.rotating.abort()
        return self.trust()

    def membership(self) -> dict[str, Any]:
        """Whether we ask to leave, and who does at the registrar."""
        asking = self.wishes.leaving(self.ledger.ledger, self._leaves())
        return self.leaving.status() | {"asking": sorted(asking), "refused": self.wishes.refused}

    async def leave(self) -> dict[str, Any]:
        """Ask to leave."""
        await self.leaving.begin()
        self._tell_loop(self.rotating.told)
        return self.leaving.status()

    async def stay(self) -> dict[str, Any]:
        """Ask no more to leave."""
        await self.leaving.abort()
        self._tell_loop(self.rotating.told)
        return self.leaving.status()
