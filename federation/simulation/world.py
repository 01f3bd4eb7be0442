"""What is simulated: members with endpoints and clients, distances, delays, and what happens to them when. Pure."""

from typing import Literal

from msgspec import Struct, structs

from federation.model.policy import Policy, Probe, Ramp

What = Literal["endpoints", "slow", "demand", "cut", "heal", "loss", "noise", "drain", "undrain"]


class Member(Struct, frozen=True):
    """One member, in a region of its own name: its endpoints, the requests per second that each can take, and those
    that its clients ask for. Another may be told of the capacity or not.
    """

    name: str
    endpoints: int
    capacity: int
    demand: int


class Event(Struct, frozen=True):
    """At this second something happens to a member.

    `endpoints`: so many are alive. `slow`: so many take five times as long for each request. `demand`: its clients ask
    for `value` per cent of what they asked at first. `cut`, `heal`: nothing passes between it and the others, or all
    does. `loss`, `noise`: per cent of its probes of others, and of its own endpoints, that fail for no reason. `drain`:
    it leaves over `value` seconds. `undrain`: it stays.
    """

    at: float
    what: What
    member: str
    value: int = 0

    def __str__(self) -> str:
        return f"{self.at:g} s: {self.member} {_WORDS[self.what].format(self.value)}"


_WORDS: dict[What, str] = {
    "endpoints": "has {} endpoints alive",
    "slow": "has {} slow endpoints",
    "demand": "clients ask for {} % of what they asked",
    "cut": "is cut off",
    "heal": "is connected again",
    "loss": "loses {} % of its probes",
    "noise": "has {} % of its endpoints' probes fail for no reason",
    "drain": "is drained over {} s",
    "undrain": "is no longer drained",
}


class World(Struct, frozen=True, kw_only=True):
    """Everything but the events. `rtt` in milliseconds by pair of members (in order of name), `elsewhere` for any other
    pair. `load_noise` is the part by which load varies from tick to tick. `smooth`: measured demand follows
    as agents have it, a rise at once and a fall over ten seconds; else it is what was counted last. `period` is how
    often demand and grants are said anew, in seconds. `told`: exporters say their capacity.
    """

    members: tuple[Member, ...]
    policy: Policy = Policy()
    rtt: dict[str, int] = {}
    elsewhere: int = 80
    load_noise: float = 0.1
    smooth: bool = True
    period: float = 1.0
    told: bool = True
    seed: int = 1

    def distance(self, one: str, other: str) -> int:
        """Milliseconds of a round trip."""
        return 0 if one == other else self.rtt.get("/".join(sorted((one, other))), self.elsewhere)


USUAL = World(
    members=(
        Member("us-east", 10, 100, 500),
        Member("us-west", 7, 100, 600),
        Member("eu-central", 12, 100, 300),
    ),
    rtt={"us-east/us-west": 60, "eu-central/us-east": 90, "eu-central/us-west": 140},
)
"""us-west is a little too small for its clients, so that us-east helps it all the time."""


def undamped(world: World) -> World:
    """The same without what holds it still: no ramp, no smoothing of demand, one probe decides."""
    probe = structs.replace(world.policy.probe or Probe(), unhealthy=1, healthy=1)
    policy = structs.replace(world.policy, ramp=Ramp(percent=100, seconds=1), probe=probe)
    return structs.replace(world, policy=policy, smooth=False)
