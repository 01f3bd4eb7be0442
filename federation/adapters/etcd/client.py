"""A thin client of etcd's v3 API over gRPC: just what the store needs, several endpoints, TLS, tokens."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from grpclib.client import Channel
from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from federation.adapters.etcd.access import EtcdAccess
from federation.adapters.etcd.messages import message
from federation.link.dial import hang_up
from federation.model.errors import InputError, Unavailable
from federation.telemetry import join_address

ATTEMPT_SECONDS = 0.9
LOGIN_SECONDS = 4.0
"""A password is checked slowly on purpose (bcrypt), and more so on a busy server."""
_CREATE, _VALUE = 1, 3
_ELSEWHERE = frozenset({Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.UNKNOWN, Status.INTERNAL})
_ADVICE = {
    "etcdserver: mvcc: database space exceeded": "it has no space left (alarm NOSPACE): compact, defragment, disarm",
    "etcdserver: permission denied": "the user may not read and write under our prefix: grant its role readwrite there",
}
_WRONG_LOGIN = "etcdserver: authentication failed, invalid user ID or password"
_OLD_TOKEN = frozenset({"etcdserver: invalid auth token", "etcdserver: user name is empty"})

PutOp = tuple[bytes, bytes | None]
"""A key and its new value, None to delete it."""


@dataclass(frozen=True)
class Found:
    """Keys as they were at `revision` of the cluster."""

    cluster: int
    revision: int
    values: dict[bytes, bytes]
    created: dict[bytes, int]


@dataclass(frozen=True)
class Outcome:
    """Of a transaction: taken or not, at which revision, and what its other branch read."""

    taken: bool
    found: Found


class EtcdClient:
    """One connection at a time; an endpoint that does not answer in ATTEMPT_SECONDS is left for the next.

    Every call raises Unavailable with one line when no endpoint gives an answer. A call may then have had its effect.
    """

    def __init__(self, access: EtcdAccess) -> None:
        self._access = access
        self._current = 0
        self._channel: Channel | None = None
        self._token = ""

    @property
    def place(self) -> str:
        """The endpoint in use, as HOST:PORT."""
        return join_address(*self._access.endpoints[self._current])

    def close(self) -> None:
        """Drop the connection; the next call makes a new one."""
        if self._channel is not None:
            hang_up(self._channel)
        self._channel = None

    async def prefix(self, prefix: bytes) -> Found:
        """Every key with this prefix, at one revision."""
        end = prefix[:-1] + bytes([prefix[-1] + 1])
        answer = await self._call("KV/Range", "RangeResponse", message("RangeRequest")(key=prefix, range_end=end))
        return _found(answer.header, answer.kvs)

    async def commit(
        self,
        created: dict[bytes, int],
        equal: dict[bytes, bytes],
        put: Iterable[PutOp],
        read: Iterable[bytes],
        lease: int = 0,
    ) -> Outcome:
        """Make these changes if each key has this create revision (0: absent) and value, else read some keys."""
        compare = message("Compare")
        conditions = [compare(target=_CREATE, key=key, create_revision=number) for key, number in created.items()]
        conditions += [compare(target=_VALUE, key=key, value=value) for key, value in equal.items()]
        request = message("TxnRequest")(
            compare=conditions,
            success=[_operation(key, value, lease) for key, value in put],
            failure=[message("RequestOp")(request_range=message("RangeRequest")(key=key)) for key in read],
        )
        answer = await self._call("KV/Txn", "TxnResponse", request)
        read_back = [] if answer.succeeded else [kv for one in answer.responses for kv in one.response_range.kvs]
        return Outcome(answer.succeeded, _found(answer.header, read_back))

    async def grant(self, seconds: int) -> int:
        """A new lease."""
        answer = await self._call("Lease/LeaseGrant", "LeaseGrantResponse", message("LeaseGrantRequest")(TTL=seconds))
        return int(answer.ID)

    async def keep(self, lease: int) -> bool:
        """Renew a lease; False when it is gone."""
        request = message("LeaseKeepAliveRequest")(ID=lease)
        answer = await self._call("Lease/LeaseKeepAlive", "LeaseKeepAliveResponse", request, Cardinality.STREAM_STREAM)
        return int(answer.TTL) > 0

    async def revoke(self, lease: int) -> None:
        """End a lease and drop its keys."""
        await self._call("Lease/LeaseRevoke", "LeaseRevokeResponse", message("LeaseRevokeRequest")(ID=lease))

    async def _call(self, method: str, reply: str, request: Any, shape: Cardinality = Cardinality.UNARY_UNARY) -> Any:
        failures = []
        may_be_old = self._channel is not None
        for _ in range(len(self._access.endpoints) + may_be_old):
            try:
                return await self._ask(method, reply, request, shape)
            except GRPCError as error:
                if error.status not in _ELSEWHERE:
                    raise Unavailable(f"etcd {self.place}: {_said(error)}") from None
                failures.append(f"{self.place}: {_said(error)}")
            except TimeoutError:
                failures.append(f"{self.place}: no answer in {ATTEMPT_SECONDS} s")
            except ssl.SSLCertVerificationError as error:
                failures.append(f"{self.place}: its certificate is refused ({error.verify_message})")
            except ssl.SSLError as error:
                failures.append(f"{self.place}: TLS failed ({(error.reason or 'closed').lower().replace('_', ' ')})")
            except OSError as error:
                failures.append(f"{self.place}: {_reason(error)}")
            except StreamTerminatedError:
                failures.append(f"{self.place}: connection closed")
            self.close()
            self._current = (self._current + 1) % len(self._access.endpoints)
        raise Unavailable("etcd does not answer: " + "; ".join(failures))

    async def _ask(self, method: str, reply: str, request: Any, shape: Cardinality) -> Any:
        if self._access.user and not self._token:
            await self._log_in()
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                return await self._once(method, reply, request, shape)
        except GRPCError as error:
            if not self._access.user or error.message not in _OLD_TOKEN:
                raise
        await self._log_in()
        async with asyncio.timeout(ATTEMPT_SECONDS):
            return await self._once(method, reply, request, shape)

    async def _once(self, method: str, reply: str, request: Any, shape: Cardinality) -> Any:
        if self._channel is None:
            host, port = self._access.endpoints[self._current]
            self._channel = Channel(host, port, ssl=self._access.tls)
        metadata = {"token": self._token} if self._token else {}
        route = f"/etcdserverpb.{method}"
        async with self._channel.request(route, shape, type(request), message(reply), metadata=metadata) as stream:
            await stream.send_message(request, end=True)
            answer = await stream.recv_message()
            if answer is None:
                await stream.recv_trailing_metadata()
                raise StreamTerminatedError("no answer")
            return answer

    async def _log_in(self) -> None:
        self._token = ""
        request = message("AuthenticateRequest")(name=self._access.user, password=self._access.password)
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                answer = await self._once("Auth/Authenticate", "AuthenticateResponse", request, Cardinality.UNARY_UNARY)
        except TimeoutError:
            text = f"no answer to the login in {LOGIN_SECONDS:g} s"
            raise GRPCError(Status.DEADLINE_EXCEEDED, text) from None
        except GRPCError as error:
            if error.message == _WRONG_LOGIN:
                text = f'etcd {self.place}: user "{self._access.user}" or the password in --etcd-password-file is wrong'
                raise InputError(text) from None
            raise
        self._token = answer.token


def _operation(key: bytes, value: bytes | None, lease: int) -> Any:
    if value is None:
        return message("RequestOp")(request_delete_range=message("DeleteRangeRequest")(key=key))
    return message("RequestOp")(request_put=message("PutRequest")(key=key, value=value, lease=lease))


def _found(header: Any, pairs: Iterable[Any]) -> Found:
    kept = list(pairs)
    return Found(
        header.cluster_id,
        header.revision,
        {pair.key: pair.value for pair in kept},
        {pair.key: pair.create_revision for pair in kept},
    )


def _reason(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or "connection closed"


def _said(error: GRPCError) -> str:
    text = error.message or error.status.name.lower()
    return _ADVICE.get(text, text)
