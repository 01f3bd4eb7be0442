"""The SPIFFE Workload API (SPIFFE_Workload_API.md): its calls, for one caller whose user the kernel has told us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from federation.model.errors import Refused, Unavailable
from federation.model.handout import UnixUser
from gateways import metrics
from gateways.identity.answers import Book, bundles_for, svids_for

SERVICE = "SpiffeWorkloadAPI"
HEADER = "workload.spiffe.io"
Answer = Callable[[Book, UnixUser, datetime], bytes]
Call = Stream[bytes, bytes]


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
    """The calls of one connection. Requests carry nothing that we need, so none is read."""

    def __init__(self, shelf: Shelf, user: UnixUser) -> None:
        self._shelf = shelf
        self._user = user

    def __mapping__(self) -> dict[str, Handler]:
        """The calls by path, as grpclib wants them."""
        streams = {"FetchX509SVID": self.fetch_svids, "FetchX509Bundles": self.fetch_bundles, "FetchJWTBundles": no_jwt}
        calls = {"FetchJWTSVID": no_jwt, "ValidateJWTSVID": no_jwt}
        found = {name: Handler(call, Cardinality.UNARY_STREAM, bytes, bytes) for name, call in streams.items()}
        found |= {name: Handler(call, Cardinality.UNARY_UNARY, bytes, bytes) for name, call in calls.items()}
        return {f"/{SERVICE}/{name}": handler for name, handler in found.items()}

    async def fetch_svids(self, stream: Call) -> None:
        """The caller's X509-SVIDs with all bundles, and again, whole, whenever one of them is another."""
        await self._keep_sending(stream, svids_for)

    async def fetch_bundles(self, stream: Call) -> None:
        """The bundles of all members, and again, whole, whenever one of them is another."""
        await self._keep_sending(stream, bundles_for)

    async def _keep_sending(self, stream: Call, answer: Answer) -> None:
        check_header(stream)
        sent = None
        with metrics.WORKLOAD_STREAMS.track_inprogress():
            while True:
                changed = self._shelf.changed
                message = self._answer(answer)
                if message != sent:
                    await stream.send_message(message)
                    sent = message
                await changed.wait()

    def _answer(self, answer: Answer) -> bytes:
        try:
            return answer(self._shelf.book, self._user, datetime.now(UTC))
        except Refused as error:
            raise refusal("no identity", Status.PERMISSION_DENIED, str(error)) from None
        except Unavailable as error:
            raise refusal("not at hand", Status.UNAVAILABLE, str(error)) from None


def check_header(stream: Call) -> None:
    """GRPCError (InvalidArgument) without the header that no forged request of a browser or proxy can carry
    (SPIFFE_Workload_Endpoint.md section 6).
    """
    if stream.metadata is None or stream.metadata.getall(HEADER, []) != ["true"]:
        text = f"E125 the metadata `{HEADER}: true` is missing: this is no client of the Workload API"
        raise refusal("no header", Status.INVALID_ARGUMENT, text)


async def no_jwt(stream: Call) -> None:
    """JWT-SVIDs are not here yet, and say so."""
    check_header(stream)
    raise refusal("jwt", Status.UNIMPLEMENTED, "E125 JWT-SVIDs are not served yet: use FetchX509SVID")


def refusal(reason: str, status: Status, text: str) -> GRPCError:
    """The error to raise, counted."""
    metrics.WORKLOAD_REFUSALS.labels(reason).inc()
    return GRPCError(status, text)
