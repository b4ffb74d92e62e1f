"""Calm schedules, each at most once: what was tried of a program is a tree, and walks keep to what is left of it.

A schedule is calm where nothing becomes visible while callbacks are ready, and the machine is never busy: each event
is handled as far as it goes before the next.  Most races need no more than that, and short programs have few such
schedules; a random walk takes the same ones again and again, above all those near to order.  So the decisions of each
execution are remembered, and a place from where every choice has been taken to its end is not gone to any more.  What
was not tried is drawn from, not enumerated, so that the schedules of a program that has too many of them are as
different as those of a walk.

It is depth-first search's bookkeeping (P. Godefroid, "Model checking for programming languages using VeriSoft", POPL
1997), in an order drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count
from random import Random

from ..engine.execution import Execution
from ..world.external import CARRY_ON, Chooser, External
from .random_walk import RandomWalk
from .strategy import Proven

__all__ = ("Calm", "Reversed")

Place = dict[int, "Place | None"]
"""Where a decision is due: what was chosen there so far -> the next place, or None where nothing is left to try."""

ROOM = 20_000
"""Places remembered of one program, some megabytes; beyond them schedules may repeat themselves."""


class Reversed:
    """The opposite of order: whatever came last becomes visible first, and the clock moves only where nothing else can.

    The order of arrival is what every test of the target has shown already; this is what is least like it.
    """

    def busy(self, pending: Sequence[External]) -> int:
        return CARRY_ON

    def extra(self, options: Sequence[External]) -> int:
        return CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        return len(pending) - 1


class Untried:
    """Decides as another chooser does at idle boundaries, except where nothing is left to try beyond its choice."""

    __slots__ = ("_chooser", "_draw", "_place", "path", "room")

    def __init__(self, chooser: Chooser, first: Place, room: int, draw: Callable[[], float]) -> None:
        self._chooser = chooser
        self._draw = draw
        self._place: Place | None = first
        self.room = room
        """How many more places may be remembered."""
        self.path: list[tuple[Place, int, int]] = []
        """The places passed, each with what was chosen and of how many; empty where not all could be remembered."""

    def busy(self, pending: Sequence[External]) -> int:
        return CARRY_ON

    def extra(self, options: Sequence[External]) -> int:
        return CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        choice = self._chooser.idle(pending, clock)
        place = self._place
        if place is None:
            return choice
        width = len(pending) + clock
        after = place.get(choice, place)
        if after is None:
            left = [other for other in range(width) if place.get(other, place) is not None]
            if left:
                choice = left[int(self._draw() * len(left))]
                after = place.get(choice, place)
        if after is place and self.room:
            self.room -= 1
            after = place[choice] = {}
        if after is None or after is place:
            self._place = None
            self.path.clear()
        else:
            self._place = after
            self.path.append((place, choice, width))
        return choice


class Calm:
    """Calm schedules of one program, until there are no more: ``first`` those, as far as calm, then random walks."""

    exhaustive = False  # of its own kind alone
    proven: Proven | None = None

    def __init__(self, seed: int, first: Iterable[Chooser] = (Reversed(),), room: int = ROOM) -> None:
        self._draw = draw = Random(seed).random
        self._choosers = chain(first, (RandomWalk(number, draw) for number in count(seed)))
        self._tried: Place = {}
        self._room = room
        self._walk: Untried | None = None
        self._left = True

    def next(self) -> Chooser | None:
        if not self._left:
            return None
        self._walk = Untried(next(self._choosers), self._tried, self._room, self._draw)
        return self._walk

    def seen(self, execution: Execution, news: int) -> None:
        """What is left depends on the walk, and not on what came of it."""
        self.ended()

    def ended(self) -> None:
        """The last walk has come to its end: cut off what is tried by now."""
        assert self._walk is not None
        self._room = self._walk.room
        for place, choice, width in reversed(self._walk.path):
            place[choice] = None
            if len(place) < width or any(after is not None for after in place.values()):
                return
        self._left = not self._walk.path
