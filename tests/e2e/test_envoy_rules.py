"""Rules of research/xds-trust.md 2.1 to 2.6 and 2.8 on the real Envoy, by what our renderer makes of a cluster.

Each test bears the number of its rule.
"""

import asyncio

from tests.e2e.envoy_rig import backends, envoy, free_port, locality, service

POINTS = 3.0
MANY = 4_000


def test_2_2_locality_weights_are_the_shares() -> None:
    async def run() -> None:
        port = free_port()
        us, eu = backends("us", "eu")
        async with envoy((us, eu)) as rig:
            await rig.put(service(port, locality("us", 700_000, us.host()), locality("eu", 300_000, eu.host())))
            found = await rig.shares(port, MANY)
            assert abs(found["us"] - 70) < POINTS

    asyncio.run(run())
