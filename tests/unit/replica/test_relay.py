"""What connects to a standby reaches the leader, or is closed at once."""

import asyncio

import pytest

from federation.model.errors import InputError
from federation.replica.relay import Relay
from tests.worlds.ports import free_port


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The leader: what is said comes back in capitals, and then the end."""
    writer.write((await reader.readexactly(5)).upper())
    writer.close()
    await writer.wait_closed()


async def ask(address: str) -> bytes:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"hello")
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def test_bytes_go_to_who_leads_now_and_back() -> None:
    async def work() -> None:
        leader, standby = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        leads = [""]
        server = await asyncio.start_server(shout, "127.0.0.1", int(leader.rpartition(":")[2]))
        async with server, Relay(lambda: leads[0]).listening(standby):
            assert await ask(standby) == b"", "nobody leads"
            leads[0] = leader
            assert await ask(standby) == b"HELLO"
            leads[0] = f"127.0.0.1:{free_port()}"
            assert await ask(standby) == b"", "the leader does not answer"
        with pytest.raises(OSError):
            await ask(standby)

    asyncio.run(work())


def test_an_address_that_is_taken_is_said() -> None:
    async def work() -> None:
        address = f"127.0.0.1:{free_port()}"
        async with Relay(lambda: "").listening(address):
            with pytest.raises(InputError) as refused:
                async with Relay(lambda: "").listening(address):
                    raise AssertionError("it listens twice")
        assert str(refused.value).startswith(f'E122 --listen "{address}": ')
        assert str(refused.value).endswith("; choose another address or port")

    asyncio.run(work())
