"""What is probed, and what a way of probing has to offer. Pure."""

from collections.abc import Callable, Generator
from typing import Protocol

from msgspec import Struct

from federation.model.policy import Probe

Talk = Generator[bytes, bytes, bool]
"""One conversation over a connection: yields what to send (b"": nothing) and is sent what came (b"": the end of it),
returns whether it went well. ValueError and OSError say that it did not."""


class Target(Struct, frozen=True):
    """What to probe and how. `host` is the name under which it is known, `port` its own port; `also` is another port
    that will do (0: none).

    Targets of one `group` share the room for probes, so that those who hang hold up their own kind only.
    """

    address: str
    port: int
    host: str
    probe: Probe
    also: int = 0
    group: str = ""


class Composite(Struct, frozen=True):
    """Something that is up while `need` of its parts are (0: all of them)."""

    parts: tuple[Target, ...]
    need: int = 0


Done = Callable[[bool], None]


class Unable(Exception):
    """No probe can be made, through no fault of the target: why, in a few words."""


class Way(Protocol):
    """A way of probing."""

    def begin(self, target: Target, done: Done) -> Callable[[], object]:
        """Begin one probe and call `done` with its end, never before this has returned; what comes back ends it early
        without that call. OSError when it fails at once, Unable when there is no way to probe."""

    async def close(self) -> None:
        """End all that is under way; comes back when it has ended."""
