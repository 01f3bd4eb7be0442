"""What one client can have the server remember: bounded, whatever it sends and however little it answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from gateways.xds.hub import Bounds, Client, Delta, Flooded, Variant, World
from gateways.xds.messages import EDS, LDS, RDS, Resource
from gateways.xds.serve import XdsServer
from gateways.xds.shelf import Shelf
from gateways.xds.wire import Bodies

BOUNDS = Bounds(held=200, name=64)
SHELF = Shelf({LDS: {f"l{i}": Resource(name=f"l{i}", version="1", body=b"") for i in range(20)}, EDS: {}})


def delta(**fields: Any) -> Any:
    return discovery_pb2.DeltaDiscoveryRequest(**fields)


def world(**fields: Any) -> Any:
    return discovery_pb2.DiscoveryRequest(**fields)


async def written(body: bytes) -> None:
    """A client that reads all that it is sent."""


async def sent(variant: Variant, requests: Iterator[Any]) -> int:
    """How many of these requests were taken before the client was sent away."""
    client, taken = Client(variant(SHELF), written, Bodies(), BOUNDS), 0
    try:
        for request in requests:
            client.receive(request)
            await asyncio.sleep(0)
            taken += 1
    except Flooded:
        return taken
    finally:
        await client.stop()
    return taken


Requests = Callable[[], Iterator[Any]]
FLOODS: dict[str, tuple[Variant, Requests]] = {
    "names": (Delta, lambda: (delta(type_url=EDS, resource_names_subscribe=[f"n{i}"]) for i in range(1_000))),
    "names at once": (Delta, lambda: iter([delta(type_url=EDS, resource_names_subscribe=map(str, range(300)))])),
    "a long name": (Delta, lambda: iter([delta(type_url=EDS, resource_names_subscribe=["n" * 65])])),
    "a long version": (Delta, lambda: iter([delta(type_url=LDS, initial_resource_versions={"l1": "v" * 65})])),
    "answers that are never acknowledged": (
        Delta,
        lambda: (delta(type_url=EDS, resource_names_subscribe=["same"]) for _ in range(1_000)),
    ),
    "names of the other variant": (World, lambda: iter([world(type_url=EDS, resource_names=map(str, range(300)))])),
    "a long name of the other variant": (World, lambda: iter([world(type_url=EDS, resource_names=["n" * 65])])),
}


@pytest.mark.parametrize("flood", sorted(FLOODS))
def test_a_client_that_would_be_remembered_without_end_is_sent_away(flood: str) -> None:
    variant, requests = FLOODS[flood]
    assert asyncio.run(sent(variant, requests())) <= 200


@pytest.mark.parametrize("variant", [Delta, World])
def test_types_that_are_not_served_are_not_remembered(variant: Variant) -> None:
    client = Client(variant(SHELF), written, Bodies(), BOUNDS)
    for number in range(1_000):
        client.receive(variant.message(type_url=f"type.googleapis.com/other{number}"))
    assert client.stream.held() == 0


def test_who_acknowledges_goes_on_for_ever() -> None:
    async def run() -> None:
        client = Client(Delta(SHELF), written, Bodies(), BOUNDS)
        for nonce in range(1_000):
            client.receive(delta(type_url=EDS, resource_names_subscribe=["same"], response_nonce=str(nonce)))
            await asyncio.sleep(0)
        await client.stop()

    asyncio.run(run())


def test_a_node_of_a_thousand_services_and_a_hundred_workloads_is_no_flood() -> None:
    async def run() -> None:
        server = XdsServer(Path("/nowhere/xds.sock"))
        server.offer({EDS: {}, RDS: {}})
        names = [f"out/shop/service-{number}/http/ns/default/sa/client" for number in range(100_000)]
        asked = [delta(type_url=kind, resource_names_subscribe=names) for kind in (EDS, RDS)]
        await server._hub.serve(Delta, requests(asked), written)

    asyncio.run(run())


async def requests(messages: list[Any]) -> AsyncIterator[Any]:
    for message in messages:
        yield message
