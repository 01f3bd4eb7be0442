"""One probe of one target, by the real prober."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from federation.probing.prober import NO_COMMANDS, Prober
from federation.probing.target import Composite, Target


async def passes(target: Target, commands: Mapping[str, Path] = NO_COMMANDS) -> bool:
    """How its first probe ends."""
    once = structs.replace(target.probe, unhealthy=1, interval_ms=100)
    prober: Prober[str] = Prober(commands)
    prober.want({"it": Composite((structs.replace(target, probe=once),))})
    try:
        await asyncio.wait_for(prober.changed.wait(), 20)
        return prober.verdicts["it"].up is True
    finally:
        await prober.stop()
