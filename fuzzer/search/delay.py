"""Delay-bounded search: every schedule that few delays lead to, each once, those of fewest delays first.

M. Emmi, S. Qadeer and Z. Rakamaric, "Delay-bounded scheduling", POPL 2011.  A deterministic scheduler takes events in
the order of their arrival and runs what is ready before anything more becomes visible.  A *delay* makes it pass over
what would be next; what was passed over goes behind everything else.  Most bugs need few delays, and with at most k of
them the number of schedules is a polynomial of degree k in the number of decisions: few enough to try them all.

So this strategy ends, and when it has shown nothing it has shown that there is nothing, up to so many delays: on a
machine that is never busy and whose threads are never late, whose freedom (`Chooser.extra`) is not in the bound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..engine.execution import Execution
from ..world.external import CARRY_ON, Chooser, External
from .strategy import Proven

__all__ = ("BOUND", "Delay", "Delayed")

BOUND = 2
"""Delays at most; the third makes of some 10,000 schedules of a middling program a million."""

Delays = tuple[tuple[int, int], ...]
"""Where to deviate from the deterministic scheduler: decision, counted from 0, and alternative, counted from 1."""


class Delayed:
    """The deterministic scheduler, with its delays.

    ``alternatives`` is, for each decision taken, how many there were besides the scheduler's own: to pass over one,
    over two, and so on; each costs as many delays.  Letting the clock move is the first of these where it may: what is
    pending is late for once, all of it.
    """

    __slots__ = ("_behind", "_delays", "alternatives")

    def __init__(self, delays: Delays) -> None:
        self._delays = dict(delays)
        self._behind: list[External] = []
        self.alternatives: list[tuple[int, ...]] = []

    def _decide(self, costs: tuple[int, ...]) -> int:
        chosen = self._delays.get(len(self.alternatives), 0)
        self.alternatives.append(costs)
        return chosen

    def _in_order(self, pending: Sequence[External]) -> list[External]:
        behind = self._behind
        return [event for event in pending if event not in behind] + [event for event in behind if event in pending]

    def _take(self, pending: Sequence[External], order: list[External], passed_over: int) -> int:
        for event in order[:passed_over]:
            if event in self._behind:
                self._behind.remove(event)
            self._behind.append(event)
        return pending.index(order[passed_over])

    def busy(self, pending: Sequence[External]) -> int:
        choice = self._decide(tuple(range(1, len(pending) + 1)))
        return self._take(pending, self._in_order(pending), choice - 1) if choice else CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        choice = self._decide((1,) * clock + tuple(range(1, len(pending))))
        if clock and choice == 1:
            return len(pending)
        return self._take(pending, self._in_order(pending), choice - clock if choice else 0)

    def extra(self, options: Sequence[External]) -> int:
        return CARRY_ON


class Delay:
    """Enumerates the schedules of a program with up to ``bound`` delays."""

    exhaustive = True

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._waiting: list[deque[Delays]] = [deque() for _ in range(bound + 1)]
        """By their number of delays, schedules not tried yet."""
        self._waiting[0].append(())
        self._delays = 0
        self._tried = 0
        self._last: tuple[Delays, Delayed] | None = None
        self.proven: Proven | None = None

    def next(self) -> Chooser | None:
        while self._delays <= self._bound and not self._waiting[self._delays]:
            self._delays += 1
        if self._delays > self._bound:
            return None
        delays = self._waiting[self._delays].popleft()
        chooser = Delayed(delays)
        self._last = delays, chooser
        return chooser

    def seen(self, execution: Execution, news: int) -> None:
        """Where this schedule could be delayed once more, those schedules are to be tried too."""
        assert self._last is not None
        delays, chooser = self._last
        after = delays[-1][0] + 1 if delays else 0
        for decision in range(after, len(chooser.alternatives)):
            for alternative, cost in enumerate(chooser.alternatives[decision], 1):
                if self._delays + cost <= self._bound:
                    self._waiting[self._delays + cost].append((*delays, (decision, alternative)))
        self._tried += 1
        left = (number for number, schedules in enumerate(self._waiting) if schedules)
        complete = next(left, self._bound + 1) - 1
        if complete >= 0:
            self.proven = Proven(complete, self._tried)
