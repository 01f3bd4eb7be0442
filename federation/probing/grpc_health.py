"""One call of grpc.health.v1.Health/Check over HTTP/2, as bytes in and bytes out. Pure."""

import struct

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

from federation.probing.target import Talk, Target

STREAM = 1
CAME_MAX = 65_536
"""Bytes of all frames together."""

ANSWER_MAX = 1_024
SERVING = b"\x08\x01"
"""HealthCheckResponse (health/v1/health.proto): field 1, an enumeration, is SERVING."""

_PREFIX = struct.Struct("!?I")
"""Before each message: compressed or not, and its length (gRPC over HTTP/2)."""

_CONFIG = H2Configuration(client_side=True, validate_outbound_headers=False)


def check(target: Target) -> Talk:
    """True when the service serves. A name that the server does not know is no healthy one."""
    connection = H2Connection(_CONFIG)
    connection.initiate_connection()
    connection.send_headers(STREAM, _headers(target))
    connection.send_data(STREAM, _question(target.probe.service), end_stream=True)
    answer, came = _Answer(), 0
    while not answer.over:
        data = yield connection.data_to_send()
        came += len(data)
        if not data or came > CAME_MAX:
            return False
        try:
            for event in connection.receive_data(data):
                answer.hear(event)
        except H2Error as error:
            raise ValueError("no HTTP/2") from error
    return answer.well


def _headers(target: Target) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "https" if target.probe.kind == "grpcs" else "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", target.probe.host or target.host),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "isthmus"),
    ]


def _question(service: str) -> bytes:
    """HealthCheckRequest: field 1 is the name of the service, at most 127 bytes of it."""
    name = service.encode()
    message = bytes((0x0A, len(name))) + name if name else b""
    return _PREFIX.pack(False, len(message)) + message


class _Answer:
    def __init__(self) -> None:
        self.over = False
        self._status = b""
        self._data = b""

    @property
    def well(self) -> bool:
        """True when the call ended well and says SERVING."""
        return self._status == b"0" and self._data[_PREFIX.size :].startswith(SERVING)

    def hear(self, event: Event) -> None:
        """Note what one event says. ValueError for more than any honest answer."""
        if isinstance(event, ResponseReceived | TrailersReceived):
            self._status = dict(event.headers or ()).get(b"grpc-status", self._status)
        elif isinstance(event, DataReceived):
            self._data += event.data or b""
            if len(self._data) > ANSWER_MAX:
                raise ValueError("too long")
        elif isinstance(event, StreamEnded | StreamReset | ConnectionTerminated):
            self.over = True
