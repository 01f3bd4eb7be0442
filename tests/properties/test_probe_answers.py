"""Whatever a server sends, a probe ends well or not, and reads no more than it may."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.model.policy import Kind, Probe
from federation.probing import grpc_health, http1
from federation.probing.target import Talk, Target

MOST = 1 << 18
pieces = st.lists(
    st.one_of(
        st.binary(max_size=64),
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 \r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\nready\r\n",
                b"0\r\n\r\n", b"Content-Length: 5\r\n", b"ready", b"ffffffff\r\n", b"\0\0\0\x04\0\0\0\0\0", b"\0\0\0\x04\1\0\0\0\0",
                b"\0\0\x08\0\1\0\0\0\1\0\0\0\0\2\x08\1x", b"\0\0\x04\3\0\0\0\0\1\0\0\0\0",
            ]
        ),
    ),
    max_size=40,
)  # fmt: skip


def talk_of(kind: Kind) -> Talk:
    """A conversation of this kind that looks at all that there is."""
    if kind == "grpc":
        return grpc_health.check(Target("192.0.2.1", 80, "h.example", Probe(kind="grpc")))
    return http1.exchange(Target("192.0.2.1", 80, "h.example", Probe(kind="http", body="ready")))


@pytest.mark.parametrize("kind", ["http", "grpc"])
@given(sent=pieces)
def test_it_ends_with_the_connection_at_the_latest(kind: Kind, sent: list[bytes]) -> None:
    talk = talk_of(kind)
    next(talk)
    with suppress(ValueError, StopIteration):
        for piece in (*filter(None, sent), b"", b""):
            assert isinstance(talk.send(piece), bytes)
        raise AssertionError("it goes on after the end")


@pytest.mark.parametrize("kind", ["http", "grpc"])
@settings(max_examples=20, deadline=None)
@given(piece=st.binary(min_size=1, max_size=4_096))
def test_it_does_not_read_for_ever(kind: Kind, piece: bytes) -> None:
    talk = talk_of(kind)
    next(talk)
    read = 0
    with suppress(ValueError, StopIteration):
        while read <= MOST:
            talk.send(piece)
            read += len(piece)
        raise AssertionError("it goes on and on")
