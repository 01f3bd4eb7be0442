"""Responses on the wire: what protobuf itself reads in the bytes that are put together here."""

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from gateways.xds.messages import ECDS, LDS, SDS, Resource, Response
from gateways.xds.wire import Bodies

SIZES = ((), (0,), (1, 127, 128, 16_384), (2_000_000,))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("removed", [(), ("gone", "away")], ids=str)
@pytest.mark.parametrize("kind", [LDS, SDS, ECDS])
def test_protobuf_reads_a_delta_response_as_it_was_meant(
    sizes: tuple[int, ...], removed: tuple[str, ...], kind: str
) -> None:
    resources = tuple(
        Resource(name=f"r{number}", version=f"v{size}", body=bytes((number,)) * size)
        for number, size in enumerate(sizes)
    )
    response = Response(type_url=kind, nonce="7", resources=resources, removed=removed)
    read = discovery_pb2.DeltaDiscoveryResponse.FromString(Bodies().delta(response))
    assert (read.type_url, read.nonce, tuple(read.removed_resources)) == (kind, "7", removed)
    found = [(one.name, one.version, one.resource.type_url, one.resource.value) for one in read.resources]
    assert found == [(one.name, one.version, kind, one.body) for one in resources]
