"""A random walk through the schedules of a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from ..world.external import CARRY_ON, External
from .freedom import Freedom

__all__ = ("RandomWalk",)

CLOCK = 0.15
"""How likely the clock is to move where it may, at an idle boundary with events pending."""


class RandomWalk(Freedom):
    """Chooses at random, with two probabilities drawn once for each execution.

    One is that of deviating from order at an idle boundary, the other that of an event becoming visible while
    callbacks are ready.  Drawing them anew gives near-sequential executions as well as chaotic ones: few deviations
    show what needs a long orderly prefix (logins first, then the race), many show what needs a crowd.

    ``draw`` gives the random numbers; seeding a generator for every execution would take a sixth of a short one.
    """

    __slots__ = ("_busy", "_idle")

    def __init__(self, seed: int, draw: Callable[[], float] | None = None) -> None:
        super().__init__(seed, draw if draw is not None else Random(seed).random)
        self._idle = (1.0, 0.6, 0.3, 0.1)[seed & 3]
        self._busy = (0.0, 0.05, 0.2, 0.5)[seed >> 2 & 3]

    def busy(self, pending: Sequence[External]) -> int:
        if self._busy and self._toss() < self._busy:
            return int(self._toss() * len(pending))
        return CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        if self._toss() >= self._idle:
            return 0
        if clock and self._toss() < CLOCK:
            return len(pending)
        return int(self._toss() * len(pending))
