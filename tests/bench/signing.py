"""Leaves by the signer process, as a controller asks for them: keys and requests are made before the clock runs."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from federation.link.leaf import new_key, signing_request
from federation.model.spiffe import SpiffeId, agent_id
from federation.trust.signer import ask_signer
from tests.bench.row import Row, rounded
from tests.worlds.public_cli import Site

LEAVES = 10_000
SAMPLE = 1_000
RATE, AGAIN = "signing-one-leaf", "signing-10000-again"
NAMES = (RATE, AGAIN)


def measure(names: tuple[str, ...]) -> list[Row]:
    """Both rows from one run: so many leaves, one after the other, over the signer's unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), ("us-east",))
        try:
            site.found()
            site.run_signer("us-east")
            socket, domain = site.folder("us-east").signer, site.folder("us-east").own().trust_domain
            requests = [request(agent_id(domain, f"n{number}")) for number in range(SAMPLE)]
            seconds = asyncio.run(signed(socket, requests))
        finally:
            site.stop()
    each = seconds / LEAVES
    note = f"{LEAVES} leaves of {SAMPLE} requests, one at a time over the unix socket: {1 / each:.0f} a second; the asking process is in it"
    rows = [
        Row(RATE, rounded(each * 1_000), "ms", LEAVES, note),
        Row(AGAIN, rounded(seconds), "s", 1, "every leaf of 10,000 agents issued again: " + note),
    ]
    return [row for row in rows if row.row in names]


def request(identity: SpiffeId) -> bytes:
    return signing_request(new_key(), identity)


async def signed(socket: Path, requests: list[bytes]) -> float:
    """Seconds for LEAVES leaves."""
    begin = time.perf_counter()
    for number in range(LEAVES):
        leaf = await ask_signer(socket, requests[number % len(requests)])
        assert leaf.startswith("-----BEGIN CERTIFICATE-----")
    return time.perf_counter() - begin
