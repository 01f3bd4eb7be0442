"""What is asked and what passes, byte for byte; however the answer is cut."""

import time

import pytest

from federation.model.policy import Probe, Range
from federation.probing.http1 import BODY_MAX, HEAD_MAX, exchange, request
from federation.probing.target import Target


def target(**probe: object) -> Target:
    return Target("192.0.2.1", 80, "shop.example.test", Probe(kind="http", **probe))  # type: ignore[arg-type]


def passes(probed: Target, answer: bytes, cut: int) -> bool:
    """The end of the conversation when so many bytes of the answer come at a time, and then the end."""
    talk = exchange(probed)
    assert next(talk) == request(probed)
    pieces = [answer[at : at + cut] for at in range(0, len(answer), cut)]
    try:
        for piece in (*pieces, b"", b""):
            assert talk.send(piece) == b""
    except StopIteration as end:
        return bool(end.value)
    except ValueError:
        return False
    raise AssertionError("it goes on after the end")


SAYS: dict[str, object] = {"body": "ready"}
ANSWERS: dict[str, tuple[dict[str, object], bytes, bool]] = {
    "200": ({}, b"HTTP/1.1 200 OK\r\n\r\n", True),
    "399": ({}, b"HTTP/1.0 399 Strange\r\n\r\n", True),
    "204 without words": ({}, b"HTTP/1.1 204\r\n\r\n", True),
    "a redirect is a status": ({}, b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", True),
    "400": ({}, b"HTTP/1.1 400 Bad\r\n\r\n", False),
    "503": ({}, b"HTTP/1.1 503 Unavailable\r\n\r\n", False),
    "after an interim answer": ({}, b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", True),
    "interim answers alone": ({}, b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, False),
    "no number": ({}, b"HTTP/1.1 one OK\r\n\r\n", False),
    "a number below nothing": ({}, b"HTTP/1.1 -200 OK\r\n\r\n", False),
    "no HTTP": ({}, b"SSH-2.0-x\r\n", False),
    "cut off": ({}, b"HTTP/1.1 200", False),
    "nothing": ({}, b"", False),
    "no end of a line": ({}, b"x" * 200_000, False),
    "a status that is asked for": ({"statuses": (Range(401, 401), Range(403, 403))}, b"HTTP/1.1 403 No\r\n\r\n", True),
    "and one that is not": ({"statuses": (Range(401, 401),)}, b"HTTP/1.1 200 OK\r\n\r\n", False),
    "length": (SAYS, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nis ready.", True),
    "length, another text": (SAYS, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nis reads.", False),
    "behind the length": (SAYS, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n..ready", False),
    "shorter than its length": (SAYS, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nready", False),
    "no length": (SAYS, b"HTTP/1.1 200 OK\r\n\r\nis ready", True),
    "a length that is none": (SAYS, b"HTTP/1.1 200 OK\r\nContent-Length: -9\r\n\r\nis ready.", False),
    "chunks": (
        SAYS,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n3;x=y\r\nady\r\n0\r\n\r\n",
        True,
    ),
    "chunks, another text": (SAYS, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n0\r\n\r\n", False),
    "chunks, broken": (SAYS, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nready\r\n", False),
    "a huge chunk": (
        SAYS,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nready" + b"." * BODY_MAX,
        True,
    ),
    "in the first 64 KiB": (SAYS, b"HTTP/1.1 200 OK\r\n\r\n" + b"." * (BODY_MAX - 5) + b"ready....", True),
    "behind them": (SAYS, b"HTTP/1.1 200 OK\r\n\r\n" + b"." * (BODY_MAX - 4) + b"ready....", False),
    "204 has no content": (SAYS, b"HTTP/1.1 204 None\r\n\r\nready", False),
    "not in the fields": (SAYS, b"HTTP/1.1 200 OK\r\nX: ready\r\nContent-Length: 1\r\n\r\n.", False),
    "fields without end": (SAYS, b"HTTP/1.1 200 OK\r\n" + b"X: ready\r\n" * 40_000, False),
}


@pytest.mark.parametrize("cut", [1, 7, 16_384])
@pytest.mark.parametrize("case", ANSWERS)
def test_status_and_content_decide(case: str, cut: int) -> None:
    probe, answer, well = ANSWERS[case]
    assert passes(target(**probe), answer, cut if len(answer) < 20_000 else max(cut, 1_000)) is well


def test_the_request_is_for_the_name() -> None:
    assert request(target(path="/up?x=1")).decode().split("\r\n") == [
        "GET /up?x=1 HTTP/1.1",
        "Host: shop.example.test",
        "User-Agent: isthmus",
        "Connection: close",
        "",
        "",
    ]
    other = request(target(method="HEAD", host="other.example.test")).decode().split("\r\n")
    assert other[:2] == ["HEAD / HTTP/1.1", "Host: other.example.test"]


def test_who_dribbles_costs_no_more_than_who_pours() -> None:
    """A status line that never ends, byte by byte: each byte is looked at once, not as often as one comes."""
    talk, begin, sent = exchange(target()), time.process_time(), 0
    next(talk)
    with pytest.raises(ValueError, match="too long"):
        while True:
            talk.send(b"x")
            sent += 1
    assert sent == HEAD_MAX and time.process_time() - begin < 1
