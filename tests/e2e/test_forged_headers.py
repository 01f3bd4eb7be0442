"""Headers by which a caller would pass for somebody else, on the real Envoy."""

import asyncio

import pytest

from gateways.services import route_of
from gateways.state import Host
from tests.e2e.envoy_rig import altered, ask, envoy, locality, service
from tests.worlds.ports import free_port

FORGERIES = (
    "X-Forwarded-Client-Cert: forged",
    "x_forwarded_client_cert: forged",
    "X_Forwarded-Client-Cert: forged",
    "x-forwarded_client-cert: forged",
    "x-forwarded-client_cert: forged",
)


@pytest.mark.parametrize("gateway", ["", "us"])
def test_no_spelling_of_the_callers_identity_comes_from_the_caller(gateway: str) -> None:
    """Programs that read headers as variables (WSGI, CGI) take "_" and "-" for the same. Other headers pass as sent."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        host = Host("127.0.0.1", server.sockets[0].getsockname()[1])
        async with server, envoy() as rig:
            port = free_port()
            state = service(port, locality("us", 1_000_000, host))
            await rig.put(altered(state, routes=(route_of(state.clusters[0], gateway=gateway),)))
            await ask(port, *FORGERIES, "my_own: kept")
            assert b"forged" not in seen[0] and b"my_own: kept" in seen[0]

    asyncio.run(run())
