"""Echo messages, byte for byte."""

import pytest

from federation.probing.echo import checksum, reply_of, request4, request6

DATA = b"twenty-four bytes of it."
IPV4 = bytes((0x46,)) + b"\0" * 23


def test_requests() -> None:
    assert request4(1, 2, b"ab") == bytes.fromhex("0800969a000100026162")
    assert request6(1, 2, b"ab") == bytes.fromhex("80000000000100026162")


@pytest.mark.parametrize("data", [b"", b"a", b"ab", bytes(range(255)), b"\xff" * 64])
def test_with_its_checksum_a_message_sums_up_to_nothing(data: bytes) -> None:
    assert checksum(request4(7, 9, data + b"\0" * (len(data) % 2))) == 0


@pytest.mark.parametrize(
    ("packet", "version", "expected"),
    [
        (bytes((0, 0, 0, 0, 0, 1, 0, 2)) + DATA, 4, (2, DATA)),
        (IPV4 + bytes((0, 0, 0, 0, 0, 1, 0, 2)) + DATA, 4, (2, DATA)),
        (bytes((129, 0, 0, 0, 0, 1, 0, 2)) + DATA, 6, (2, DATA)),
        (bytes((8, 0, 0, 0, 0, 1, 0, 2)) + DATA, 4, None),
        (bytes((128, 0, 0, 0, 0, 1, 0, 2)) + DATA, 6, None),
        (bytes((0, 1, 0, 0, 0, 1, 0, 2)) + DATA, 4, None),
        (bytes((3, 0, 0, 0, 0, 1, 0, 2)) + DATA, 4, None),
        (IPV4[:10], 4, None),
        (IPV4, 4, None),
        (b"", 4, None),
        (b"", 6, None),
    ],
)
def test_only_replies_are_heard(packet: bytes, version: int, expected: tuple[int, bytes] | None) -> None:
    assert reply_of(packet, version) == expected
