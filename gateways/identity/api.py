"""The SPIFFE Workload API (SPIFFE_Workload_API.md): its calls, for one caller whose user the kernel has told us."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from federation.model.errors import Refused, Unavailable
from federation.process import until_one_ends
from gateways import metrics
from gateways.identity.answers import (
    Book,
    bundles_for,
    is_coming,
    jwt_bundles_for,
    subjects_of,
    svids_for,
    validation_for,
)
from gateways.identity.callers import Connection
from gateways.identity.messages import Invalid, read_token_request, read_validation, tokens_message
from gateways.identity.registered import Caller, identities_of
from gateways.identity.secrets import STREAM_SECRETS, SecretStream, read_request, secrets_for
from gateways.identity.tokens import Tokens
from gateways.xds.hub import Flooded

SERVICE = "SpiffeWorkloadAPI"
HEADER = "workload.spiffe.io"
Answer = Callable[[Book, Caller, datetime], bytes]
Made = TypeVar("Made")
Call = Stream[bytes, bytes]
COMING_SECONDS = 10.0
"""Seconds for which a caller who was just attested waits for a certificate."""


class Shelf:
    """The book in force; `changed` is set, once, when another takes its place."""

    def __init__(self) -> None:
        self.book = Book()
        self.changed = asyncio.Event()

    def put(self, book: Book) -> None:
        """Answer from this book from now on, on open streams too."""
        if book != self.book:
            changed, self.changed = self.changed, asyncio.Event()
            self.book = book
            changed.set()


class WorkloadApi:
    """The calls of one connection. Of a request only that for a JWT-SVID, or to validate one, is read."""

    def __init__(self, shelf: Shelf, tokens: Tokens, connection: Connection) -> None:
        self._shelf = shelf
        self._tokens = tokens
        self._connection = connection

    def __mapping__(self) -> dict[str, Handler]:
        """The calls by path, as grpclib wants them."""
        streams = {
            "FetchX509SVID": self.fetch_svids,
            "FetchX509Bundles": self.fetch_bundles,
            "FetchJWTBundles": self.fetch_jwt_bundles,
        }
        calls = {"FetchJWTSVID": self.fetch_jwt_svid, "ValidateJWTSVID": self.validate}
        found = {name: Handler(call, Cardinality.UNARY_STREAM, bytes, bytes) for name, call in streams.items()}
        found |= {name: Handler(call, Cardinality.UNARY_UNARY, bytes, bytes) for name, call in calls.items()}
        secrets = Handler(self.stream_secrets, Cardinality.STREAM_STREAM, bytes, bytes)
        return {f"/{SERVICE}/{name}": handler for name, handler in found.items()} | {STREAM_SECRETS: secrets}

    async def fetch_svids(self, stream: Call) -> None:
        """The caller's X509-SVIDs with all bundles, and again, whole, whenever one of them is another."""
        await self._keep_sending(stream, svids_for)

    async def fetch_bundles(self, stream: Call) -> None:
        """The bundles of all trust domains, and again, whole, whenever one of them is another."""
        await self._keep_sending(stream, bundles_for)

    async def fetch_jwt_bundles(self, stream: Call) -> None:
        """The JWK sets of all trust domains, and again, whole, whenever one of them is another."""
        await self._keep_sending(stream, jwt_bundles_for)

    async def fetch_jwt_svid(self, stream: Call) -> None:
        """A JWT-SVID for each identity of the caller, or for the one that it names."""
        check_header(stream)
        with refusing():
            wanted = read_token_request(await stream.recv_message())
            subjects = await self._answered(lambda book, caller, _: subjects_of(book, caller, wanted.identity))
            svids = [(str(one), await self._tokens.get(one, wanted.audiences)) for one in subjects]
            await stream.send_message(tokens_message(svids))

    async def validate(self, stream: Call) -> None:
        """The claims of a JWT-SVID that is good for an audience."""
        check_header(stream)
        with refusing():
            wanted = read_validation(await stream.recv_message())
            message = await self._answered(lambda book, caller, now: validation_for(book, caller, wanted, now))
            await stream.send_message(message)

    async def stream_secrets(self, stream: Call) -> None:
        """The leaf of one of the caller's identities and all anchors, for an Envoy; again when one is another."""
        check_header(stream)
        with metrics.WORKLOAD_STREAMS.track_inprogress(), refusing():
            first = read_request(await stream.recv_message())
            secrets = SecretStream(stream.send_message)
            found = self._each(lambda book, caller, now: secrets_for(book, caller, first.node.id, now))
            await until_one_ends([secrets.serve(first, aiter(stream)), secrets.follow(found)])

    async def _caller(self) -> Caller:
        """Who calls: Kubernetes is asked where its word counts and the user alone is nobody."""
        registered = self._shelf.book.registered
        by_user = identities_of(Caller(self._connection.user), registered)
        by_token = self._shelf.book.attests or any(one.kubernetes for one in registered)
        return await self._connection.caller(not by_user and by_token)

    async def _answered(self, make: Callable[[Book, Caller, datetime], Made]) -> Made:
        """What is made of the book in force; for one who was just attested, of that in which he stands."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMING_SECONDS):
                while True:
                    changed, caller = self._shelf.changed, await self._caller()
                    try:
                        return make(self._shelf.book, caller, datetime.now(UTC))
                    except Unavailable:
                        if not is_coming(self._shelf.book, caller):
                            raise
                    await changed.wait()
        return make(self._shelf.book, await self._caller(), datetime.now(UTC))

    async def _keep_sending(self, stream: Call, answer: Answer) -> None:
        check_header(stream)
        with metrics.WORKLOAD_STREAMS.track_inprogress(), refusing():
            async for message in self._each(answer):
                await stream.send_message(message)

    async def _each(self, make: Callable[[Book, Caller, datetime], Made]) -> AsyncIterator[Made]:
        """What is made of each book from now on, where that is another."""
        sent: Made | None = None
        while True:
            changed = self._shelf.changed
            made = await self._answered(make)
            if made != sent:
                yield made
                sent = made
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._connection.due()):
                    await changed.wait()


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Say what went wrong in the words and numbers of gRPC (SPIFFE_Workload_API.md section 6)."""
    try:
        yield
    except Refused as error:
        raise refusal("no identity", Status.PERMISSION_DENIED, str(error)) from None
    except Unavailable as error:
        raise refusal("not at hand", Status.UNAVAILABLE, str(error)) from None
    except Flooded:
        raise refusal("flood", Status.RESOURCE_EXHAUSTED, "the client asks without reading; connect anew") from None
    except Invalid as error:
        raise refusal("not good", Status.INVALID_ARGUMENT, str(error)) from None


def check_header(stream: Call) -> None:
    """GRPCError (InvalidArgument) without the header that no forged request of a browser or proxy can carry
    (SPIFFE_Workload_Endpoint.md section 6).
    """
    if stream.metadata is None or stream.metadata.getall(HEADER, []) != ["true"]:
        text = f"E125 the metadata `{HEADER}: true` is missing: this is no client of the Workload API"
        raise refusal("no header", Status.INVALID_ARGUMENT, text)


def refusal(reason: str, status: Status, text: str) -> GRPCError:
    """The error to raise, counted."""
    metrics.WORKLOAD_REFUSALS.labels(reason).inc()
    return GRPCError(status, text)
