"""Programs of this machine's operator as probes: never a shell, and nothing of what they say is read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from federation.probing.target import Done, Target, Unable

DEVNULL = asyncio.subprocess.DEVNULL
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C"}


class Programs:
    """Needs a running loop. `commands` are the operator's programs by the name that a probe calls them."""

    def __init__(self, commands: Mapping[str, Path]) -> None:
        self._commands = commands
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, target: Target, done: Done) -> Callable[[], object]:
        """Start it with host, address and port (0: none); exit status 0 is well. Ended early, its whole process group
        is killed."""
        name = target.probe.command
        if name not in self._commands:
            raise Unable(f'command "{name}" is not known here: give --probe-command {name}=PROGRAM')
        line = (str(self._commands[name]), target.host, target.address, str(target.port))
        task = asyncio.get_running_loop().create_task(_run(line, done))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task.cancel

    async def close(self) -> None:
        """End all that run; comes back when they have ended."""
        running = list(self._running)
        for task in running:
            if not task.cancelling():  # a second time would keep it from killing
                task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _run(line: tuple[str, ...], done: Done) -> None:
    """Cancelled, it ends when the program has, begun or only about to begin."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *line, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True, env=ENVIRONMENT
        )
    )
    try:
        process = await asyncio.shield(starting)
        status = await process.wait()
    except OSError:
        status = -1
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            await _kill(await starting)
        raise
    done(status == 0)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
