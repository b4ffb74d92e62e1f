"""Lets external events through in a recorded order, where an event may take longer to have its effects, or shorter.

Behind a real server an arrival takes other callbacks than in a world, so the recorded numbers of decisions mean
nothing, and neither does "between these two callbacks".  What remains is the order of the events, and that some became
visible while others' effects were still under way: how long after those is tried out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from ..world.external import CARRY_ON, CLOCK, LATE, External
from .schedule import BESIDES, Visible

__all__ = ("Enforced",)

LONGEST = 12
"""Boundaries for which an event is held back at most."""


class Enforced:
    """Takes decisions so that events become visible in the order ``order``, as far as they occur.

    An event that was visible while callbacks were ready becomes so at the first boundary where callbacks are ready, or
    with a ``seed`` a few boundaries later, more often few than many, or before or after its time.
    """

    def __init__(self, order: Iterable[Visible], seed: int | None = None) -> None:
        self._random = random.Random(seed) if seed is not None else None
        self._wanted = [(key, busy, self._hold(busy)) for key, busy in order]
        self._waited = 0
        self._at = 0
        self._late = False

    def _hold(self, busy: bool) -> int:
        """For how many boundaries to hold an event back; -1: until nothing is ready."""
        if self._random is None:
            return 0 if busy else -1
        if busy:
            return self._random.randrange(self._random.randint(1, LONGEST))
        return self._random.randrange(LONGEST) if self._random.random() < 0.1 else -1

    def busy(self, pending: Sequence[External]) -> int:
        if self._at < len(self._wanted):
            key, _, hold = self._wanted[self._at]
            index = _find(pending, key) if hold >= 0 else None
            if index is not None:
                if self._waited >= hold:
                    self._take(self._at)
                    return index
                self._waited += 1
        return CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        for at, (key, busy, _) in enumerate(self._wanted):
            if key in BESIDES:
                if key == CLOCK.key and clock and not busy:
                    self._take(at)
                    return len(pending)
                continue
            index = _find(pending, key)
            if index is not None:
                self._take(at)
                return index
        return 0

    def extra(self, options: Sequence[External]) -> int:
        for index, option in enumerate(options):
            if option is LATE:
                late, self._late = self._late, False
                return index if late else CARRY_ON
            if self._at < len(self._wanted) and self._wanted[self._at][:2] == (option.key, True):
                self._take(self._at)
                return index
        return CARRY_ON

    def _take(self, at: int) -> None:
        """An event becomes visible; those before it did not come, or come late."""
        self._late = at > 0 and self._wanted[at - 1][0] == LATE.key
        kept = [entry for entry in self._wanted[:at] if entry[0] not in BESIDES]
        self._wanted[: at + 1] = kept
        self._at = len(kept)
        self._waited = 0


def _find(pending: Sequence[External], key: object) -> int | None:
    return next((index for index, event in enumerate(pending) if event.key == key), None)
