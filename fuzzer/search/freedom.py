"""How a strategy takes the decisions that the order of events leaves open: by chance, seldom, and mostly not at all.

That a machine is busy just when a time-out is near, or a thread is late, is rare, and what needs it needs it once or
twice.  Taken as often as other decisions it would be the noise that hides everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..world.external import CARRY_ON, REVERSED, External

__all__ = ("Freedom",)

CHANCES = (0.0, 0.0, 0.05, 0.3)
"""How likely such a decision deviates; an execution's seed says which of these it is."""


TURNING = (0.5, 0.1, 0.5, 0.0)
"""The same for which way round a batch of trio's runs, which stock trio leaves to a coin."""

GOLDEN = 2_654_435_769
"""Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4): the next seed is somewhere else altogether."""


class Freedom:
    """The decisions of one execution; ``draw`` gives random numbers."""

    __slots__ = ("_chance", "_toss", "_turning")

    def __init__(self, seed: int, draw: Callable[[], float]) -> None:
        self._chance = CHANCES[seed * GOLDEN >> 28 & 3]
        self._turning = TURNING[seed * GOLDEN >> 26 & 3]
        self._toss = draw

    def extra(self, options: Sequence[External]) -> int:
        if options[0].key == REVERSED.key:
            return 0 if self._turning and self._toss() < self._turning else CARRY_ON
        if self._chance and self._toss() < self._chance:
            return int(self._toss() * len(options))
        return CARRY_ON
