"""Values by address, against a look at every prefix."""

from ipaddress import ip_network

from gslb.ranges import NONE, Mapped, Prefix, Ranges, ranges_of
from hypothesis import given, settings
from hypothesis import strategies as st

BITS = 8
lengths = st.integers(0, BITS)
prefixes = st.lists(
    st.tuples(st.integers(0, 255), lengths, st.integers(0, 3)).map(
        lambda one: (one[0] >> BITS - one[1] << BITS - one[1], one[1], one[2])
    ),
    max_size=12,
)


def plainly(found: list[Prefix], address: int) -> int:
    """The longest prefix around the address, of several the last."""
    value, longest = NONE, -1
    for first, length, one in found:
        if address >> BITS - length == first >> BITS - length and length >= longest:
            value, longest = one, length
    return value


@settings(derandomize=True, max_examples=500)
@given(prefixes)
def test_the_longest_prefix_counts_and_the_scope_is_the_widest_that_is_pure(found: list[Prefix]) -> None:
    ranges = ranges_of(found, BITS)
    every = [plainly(found, address) for address in range(256)]
    for address in range(256):
        value, length = ranges.find(address)
        assert value == every[address]
        assert set(block(every, address, length)) == {value}
        assert length == 0 or len(set(block(every, address, length - 1))) > 1


def block(every: list[int], address: int, length: int) -> list[int]:
    first = address >> BITS - length << BITS - length
    return every[first : first + (1 << BITS - length)]


@settings(derandomize=True, max_examples=200)
@given(prefixes)
def test_what_becomes_the_same_becomes_one(found: list[Prefix]) -> None:
    ranges = ranges_of(found, BITS).mapped([0, 0, 1, 1])
    assert all(one != other for one, other in zip(ranges.values, ranges.values[1:], strict=False))
    for address in range(256):
        value = plainly(found, address)
        assert ranges.find(address)[0] == (NONE if value == NONE else value // 2)


def test_addresses_of_both_families() -> None:
    v4 = ip_network("192.0.2.0/24")
    v6 = ip_network("2001:db8::/32")
    mapped = Mapped(
        ranges_of([(int(v4.network_address), 24, 1)], 32), ranges_of([(int(v6.network_address) >> 64, 32, 2)], 64)
    )
    assert mapped.find("192.0.2.77") == (1, 24)
    assert mapped.find("192.0.3.1") == (NONE, 24)
    assert mapped.find("10.0.0.1") == (NONE, 1)
    assert mapped.find("2001:db8:1::1") == (2, 32)
    assert Ranges(32).find(5) == (NONE, 0)
