"""A signer's folder with an anchor, and the signer serving in the same process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from federation.files import write_private
from federation.trust.signer import Signer
from federation.trust.slots import Slots

DOMAIN = "us-east.acme.mesh"


def slots_of(path: Path, anchor: tuple[str, str]) -> Slots:
    """The slots of this (key, anchor) in this folder."""
    write_private(path / "anchor.key", anchor[0].encode())
    (path / "anchor.pem").write_text(anchor[1])
    return open_slots(path)


def open_slots(path: Path) -> Slots:
    """The slots as a signer that starts finds them."""
    return Slots(path / "anchor.key", path / "anchor.pem", path / "next.json", DOMAIN)


@asynccontextmanager
async def serving(slots: Slots, socket: Path) -> AsyncIterator[None]:
    """A signer over these slots during the block."""
    signer = Signer(slots, socket.with_name("jwt.json"))
    task = asyncio.create_task(signer.serve(socket))
    try:
        async with asyncio.timeout(5):
            await signer.listening.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
