"""UDP in Python on all addresses: who asked one of them has its answer from that one."""

import asyncio
import socket

import pytest
from gslb.datagrams import Datagrams

from tests.worlds.ports import free_port


@pytest.mark.parametrize(("listen", "asked"), [("0.0.0.0", "127.0.0.7"), ("::", "::1"), ("127.0.0.9", "127.0.0.9")])
def test_the_answer_comes_from_the_address_that_was_asked(listen: str, asked: str) -> None:
    async def story() -> None:
        port, server = free_port(), Datagrams(lambda data, address, tcp: data + address.encode())
        server.listen(listen, port)
        family = socket.AF_INET6 if ":" in asked else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect((asked, port))
            loop = asyncio.get_running_loop()
            for number in range(3):
                await loop.sock_sendall(client, b"%d from " % number)
                own = client.getsockname()[0].encode()
                assert await asyncio.wait_for(loop.sock_recv(client, 100), 10) == b"%d from %s" % (number, own)
        server.close()

    asyncio.run(story())
