"""The packet path of the DNS server; see README.md."""

from collections.abc import Sequence

WireRRset = tuple[int, int, Sequence[tuple[bytes, Sequence[int]]]]

WirePart = tuple[int, WireRRset]

class Responder:
    """Answers over UDP by its own threads; what it does not answer waits for Python."""

    def __new__(cls, workers: int, key: bytes, rate: int, slip: int, dry: bool) -> Responder:
        """`rate` responses of one kind a second for one network (0: no limit), of those over it one in `slip` with TC
        (0: none); `dry` counts them and limits nothing. `key` of 16 bytes mixes the buckets.
        """

    def change(self, change: object) -> None:
        """Put another table into force: the one that is, with this `gslb.compiled.Change`."""

    def secrets(self, secrets: Sequence[bytes]) -> None:
        """From now on these are the secrets of cookies, 16 bytes each; the first makes them."""

    def outcome(self, name: bytes, kind: int, stand: Sequence[int], until: int, parts: Sequence[WirePart]) -> None:
        """Put what the clients who stand there get for a name and type, until this Unix millisecond (0: for good)."""

    def respond(self, data: bytes, address: str, now: int) -> bytes | tuple[str, int, list[int]] | None:
        """The response to this datagram from this address, at this Unix millisecond, empty where silence is
        right; or the host, type and standpoint whose outcome is missing for it; None: it is Python's to answer.
        """

    def start(self, sockets: Sequence[int], bell: int) -> None:
        """Answer on these sockets, a thread for each; ring the eventfd `bell` when something waits. OSError."""

    def stop(self) -> None:
        """Stop and wait for all threads, whose sockets are shut down before. RuntimeError when one failed."""

    def take(self, count: int) -> list[Waiting]:
        """What waits for Python, the oldest first, so many at most."""

    def responses(self) -> list[tuple[bytes, int, int]]:
        """Responses by the apex of the zone (empty: none of ours) and code."""

    def limited(self) -> list[int]:
        """Responses over the rate limit: in a dry run, answered with TC, dropped."""

    def datagrams(self) -> tuple[int, int, int]:
        """Datagrams received, handed over to Python, and dropped because too many waited."""

class Waiting:
    """A datagram that waits for Python."""

    data: bytes
    address: str

    def answer(self, data: bytes) -> bool:
        """Send the response from where the datagram came; False when it could not be sent."""
