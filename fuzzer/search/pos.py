"""Partial order sampling: every event has a random priority, drawn anew when an event it races with went first.

X. Yuan, J. Yang and R. Gu, "Partial order aware concurrency sampling", CAV 2018.  Where a random walk prefers partial
orders that many interleavings share, and hardly ever lets one event wait for long, fixed random priorities give each
order of two events that race about the same chance, however many other decisions lie between them; drawing the
loser's priority anew keeps one unlucky event from losing every race.

An event's priority is drawn when it becomes pending.  The loop's step, to run what is ready, is an event too, new each
time.  Which events race is `Events.conflict`'s guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..world.external import CARRY_ON, External
from .events import Events
from .freedom import Freedom

__all__ = ("Pos",)


class Pos(Freedom):
    """One execution's priorities."""

    __slots__ = ("_clock", "_events", "_loop", "_priorities")

    def __init__(self, seed: int, events: Events) -> None:
        super().__init__(seed, Random(seed).random)
        self._events = events
        self._priorities: dict[External, float] = {}
        self._loop = self._toss()
        self._clock = self._toss()

    def _best(self, pending: Sequence[External]) -> tuple[int, float]:
        """The pending event of the highest priority, and that."""
        known = self._priorities
        best, highest = 0, -1.0
        for index, event in enumerate(pending):
            priority = known.get(event)
            if priority is None:
                priority = known[event] = self._toss()
            if priority > highest:
                best, highest = index, priority
        return best, highest

    def _take(self, pending: Sequence[External], index: int) -> int:
        """The event happens: those that lost a race against it are given new priorities."""
        event = pending[index]
        del self._priorities[event]
        for other in pending:
            if other is not event and self._events.conflict(event.key, other.key):
                self._priorities[other] = self._toss()
        return index

    def busy(self, pending: Sequence[External]) -> int:
        best, highest = self._best(pending)
        if highest < self._loop:
            self._loop = self._toss()
            return CARRY_ON
        return self._take(pending, best)

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        best, highest = self._best(pending)
        if clock and highest < self._clock:
            self._clock = self._toss()
            return len(pending)
        return self._take(pending, best)
