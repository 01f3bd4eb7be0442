"""One HTTP/1.1 request and what must come back (RFC 9112), as bytes in and bytes out. Pure.

Nothing is followed: a redirect is its status and no more.
"""

from collections.abc import Generator

from federation.model.policy import Range
from federation.probing.target import Talk, Target

HEAD_MAX = 65_536
BODY_MAX = 65_536
"""Bytes of the content that are read at most."""

WELL = (Range(200, 399),)
LINE = b"\r\n"


def exchange(target: Target) -> Talk:
    """True when the status is one of those expected and the content holds the text that it must."""
    probe = target.probe
    inbox = _Inbox()
    inbox.take_in((yield request(target)))
    status = 100
    while 100 <= status < 200:
        status = _status((yield from inbox.upto(LINE)))
        if status < 200:
            yield from _fields(inbox)
    if not any(one.low <= status <= one.high for one in probe.statuses or WELL):
        return False
    if not probe.body:
        return True
    content = yield from _content(inbox, status)
    return probe.body.encode() in content


def request(target: Target) -> bytes:
    """The request. The connection is for it alone."""
    probe = target.probe
    first = f"{probe.method} {probe.path or '/'} HTTP/1.1"
    lines = (first, f"Host: {probe.host or target.host}", "User-Agent: isthmus", "Connection: close", "", "")
    return "\r\n".join(lines).encode()


def _status(line: bytes) -> int:
    words = line.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ValueError("no status line")
    return int(words[1])


def _fields(inbox: "_Inbox") -> Generator[bytes, bytes, dict[bytes, bytes]]:
    found: dict[bytes, bytes] = {}
    while line := (yield from inbox.upto(LINE)):
        name, _, value = line.partition(b":")
        found[name.lower()] = value.strip().lower()
    return found


def _content(inbox: "_Inbox", status: int) -> Generator[bytes, bytes, bytes]:
    """The first BODY_MAX bytes of the content (RFC 9112 section 6.3)."""
    fields = yield from _fields(inbox)
    if status in (204, 304):
        return b""
    if fields.get(b"transfer-encoding", b"").endswith(b"chunked"):
        return (yield from _chunks(inbox))
    if b"content-length" in fields:
        return (yield from inbox.take(min(BODY_MAX, _number(fields[b"content-length"], 10))))
    return (yield from inbox.rest(BODY_MAX))


def _chunks(inbox: "_Inbox") -> Generator[bytes, bytes, bytes]:
    content = bytearray()
    while size := _number((yield from inbox.upto(LINE)).partition(b";")[0].strip(), 16):
        left = BODY_MAX - len(content)
        content += yield from inbox.take(min(size, left))
        if size >= left:
            break
        yield from inbox.upto(LINE)
    return bytes(content)


def _number(text: bytes, base: int) -> int:
    if not text.isalnum():
        raise ValueError("no number")
    return int(text, base)


class _Inbox:
    """What came and was not read yet."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._came = 0
        self._ended = False

    def take_in(self, data: bytes) -> None:
        """Hold what came; ValueError when all of it together is more than any answer may be."""
        self._held += data
        self._came += len(data)
        self._ended = not data
        if self._came > HEAD_MAX + 2 * BODY_MAX:
            raise ValueError("too long")

    def _more(self) -> Generator[bytes, bytes, None]:
        if self._ended:
            raise ValueError("ended early")
        self.take_in((yield b""))

    def upto(self, mark: bytes) -> Generator[bytes, bytes, bytes]:
        """What stands before the mark, which is read too; what dribbles in is looked at once."""
        seen = 0
        while (end := self._held.find(mark, seen)) < 0:
            if len(self._held) > HEAD_MAX:
                raise ValueError("too long")
            seen = max(0, len(self._held) - len(mark) + 1)
            yield from self._more()
        found = bytes(self._held[:end])
        del self._held[: end + len(mark)]
        return found

    def take(self, count: int) -> Generator[bytes, bytes, bytes]:
        """So many bytes."""
        while len(self._held) < count:
            yield from self._more()
        found = bytes(self._held[:count])
        del self._held[:count]
        return found

    def rest(self, most: int) -> Generator[bytes, bytes, bytes]:
        """All until the end, at most so many bytes."""
        while len(self._held) < most and not self._ended:
            self.take_in((yield b""))
        return bytes(self._held[:most])
