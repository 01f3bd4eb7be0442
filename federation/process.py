"""A long-running process among others: is another one there already, and how it ends."""

import asyncio
import resource
import signal
from collections.abc import Awaitable, Sequence
from pathlib import Path


async def until_stopped(work: Sequence[Awaitable[None]]) -> None:
    """Run all of this until SIGTERM or SIGINT, or until one of them fails."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await until_one_ends([*work, _until(stopped)])


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def until_one_ends(work: Sequence[Awaitable[None]]) -> None:
    """Run all of this until one of them ends or fails; the others are cancelled, and have ended at return."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raise_open_files() -> None:
    """Let this process open as many files as it may raise its limit to: each probe that is out takes one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def answers(socket: Path) -> bool:
    """True when somebody listens on this unix socket."""
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True
