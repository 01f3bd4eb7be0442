"""The serving end of the link: one gRPC server per controller, mutual TLS, the caller's SPIFFE ID checked strictly."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
from cryptography import x509

from federation.link.dial import EXCHANGE, MESSAGE_MAX
from federation.link.leaf import Leaf
from federation.link.tls import identity_of
from federation.model.errors import InputError, IsthmusError, Refused
from federation.model.spiffe import SpiffeId
from federation.telemetry import split_address

Exchange = Callable[[SpiffeId, AsyncIterator[bytes], Callable[[bytes], Awaitable[None]]], Awaitable[None]]
Call = Callable[[SpiffeId, bytes], Awaitable[bytes]]
Credentials = Callable[[], tuple[Leaf, str]]

OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_MAX),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.so_reuseport", 0),
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
]


class LinkServer:
    """Serves Exchange, and calls that answer once, to who proves an identity under anchors in force."""

    def __init__(self, credentials: Credentials, exchange: Exchange, calls: Mapping[str, Call]) -> None:
        """`credentials` gives our leaf and the PEM of all trusted anchors; it is asked again for each handshake.
        `calls` are the others by path: Issue (a leaf), Token (a JWT-SVID), Attest (whose a token is).
        """
        self._credentials = credentials
        self._exchange = exchange
        self._calls = calls
        self._seen: tuple[Leaf, str] | None = None
        self._server: Any = None

    async def start(self, address: str) -> None:
        """Listen on `ip:port`. InputError (E122) when the port is in use or the address is not ours."""
        _check_free(address)
        handlers = {
            EXCHANGE.rpartition("/")[2]: grpc.stream_stream_rpc_method_handler(self._serve_exchange),
            **{
                path.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(self._answering(answer))
                for path, answer in self._calls.items()
            },
        }
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(EXCHANGE.split("/")[1], handlers),))
        self._seen = self._credentials()
        secure = grpc.dynamic_ssl_server_credentials(self._configuration(self._seen), self._fresh, True)
        try:
            self._server.add_secure_port(address, secure)
        except RuntimeError:
            raise _unusable(address, "cannot be bound") from None
        await self._server.start()

    async def stop(self) -> None:
        """Close every stream."""
        if self._server is not None:
            await self._server.stop(0.2)

    def _fresh(self) -> Any:
        current = self._credentials()
        if current == self._seen:
            return None
        self._seen = current
        return self._configuration(current)

    @staticmethod
    def _configuration(current: tuple[Leaf, str]) -> Any:
        leaf, anchors = current
        pair = (leaf.key.encode(), leaf.chain.encode())
        return grpc.ssl_server_certificate_configuration([pair], anchors.encode())

    async def _serve_exchange(self, requests: AsyncIterator[bytes], context: Any) -> None:
        try:
            await self._exchange(caller_of(context), requests, context.write)
        except Refused as error:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))

    @staticmethod
    def _answering(answer: Call) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def serve(request: bytes, context: Any) -> bytes:
            try:
                return await answer(caller_of(context), request)
            except Refused as error:
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
            except IsthmusError as error:
                await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            raise AssertionError("abort does not return")

        return serve


def _check_free(address: str) -> None:
    """Try the address first: gRPC's own complaint says less, and on several lines."""
    host, port = split_address(address, "--listen")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _unusable(address, str(error.strerror)) from None


def _unusable(address: str, why: str) -> InputError:
    return InputError(f'--listen "{address}": {why}; choose another address or port', "E122")


def caller_of(context: Any) -> SpiffeId:
    """The identity of the caller of this RPC, from its verified certificate. Refused (E105) when it has none."""
    pem = context.auth_context().get("x509_pem_cert")
    if not pem:
        raise Refused("peer presented no certificate", "E105")
    return identity_of(x509.load_pem_x509_certificate(pem[0]))
