"""Draws: random numbers that depend on a key and on nothing else.

A picture must be the same on every machine, in every process and in whatever order pictures are drawn. NumPy does not
promise equal streams between its versions, so the world has its own generator: splitmix64 (Steele, Lea, Flood, OOPSLA
2014), keyed by names and numbers. Changing the order of draws inside one stream changes the world; streams with
different keys are independent.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

Option = TypeVar("Option")
Range = tuple[float, float]
Weights = Mapping[str, float | int]

_MASK = (1 << 64) - 1


def _mixed(value: int) -> int:
    """Splitmix64's output function: 64 bits in, 64 well mixed bits out."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Draws:
    """A stream of random numbers named by a key.

    Args:
        key: words and whole numbers; equal keys give equal streams.

    Example:
        >>> Draws("hair", 3).uniform() == Draws("hair", 3).uniform()
        True
    """

    __slots__ = ("_state",)

    def __init__(self, *key: str | int) -> None:
        state = 0x5EED
        for part in key:
            number = zlib.crc32(part.encode()) + (1 << 33) if isinstance(part, str) else part
            state = _mixed((state * 0x9E3779B97F4A7C15 + number + 1) & _MASK)
        self._state = state

    def bits(self) -> int:
        """The next 64 bits as a whole number."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        return _mixed(self._state)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between `low` and `high`, all equally likely."""
        return low + (high - low) * (self.bits() >> 11) * 2.0**-53

    def within(self, limits: Range) -> float:
        """A number between the two limits, all equally likely."""
        return self.uniform(*limits)

    def bell(self, mean: float, deviation: float) -> float:
        """Nearly normal (a sum of three uniforms), never further than 3 deviations from the mean."""
        return mean + deviation * 2.0 * (self.uniform() + self.uniform() + self.uniform() - 1.5)

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.uniform() < share

    def below(self, count: int) -> int:
        """A whole number from 0 to `count` - 1."""
        return int(self.uniform() * count)

    def choose(self, options: Sequence[Option]) -> Option:
        """One of the options, all equally likely."""
        return options[self.below(len(options))]

    def weighted(self, options: Weights) -> str:
        """One of the names, with a chance in proportion to its weight."""
        remaining = self.uniform() * sum(options.values())
        for name, weight in options.items():
            remaining -= weight
            if remaining < 0:
                return name
        return list(options)[-1]

    def sample(self, count: int, size: int) -> list[int]:
        """`size` different whole numbers below `count`, in increasing order."""
        pool = list(range(count))
        for position in range(size):
            other = position + self.below(count - position)
            pool[position], pool[other] = pool[other], pool[position]
        return sorted(pool[:size])
