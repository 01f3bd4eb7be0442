"""A thin xDS client over TLS or a unix socket: one connection, one gRPC stream, HTTP/2 frames by hand (RFC 9113).

So that a crowd of clients costs its machine little, and since grpcio's clients cannot verify a SPIFFE server. It reads no
more of HTTP/2 than one stream needs; its windows are opened wide at once.
"""

import asyncio
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from hpack import Decoder

PATH = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK, END_STREAM, END_HEADERS = 1, 1, 4
WIDE = 0x7FFFFFFF


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header without indexing (RFC 7541 section 6.2.2); names and values of less than 127 bytes."""
    return b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def opening(method: str) -> bytes:
    """Preface, settings and the headers of the one stream."""
    headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", PATH + method),
        (":authority", "xds"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    block = b"".join(_literal(*one) for one in headers)
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, WIDE))
        + frame(8, 0, 0, struct.pack(">I", WIDE - 65_535))
        + frame(HEADERS, END_HEADERS, 1, block)
    )


class Ended(Exception):
    """The server ended the stream: gRPC status code (-1: none was said), and its words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


class Line(asyncio.Protocol):
    """Give it `took`, called with each message; `ended` is set with the end."""

    def __init__(self, method: str, took: Callable[[bytes], None]) -> None:
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.going_away = False
        self._method = method
        self._took = took
        self._raw = bytearray()
        self._data = bytearray()
        self._decoder = Decoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(opening(self._method))

    def send(self, message: bytes) -> None:
        """One gRPC message."""
        body = b"\0" + struct.pack(">I", len(message)) + message
        parts = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
        self._transport.write(b"".join(frame(DATA, 0, 1, part) for part in parts))

    def finish(self) -> None:
        """Say that nothing more comes."""
        self._transport.write(frame(DATA, END_STREAM, 1))

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._raw += data
        at = 0
        while len(self._raw) - at >= 9:
            size = int.from_bytes(self._raw[at : at + 3])
            if len(self._raw) - at < 9 + size:
                break
            self._frame(self._raw[at + 3], self._raw[at + 4], bytes(self._raw[at + 9 : at + 9 + size]))
            at += 9 + size
        del self._raw[:at]

    def connection_lost(self, error: Exception | None) -> None:
        self._end(-1, "connection closed" if error is None else str(error))

    def _frame(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == DATA:
            self._data += payload
            self._messages()
        elif kind == SETTINGS and not flags & ACK:
            self._transport.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            self._headers(payload)
        elif kind == GOAWAY:
            self.going_away = True
        elif kind == RST_STREAM:
            self._end(-1, "stream reset")

    def _headers(self, payload: bytes) -> None:
        headers = {str(name): str(value) for name, value in self._decoder.decode(payload)}
        if "grpc-status" in headers:
            self._end(int(headers["grpc-status"]), unquote(headers.get("grpc-message", "")))

    def _messages(self) -> None:
        while len(self._data) >= 5:
            size = int.from_bytes(self._data[1:5])
            if len(self._data) < 5 + size:
                return
            message = bytes(self._data[5 : 5 + size])
            del self._data[: 5 + size]
            self._took(message)

    def _end(self, code: int, text: str) -> None:
        if not self.ended.done():
            self.ended.set_result(Ended(code, text))


async def dial(
    method: str, took: Callable[[bytes], None], address: tuple[str, int] | Path, context: ssl.SSLContext | None = None
) -> Line:
    """Connect over TLS to host and port, or to a unix socket."""
    loop = asyncio.get_running_loop()
    if isinstance(address, Path):
        _, line = await loop.create_unix_connection(lambda: Line(method, took), str(address))
    else:
        _, line = await loop.create_connection(lambda: Line(method, took), *address, ssl=context)
    return line
