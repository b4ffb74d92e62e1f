"""Endings that come together with something else: in one iteration of the loop, right behind another event.

What ends something, a cancellation, a leave, a time-out, races with what completes it, and asynchronous code is most
often wrong where both have happened before either was handled: a lock is handed over to a task that is cancelled, an
item to a reader that has given up.  Schedules that handle each event to its end never show that, and a walk seldom:
one event must wait for another, and then be the next before any callback has run.

So this strategy goes through these cases.  All operations begin as soon as they can, so that they overlap; then an
ending waits while so many other events become visible, each handled to its end, and comes together with the last of
them: an answer, another ending, or a move of the clock, which is a time-out.  First all endings with the first event
after they could have come, then with the second, and so on.  Besides, events are in order, and one program has few
such schedules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence

from ..core.program import BARRIERS, LEAVING
from ..engine.execution import Execution
from ..world.external import CARRY_ON, Chooser, External, Key
from .strategy import Proven

__all__ = ("Together", "Waiting")

ENDINGS = LEAVING | {"cancel", "log_out", "expire", "clean_up", "shut_down"}

MOST = 6
"""Events that an ending waits for, at most: what it races with is mostly among the next few."""


def endings(orderly: Execution) -> list[Key]:
    """The events that end something, in order: operations of the program, what comes after them, and lost clients."""
    program, seen = orderly.program, {key for key, _ in orderly.visible}
    found: dict[Key, None] = {}
    before = False
    for number, op in enumerate(program.expanded):
        ends = op.kind in ENDINGS
        if ends or (before and op.kind not in BARRIERS):
            found["start", number] = None
        if op.kind in LEAVING and op.connection is not None:
            found["lost", op.connection] = None
        before = ends
    return [key for key in found if key in seen]


class Waiting:
    """Operations first, then order, but that one event waits for ``times`` others and comes together with the last.

    The beginnings of operations do not count, unless they are ``endings``.
    """

    __slots__ = ("_due", "_endings", "_key", "_left", "came")

    def __init__(self, key: Key, times: int, endings: Container[Key] = ()) -> None:
        self._key, self._left, self._endings = key, times, endings
        self._due = False
        self.came = False
        """Whether it came so: not where nothing was left to wait for."""

    def _place(self, pending: Sequence[External]) -> int | None:
        if not self._left and not self._due:
            return None
        return next((at for at, event in enumerate(pending) if event.key == self._key), None)

    def busy(self, pending: Sequence[External]) -> int:
        at = self._place(pending) if self._due else None
        if at is None:
            return CARRY_ON
        self._due, self.came = False, True
        return at

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        at = self._place(pending)
        others = [place for place in range(len(pending)) if place != at]
        first = next((place for place in others if pending[place].key[0] == "start"), others[0] if others else None)
        if at is None:
            return first or 0
        if first is None and not clock:
            self._left, self._due = 0, False
            return at
        if first is None or pending[first].key[0] != "start" or pending[first].key in self._endings:
            self._left -= 1
            self._due = not self._left
        return len(pending) if first is None else first

    def extra(self, options: Sequence[External]) -> int:
        return CARRY_ON


class Together:
    """Goes through the endings of a program, each together with the first, the second, ... event it can wait for."""

    exhaustive = False  # of its own kind alone
    proven: Proven | None = None

    def __init__(self, orderly: Execution) -> None:
        self._endings = endings(orderly)
        self._left = deque((key, 1) for key in self._endings)
        self._last: tuple[Key, int, Waiting] | None = None

    def next(self) -> Chooser | None:
        if not self._left:
            return None
        key, times = self._left.popleft()
        chooser = Waiting(key, times, self._endings)
        self._last = key, times, chooser
        return chooser

    def seen(self, execution: Execution, news: int) -> None:
        """An ending that came so may wait for one event more; what came of it changes nothing."""
        assert self._last is not None
        key, times, chooser = self._last
        if chooser.came and times < MOST:
            self._left.append((key, times + 1))
