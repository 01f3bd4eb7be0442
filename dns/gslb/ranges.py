"""Values by address: sorted ranges, and the widest prefix around an address in which the value is the same. Pure."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from msgspec import Struct

from federation.model.cidr import Network
from gslb.client import SCOPE, Client

WORD = 64
"""Bits of the numbers that an array holds."""

NONE = -1
"""The value of addresses that no prefix holds."""

Prefix = tuple[int, int, int]
"""The first address's bits as a number, the length, the value."""


class Ranges(Struct, frozen=True):
    """Of one family: `values[i]` holds from `starts[i]` to before the next start. The first is 0; neighbours differ."""

    bits: int
    starts: Sequence[int] = (0,)
    values: Sequence[int] = (NONE,)

    def find(self, address: int) -> tuple[int, int]:
        """The value at these bits of an address, and the length of the widest prefix in which it is the same."""
        at = bisect_right(self.starts, address) - 1
        low = self.starts[at]
        wide = (address ^ low - 1).bit_length() - 1 if low else self.bits
        if at + 1 < len(self.starts):
            wide = min(wide, (address ^ self.starts[at + 1]).bit_length() - 1)
        return self.values[at], self.bits - wide

    def mapped(self, values: Sequence[int]) -> "Ranges":
        """The same with `values[value]` for each value (NONE stays), merged anew."""
        return merged(self.bits, self.starts, [NONE if one == NONE else values[one] for one in self.values])


class Mapped(Struct, frozen=True):
    """Both families; of IPv6 the first bits alone may count."""

    v4: Ranges = Ranges(32)
    v6: Ranges = Ranges(64)

    def find(self, address: str) -> tuple[int, int]:
        """The value at this address, and the length of the widest prefix around it in which it is the same."""
        parsed = ip_address(address)
        if parsed.version == 4:
            return self.v4.find(int(parsed))
        return self.v6.find(int(parsed) >> 128 - self.v6.bits)

    def mapped(self, values: Sequence[int]) -> "Mapped":
        """Both with `values[value]` for each value."""
        return Mapped(self.v4.mapped(values), self.v6.mapped(values))


def merged(bits: int, starts: Sequence[int], values: Sequence[int]) -> Ranges:
    """Ranges without neighbours of the same value: a database has millions, of 12 bytes each."""
    kept = [0, *(at for at in range(1, len(values)) if values[at] != values[at - 1])]
    first = (starts[at] for at in kept)
    return Ranges(bits, array("Q", first) if bits <= WORD else list(first), array("i", (values[at] for at in kept)))


def ranges_of(prefixes: Iterable[Prefix], bits: int) -> Ranges:
    """The ranges of these prefixes: inside a longer one its value counts, of the same prefix the last."""
    starts, values = [0], [NONE]
    open_ones: list[tuple[int, int]] = []

    def begin(at: int, value: int) -> None:
        if starts[-1] == at:
            values[-1] = value
        else:
            starts.append(at)
            values.append(value)

    def close(before: int) -> None:
        while open_ones and open_ones[-1][0] <= before:
            end, _ = open_ones.pop()
            if end < 1 << bits:
                begin(end, open_ones[-1][1] if open_ones else NONE)

    for first, length, value in sorted(
        {(first, length): (first, length, value) for first, length, value in prefixes}.values()
    ):
        close(first)
        begin(first, value)
        open_ones.append((first + (1 << bits - length), value))
    close(1 << bits)
    return merged(bits, starts, values)


class ByClient(Struct, frozen=True):
    """Values by whole addresses, and by what a client subnet tells of one: prefixes no longer than its scope."""

    whole: Mapped = Mapped()
    shared: Mapped = Mapped()

    def find(self, client: Client) -> tuple[int, int]:
        """The value where this client stands, and the length of the widest prefix around it in which it is the same."""
        return (self.shared if client.subnet else self.whole).find(client.address)


def by_client(prefixes: Iterable[tuple[Network, int]]) -> ByClient:
    """The values of these networks, of the same one the last."""
    found = [(one.version, int(one.network_address), one.prefixlen, value) for one, value in prefixes]
    return ByClient(_mapped(found), _mapped([one for one in found if one[2] <= SCOPE[one[0]]]))


def _mapped(found: Iterable[tuple[int, int, int, int]]) -> Mapped:
    v4, v6 = ([one[1:] for one in found if one[0] == version] for version in (4, 6))
    return Mapped(ranges_of(v4, 32), ranges_of(v6, 128))
