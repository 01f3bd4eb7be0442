"""The Load Reporting Service (envoy.service.load_stats.v3) for the node's own Envoy, beside ADS on the same socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import grpc.aio
from envoy.service.load_stats.v3 import lrs_pb2
from google.protobuf import duration_pb2

from gateways.load.book import Book
from gateways.load.counts import Count, counts_of
from gateways.load.metrics import Meter

SERVICE = "envoy.service.load_stats.v3.LoadReportingService"
INTERVAL = duration_pb2.Duration(seconds=1)
ANSWER = lrs_pb2.LoadStatsResponse(send_all_clusters=True, load_reporting_interval=INTERVAL)
"""What is wanted: every cluster, every second. Said again after each report: Envoy 1.40 counts for a cluster that came
later without that (measured), releases that look at their clusters only when they are asked do not."""


class LoadServer:
    """Takes the reports of every Envoy that connects. `changed` is set when `book.reports` did.

    `clock` gives milliseconds that never go back, `member` is our own.
    """

    def __init__(self, member: str, clock: Callable[[], int]) -> None:
        self.changed = asyncio.Event()
        self.book = Book()
        self._clock = clock
        self._meter = Meter(member)

    def handler(self) -> grpc.GenericRpcHandler:
        """For the gRPC server of the xDS socket."""
        method = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=lrs_pb2.LoadStatsRequest.FromString,
            response_serializer=lrs_pb2.LoadStatsResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"StreamLoadStats": method})

    def look(self) -> None:
        """Let what no Envoy reports any more fade, and show what is under way."""
        now = self._clock()
        self.book.look(now)
        self._meter.show_active(self.book.active(now))

    async def _serve(
        self, requests: AsyncIterator[lrs_pb2.LoadStatsRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[lrs_pb2.LoadStatsResponse]:
        account = self.book.open()
        try:
            async for message in requests:
                if self.book.take(account, self._metered(message), self._clock()):
                    self.changed.set()
                yield ANSWER
        finally:
            self.book.close(account)

    def _metered(self, message: lrs_pb2.LoadStatsRequest) -> list[Count]:
        counts = list(counts_of(message))
        for one in counts:
            self._meter.count(one)
        return counts
