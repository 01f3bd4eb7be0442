"""A long-running process among others: is another one there already, and how it ends."""

import asyncio
import signal
from collections.abc import Awaitable, Sequence
from pathlib import Path


async def until_stopped(work: Sequence[Awaitable[None]]) -> None:
    """Run all of this until SIGTERM or SIGINT, or until one of them fails."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    tasks = [asyncio.ensure_future(item) for item in work]
    waiter = asyncio.create_task(stopped.wait())
    try:
        done, _ = await asyncio.wait({*tasks, waiter}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiter}:
            task.result()
    finally:
        for task in (*tasks, waiter):
            task.cancel()
        await asyncio.gather(*tasks, waiter, return_exceptions=True)


async def answers(socket: Path) -> bool:
    """True when somebody listens on this unix socket."""
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True
