"""Protobuf in and out of the pure streams. A response that many streams are sent is serialised once."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable

from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from gateways.xds.messages import SDS, WHOLE, Request, Resource, Response, WorldRequest, WorldResponse
from gateways.xds.protojson import varint

BODIES_MAX = 32 * 1024 * 1024
"""Bytes of serialised responses that are kept for the next stream that is sent the same."""

ERROR_MAX = 4_096
"""Characters of a refusal that are kept: its words are the client's."""


_SECOND = b"\x12"
"""The tag of a field 2 with a length: DeltaDiscoveryResponse.resources, in it Resource.resource, in it Any.value."""


class Bodies:
    """Serialised responses without their nonce, the last used kept; secrets are not.

    Protobuf fields may stand in any order, so the nonce of each stream is appended to the bytes that all share
    (protobuf encoding, "Field order").
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0

    def delta(self, response: Response) -> bytes:
        """The DeltaDiscoveryResponse on the wire."""
        content = response.all_of or tuple((one.name, one.version) for one in response.resources)
        key = (response.type_url, content, response.removed)
        body = self._find(key)
        if body is None:
            body = self._keep(response.type_url, key, _delta_body(response))
        return body + bytes(discovery_pb2.DeltaDiscoveryResponse(nonce=response.nonce).SerializeToString())

    def world(self, response: WorldResponse) -> bytes:
        """The DiscoveryResponse on the wire. The version of a full set names its content."""
        names = () if response.type_url in WHOLE else tuple((one.name, one.version) for one in response.resources)
        key = (response.type_url, response.version, names)
        body = self._find(key)
        if body is None:
            body = self._keep(response.type_url, key, _world_body(response))
        return body + bytes(discovery_pb2.DiscoveryResponse(nonce=response.nonce).SerializeToString())

    def _find(self, key: Hashable) -> bytes | None:
        body = self._kept.get(key)
        if body is not None:
            self._kept.move_to_end(key)
        return body

    def _keep(self, type_url: str, key: Hashable, body: bytes) -> bytes:
        if type_url == SDS:
            return body
        self._kept[key] = body
        self._size += len(body)
        while self._size > BODIES_MAX:
            self._size -= len(self._kept.popitem(last=False)[1])
        return body


def _delta_body(response: Response) -> bytes:
    message = discovery_pb2.DeltaDiscoveryResponse(type_url=response.type_url, removed_resources=response.removed)
    kind = bytes(any_pb2.Any(type_url=response.type_url).SerializeToString())
    return b"".join((message.SerializeToString(), *(_delta_resource(kind, one) for one in response.resources)))


def _delta_resource(kind: bytes, resource: Resource) -> bytes:
    """The field `resources` of a response. Protobuf's own objects would copy the body, be it a megabyte, four times."""
    said = bytes(discovery_pb2.Resource(name=resource.name, version=resource.version).SerializeToString())
    value = _SECOND + varint(len(resource.body))
    carried = _SECOND + varint(len(kind) + len(value) + len(resource.body))
    size = len(said) + len(carried) + len(kind) + len(value) + len(resource.body)
    return b"".join((_SECOND, varint(size), said, carried, kind, value, resource.body))


def _world_body(response: WorldResponse) -> bytes:
    resources = [any_pb2.Any(type_url=response.type_url, value=resource.body) for resource in response.resources]
    message = discovery_pb2.DiscoveryResponse(
        type_url=response.type_url, version_info=response.version, resources=resources
    )
    return bytes(message.SerializeToString())


def delta_request(message: discovery_pb2.DeltaDiscoveryRequest) -> Request:
    """The request without protobuf. A NACK is told by error_detail alone."""
    return Request(
        type_url=sys.intern(message.type_url),
        nonce=message.response_nonce,
        error=message.error_detail.message[:ERROR_MAX] if message.HasField("error_detail") else None,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial=dict(message.initial_resource_versions),
    )


def world_request(message: discovery_pb2.DiscoveryRequest) -> WorldRequest:
    """The request without protobuf. A NACK is told by error_detail alone."""
    return WorldRequest(
        type_url=sys.intern(message.type_url),
        nonce=message.response_nonce,
        error=message.error_detail.message[:ERROR_MAX] if message.HasField("error_detail") else None,
        names=tuple(message.resource_names),
        version=message.version_info,
    )


def longest(message: discovery_pb2.DeltaDiscoveryRequest | discovery_pb2.DiscoveryRequest) -> int:
    """The characters of the longest name or version that a request bears."""
    if isinstance(message, discovery_pb2.DiscoveryRequest):
        said = [message.version_info, *message.resource_names]
    else:
        had = message.initial_resource_versions
        said = [*message.resource_names_subscribe, *message.resource_names_unsubscribe, *had.keys(), *had.values()]
    return max(map(len, said), default=0)
