"""Noise that is the same on every machine: splitmix64 (Steele, Lea, Flood 2014), its seed given by the caller. Pure."""

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


class Chance:
    """A stream of numbers from one seed."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def part(self) -> float:
        """Evenly from 0 to below 1."""
        self._state = (self._state + _GOLDEN) & _MASK
        mixed = ((self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)

    def around(self, part: float) -> float:
        """A factor evenly from 1 - part to 1 + part."""
        return 1 + part * (2 * self.part() - 1)
