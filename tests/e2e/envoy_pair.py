"""Two members on loopback, each with a real Envoy and real certificates: a node of us-east, and the gateway of eu-central
with its pods behind it. What both hold is worked out of handouts, as an agent does; only the tunnel is missing.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from msgspec import Struct, structs
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from federation.model.handout import Site, Workload
from federation.model.policy import Policy
from federation.model.record import Endpoint
from federation.model.spiffe import SpiffeId
from gateways.intent import intend
from gateways.render.envoy.resources import Certificate
from gateways.state import Situation, Telemetry
from tests.e2e.envoy_rig import SILENT, Backend, Rig, envoy
from tests.worlds.ports import free_port
from tests.worlds.two_members import (
    DOMAIN,
    MemberKeys,
    candidate,
    keyed,
    peer,
    real,
    site,
    web_import,
    web_offer,
    web_pool,
)

SOURCES = tuple(f"127.0.0.{i}" for i in range(1, 33))
CLIENT = Workload("default", "client", SOURCES)
NOTHING = Policy()
CALLER = "spiffe://us-east.acme.mesh/ns/default/sa/client"


class Pair:
    """The world of both; `put` has each Envoy hold what the policies make of it."""

    def __init__(self, node: Rig, gateway: Rig, pods: tuple[Backend, ...], app_protocol: str) -> None:
        self.node, self.gateway, self.port = node, gateway, free_port()
        self.us, self.eu = real("us-east"), real("eu-central")
        self._pods, self._protocol = pods, app_protocol
        number = os.getpid()
        self._entrance = f"127.{64 + number % 128}.{number // 128 % 256}"

    async def put(
        self,
        policy: Policy = NOTHING,
        exporters: Policy = NOTHING,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """`policy` is the importer's, `exporters` the exporter's."""
        await self._put_gateway(exporters, telemetry)
        await self._put_node(policy, telemetry)

    async def _put_gateway(self, policy: Policy, telemetry: Telemetry) -> None:
        here = Situation(
            node="g1",
            role="gateway",
            member="eu-central",
            domain=DOMAIN,
            address="127.0.0.1",
            device="ist0",
            private_key=self.eu.wireguard,
            public_key=self.eu.public_key,
            listen_port=51820,
            telemetry=telemetry,
        )
        us = structs.replace(peer(self.us, "192.0.2.1:51820", ()), overlay="127.0.0.0/24")
        offer = structs.replace(web_offer(self._protocol), policy=policy)
        pool = web_pool(*(Endpoint(pod.address) for pod in self._pods), port=self._pods[0].port)
        state = intend(here, keyed(self._site(self.eu, f"{self._entrance}.0/24"), us, offer, pool))
        assert state.problems == ()
        await self.gateway.put(state, certificates(self.eu, *state.identities))

    async def _put_node(self, policy: Policy, telemetry: Telemetry) -> None:
        here = Situation(
            node="n1", role="node", member="us-east", domain=DOMAIN, address="127.0.0.1", telemetry=telemetry
        )
        eu = peer(self.eu, "192.0.2.2:51820")
        gateway = structs.replace(eu.gateways[0], overlay=f"{self._entrance}.1")
        eu = structs.replace(eu, overlay=f"{self._entrance}.0/24", gateways=(gateway,))
        web = web_import(candidate(self.eu, 1, 1), app_protocol=self._protocol, listener=self.port)
        web = structs.replace(web, addresses=(), policy=policy)
        state = intend(here, keyed(self._site(self.us, "127.0.0.0/24"), eu, web, CLIENT))
        assert state.problems == ()
        await self.node.put(state, certificates(self.us, *state.identities))

    def _site(self, own: MemberKeys, overlay: str) -> Site:
        return structs.replace(site(own), overlay=overlay)


def certificates(own: MemberKeys, *identities: SpiffeId) -> dict[str, Certificate]:
    leaves = {str(identity): own.leaf(identity) for identity in identities}
    return {name: Certificate(leaf.chain, leaf.key) for name, leaf in leaves.items()}


@asynccontextmanager
async def pair(status: int = 200, app_protocol: str = "http", pods: int = 1) -> AsyncIterator[Pair]:
    """Both Envoys, with pods behind the gateway that answer with this status: `pod`, `pod2` and so on."""
    port = free_port()
    served = tuple(
        Backend(f"pod{i}" if i > 1 else "pod", port, status, address=f"127.0.0.{i}") for i in range(1, pods + 1)
    )
    async with envoy() as node, envoy(served) as gateway:
        yield Pair(node, gateway, served, app_protocol)


class Span(Struct, frozen=True):
    """A span as the collector got it; ids in hex, `of` the service that said it."""

    trace: str
    span: str
    parent: str
    of: str
    tags: dict[str, str]


class Collector:
    """Takes spans by OTLP over gRPC (opentelemetry-proto, TraceService). In the protobuf at hand scopes still have their
    old name; the bytes are the same.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._came = asyncio.Event()
        self.port = free_port()
        self._server = grpc.aio.server()

    async def __aenter__(self) -> "Collector":
        handler = grpc.unary_unary_rpc_method_handler(
            self._export,
            request_deserializer=trace_service_pb2.ExportTraceServiceRequest.FromString,
            response_serializer=trace_service_pb2.ExportTraceServiceResponse.SerializeToString,
        )
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
        self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()
        return self

    async def __aexit__(self, *what: object) -> None:
        await self._server.stop(None)

    async def of_both(self) -> list[Span]:
        """The spans, once a node and a gateway said some."""
        async with asyncio.timeout(20):
            while {span.of for span in self.spans} != {"isthmus-node", "isthmus-gateway"}:
                await self._came.wait()
                self._came.clear()
        return self.spans

    async def _export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            of = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for span in (span for scope in resource.instrumentation_library_spans for span in scope.spans):
                tags = {tag.key: tag.value.string_value for tag in span.attributes}
                ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                self.spans.append(Span(*ids, of, tags))
        self._came.set()
        return trace_service_pb2.ExportTraceServiceResponse()
