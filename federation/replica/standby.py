"""A controller while another one of its member leads: it answers what is read, and keeps what it needs to take over.

Every few seconds it asks the leader, over the link, for its status, the ledger, and the other members' records that it
does not have yet; so it knows them when it leads, even if no peer can be reached then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
import zlib
from dataclasses import dataclass
from typing import Any

import msgspec
from grpclib.client import UnaryUnaryMethod
from grpclib.exceptions import GRPCError, StreamTerminatedError

from federation.adapters.leadership import SharedStore
from federation.api.standby import StandbyApi
from federation.config import Folder, Own
from federation.files import write_private
from federation.link.dial import READ, PinnedChannel
from federation.link.tls import client_context
from federation.lkg.disk import Disk
from federation.lkg.ring import CHECKSUM as DIGEST
from federation.lkg.ring import LOG, YOUNGEST, bytes_of, is_sound, is_whole
from federation.model.errors import InputError, IsthmusError, Refused, Unavailable
from federation.model.spiffe import controller_id
from federation.ports import ClusterApi
from federation.registrar.ledger import decode_ledger
from federation.replica.leader import digest_of
from federation.replica.questions import LEDGER, PART, Asked, ExplainAsked, FilesAsked, PartAsked, StatusAsked
from federation.replica.relay import Relay
from federation.sync.ledger import HeldLedger, ledger_tree
from federation.trust.own_leaf import OwnLeaf

log = logging.getLogger("replica")
PERIOD, TIMEOUT, PROMPT = 5.0, 5.0, 2.0
"""Seconds between two rounds of questions; how long one answer is waited for; and while somebody waits for us."""
KEPT_MAX = 100
"""Answers to explain that are kept for the time in which the leader does not answer."""
FILE_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class Leads:
    """What a standby sees of the leadership: who it is itself, and the store that it follows; `warm`: the cluster is
    followed meanwhile.
    """

    identity: str
    store: SharedStore
    warm: bool


class Standby:
    """Runs until it is cancelled, which it is when this controller leads."""

    def __init__(self, folder: Folder, own: Own, cluster: ClusterApi, leads: Leads, listen: str) -> None:
        """`listen` is where the link server will be. InputError when the folder is not that of an admitted member."""
        self._folder = folder
        self._own = own
        self._cluster = cluster
        self._leads = leads
        self._listen = listen
        self._identity = controller_id(own.trust_domain)
        self._ledger = HeldLedger(folder.ledger, own.federation)
        self._leaf = OwnLeaf(self._identity, folder.path / "leaf.json", folder.signer, Disk())
        self._said: dict[Asked, tuple[float, dict[str, Any]]] = {}
        self._problem = ""

    async def run(self) -> None:
        """Serve what is read on the API socket, pass links on to the leader, and ask it again and again."""
        api = await StandbyApi(self).start(self._folder.api)
        relay = Relay(self._address).listening(self._listen) if self._leads.warm else contextlib.nullcontext()
        try:
            async with relay:
                while True:
                    await self._round()
                    await asyncio.sleep(PERIOD)
        finally:
            await api.cleanup()
            self._folder.api.unlink(missing_ok=True)

    def unready(self) -> str:
        """Why this standby could not take over well; empty when it could."""
        if self._leads.store.leader is None:
            return "standby: it is not known who leads"
        if self._leads.warm and self._cluster.certainty != "fresh":
            return f"standby: what is known of the cluster is {self._cluster.certainty}"
        return ""

    async def status(self) -> dict[str, Any]:
        """The leader's answer, or its last with its age."""
        return {"member": self._own.name, "domain": self._own.domain} | await self._answer(StatusAsked())

    async def explain(self, of: str, member: str, at: int) -> dict[str, Any]:
        """As status. InputError, Refused with the leader's words; Unavailable when it never answered this."""
        asked = ExplainAsked(of, member, at)
        answer = await self._answer(asked)
        if asked not in self._said:
            raise Unavailable(f"{self.whose()} {self._problem}")
        if "error" in answer:
            raise InputError(answer["error"], answer["code"])
        return answer

    def whose(self) -> str:
        """Who leads, in words."""
        leader = self._leads.store.leader
        if leader is None:
            return "this controller stands by, and it is not known who leads."
        return f"this controller stands by; {leader.identity} leads{f' at {leader.address}' * bool(leader.address)}."

    def _address(self) -> str:
        leader = self._leads.store.leader
        return leader.address if leader is not None else ""

    async def _answer(self, asked: Asked) -> dict[str, Any]:
        try:
            async with asyncio.timeout(PROMPT):
                await self._keep(asked)
        except (IsthmusError, TimeoutError) as error:
            self._note(error)
        at, answer = self._said.get(asked, (None, {}))
        leader = self._leads.store.leader
        return answer | {
            "replica": {
                "role": "standby",
                "identity": self._leads.identity,
                "leader": None if leader is None else msgspec.to_builtins(leader),
                "age": None if at is None else round(time.monotonic() - at, 1),
                "problems": [*self._leads.store.problems, *([self._problem] if self._problem else [])],
            }
        }

    async def _keep(self, asked: Asked) -> None:
        """Have the leader's answer to this. IsthmusError."""
        async with asyncio.timeout(TIMEOUT):
            data = await self._ask(asked)
        value: dict[str, Any] = msgspec.json.decode(zlib.decompress(data))
        while len(self._said) >= KEPT_MAX and asked not in self._said:
            del self._said[min(self._said, key=lambda one: self._said[one][0])]
        self._said[asked] = (time.monotonic(), value)
        self._problem = ""

    async def _round(self) -> None:
        try:
            await self._leaf.ready()
            await self._leaf.look()
            await self._keep(StatusAsked())
            await self._take_files()
        except (IsthmusError, OSError, TimeoutError) as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        text = str(error) or "the leader does not answer in time"
        if text != self._problem:
            log.info("the leader was not read", extra={"reason": text})
        self._problem = text

    async def _take_files(self) -> None:
        """Have the leader's ledger, and the records that it has of other members."""
        listed: dict[str, bytes] = msgspec.msgpack.decode(await self._ask(FilesAsked()), type=dict[str, bytes])
        for name, digest in listed.items():
            if name == LEDGER:
                if digest != digest_of(self._folder.ledger):
                    self._ledger.extend(ledger_tree(decode_ledger(await self._file(name))))
            elif "/" not in name and len(digest) == DIGEST and digest != digest_of(self._folder.lkg / name):
                data = await self._kept(name)
                if data:
                    self._folder.lkg.mkdir(mode=0o700, exist_ok=True)
                    await asyncio.to_thread(write_private, self._folder.lkg / name, data)

    async def _kept(self, name: str) -> bytes:
        """A file of the last known good, or its log, of which we ask what we have not; b"" when it is not whole."""
        if name.endswith(YOUNGEST):
            data = await self._file(name)
            return data if is_sound(data) else b""
        if name.endswith(LOG):
            file = digest_of((self._folder.lkg / name).with_suffix(YOUNGEST))
            for begun in (bytes_of(self._folder.lkg / name), b""):
                data = await self._file(name, begun)
                if is_whole(data, file):
                    return data
        return b""

    async def _file(self, name: str, data: bytes = b"") -> bytes:
        """This file of the leader's, which begins with what is given."""
        while len(data) <= FILE_MAX:
            part = await self._ask(PartAsked(name, len(data)))
            data += part
            if len(part) < PART:
                return data
        raise Refused(f'file "{name}" of the leader is longer than {FILE_MAX} bytes', "E117")

    async def _ask(self, asked: Asked) -> bytes:
        """The leader's answer. Unavailable when it does not answer, Refused when it refuses."""
        leader = self._leads.store.leader
        if leader is None or not leader.address:
            raise Unavailable("the leader's address is not known")
        self._ledger.reload()
        channel = PinnedChannel(leader.address, self._context(), self._identity)
        try:
            method = UnaryUnaryMethod(channel, READ, bytes, bytes)
            return await method(msgspec.msgpack.encode(asked), timeout=TIMEOUT)
        except GRPCError as error:
            raise Unavailable(f"the leader at {leader.address} refuses: {error.message}") from None
        except (OSError, StreamTerminatedError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(f"the leader at {leader.address} does not answer ({why})") from None
        finally:
            channel.close()

    def _context(self) -> ssl.SSLContext:
        if self._leaf.leaf is None:
            raise Unavailable("no certificate of our own yet: is `isthmus signer` running?")
        return client_context(self._leaf.leaf, self._ledger.ledger.members[self._own.name].trusted)
