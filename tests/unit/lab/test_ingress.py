import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from federation.lab.ingress import Ingress

Body = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer when all was read, so that a half-closed connection is seen to be one."""
    writer.write(b"said " + await reader.read())
    writer.close()


async def through(ingress_to: Callable[[int], Ingress], text: bytes, times: int = 1) -> list[bytes]:
    """What an echo server answers through an ingress in front of it, for each connection."""
    behind = await asyncio.start_server(echo, "127.0.0.1", 0)
    ingress = ingress_to(behind.sockets[0].getsockname()[1])
    front = await asyncio.start_server(ingress.passed, "127.0.0.1", 0)
    answers = []
    for _ in range(times):
        reader, writer = await asyncio.open_connection(*front.sockets[0].getsockname())
        writer.write(text)
        writer.write_eof()
        try:
            answers.append(await asyncio.wait_for(reader.read(), 5))
        except ConnectionResetError:
            answers.append(b"")
        writer.close()
    behind.close()
    front.close()
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
    await asyncio.sleep(0)
    return answers


def test_both_directions_pass_to_their_ends() -> None:
    long = b"x" * 300_000
    assert asyncio.run(through(lambda port: Ingress("localhost", port), long)) == [b"said " + long]


def test_while_the_resolver_is_away_the_last_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    asked: list[str] = []

    def sometimes(host: str, *args: object, **kwargs: object) -> object:
        if host == "localhost":
            asked.append(host)
            if len(asked) > 1:
                raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return real(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", sometimes)
    assert asyncio.run(through(lambda port: Ingress("localhost", port), b"hello", 2)) == [b"said hello"] * 2
    assert asked == ["localhost"] * 2


def test_a_connection_that_cannot_be_passed_on_is_closed() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        assert asyncio.run(through(lambda _: Ingress("127.0.0.1", port), b"hello")) == [b""]
