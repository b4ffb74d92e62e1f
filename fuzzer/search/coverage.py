"""Coverage-guided search: schedules that showed something new are kept, changed a little, and tried again.

The idea is that of grey-box fuzzers (M. Zalewski, AFL, 2013), applied to schedules by D. Wolff, Z. Shi, G. J. Duck, U.
Mathur and A. Roychoudhury, "Greybox fuzzing for concurrency testing", ASPLOS 2024.  A bug that takes several unlikely
turns one after the other is out of reach where each execution begins anew; where the first turn shows in the
execution's behaviour (see `behaviour`), the schedule that took it is kept, and the second turn is looked for from
there.

A change is one of two: the decisions up to some point are taken again and a random walk goes on from there, or the
order in which events became visible is followed with one event moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..engine.execution import Execution
from ..engine.schedule import Guided, Recorded
from ..world.external import Chooser, External
from .kept import Kept
from .random_walk import RandomWalk
from .strategy import Proven

__all__ = ("Continued", "Coverage")

FRESH = 0.25
"""The share of schedules that are walks from the beginning."""

MOVED = 0.3
"""The share of the others that move one event of a kept order."""


class Continued:
    """Takes the first ``until`` decisions as recorded and leaves the others to another chooser; counts them all."""

    __slots__ = ("_first", "_rest", "_until", "decisions")

    def __init__(self, first: Chooser, until: int, rest: Chooser) -> None:
        self._first = first
        self._until = until
        self._rest = rest
        self.decisions = 0

    def _now(self) -> Chooser:
        self.decisions += 1
        return self._first if self.decisions <= self._until else self._rest

    def busy(self, pending: Sequence[External]) -> int:
        return self._now().busy(pending)

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        return self._now().idle(pending, clock)

    def extra(self, options: Sequence[External]) -> int:
        return (self._first if self.decisions < self._until else self._rest).extra(options)


class Coverage:
    """The kept schedules of one program."""

    exhaustive = False
    proven: Proven | None = None

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._seed = seed
        self._kept = Kept[tuple[Execution, int]]()
        """Executions that showed something new, each with how many decisions it took."""
        self._last: Continued | None = None

    def next(self) -> Chooser | None:
        self._seed += 1
        walk = RandomWalk(self._seed)
        if not self._kept.things or self._random.random() < FRESH:
            self._last = Continued(walk, 0, walk)
            return self._last
        execution, decisions = self._kept.next()
        if self._random.random() < MOVED and len(execution.visible) > 1:
            order = list(execution.visible)
            order.insert(self._random.randrange(len(order)), order.pop(self._random.randrange(len(order))))
            self._last = Continued(walk, 0, Guided(order))
        else:
            # The new behaviour is where the schedule ends rather than where it begins.
            until = round(decisions * self._random.random() ** 0.5)
            self._last = Continued(Recorded(execution.schedule), until, walk)
        return self._last

    def seen(self, execution: Execution, news: int) -> None:
        """Keep an execution that showed something new."""
        if news and self._last is not None:
            self._kept.keep((execution, self._last.decisions))
