"""The selectively uniform random walk: a fair draw among the interleavings of the events that interest.

H. Zhao, D. Wolff, U. Mathur and A. Roychoudhury, "Selectively uniform concurrency testing", ASPLOS 2025.  A walk that
tosses a fair coin at every step is far from fair among interleavings: of one event against ten it almost never puts the
one last.  Choosing each source in proportion to how many events it has left makes every interleaving equally likely.
How many there will be is taken from the execution in order.

Uniform over everything is uniform over far too much, so it is so *selectively*: each execution picks one connection or
user, and only the events that touch it count.  Which source has the next of these is decided ahead, in proportion; the
interesting events of other sources wait until it has happened, and all else goes as in a random walk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from ..engine.execution import Execution
from ..engine.schedule import BESIDES
from ..world.external import CARRY_ON, External, Key
from .events import Events
from .freedom import Freedom
from .random_walk import CLOCK as CLOCK_MOVES

__all__ = ("Census", "Surw")

BUSY = (0.0, 0.05, 0.2, 0.5)
"""How likely an event is to become visible while callbacks are ready; one of them for each execution."""


class Census:
    """The events of an execution in order, counted: by source, for each name that more than one source touches.

    The empty name stands for everything.
    """

    def __init__(self, orderly: Execution) -> None:
        self.events = events = Events(orderly.program)
        keys = [key for key, _ in orderly.visible if key not in BESIDES]
        counts = {"": Counter(map(events.source, keys))}
        for name in sorted(set().union(*map(events.touches, keys))):
            counts[name] = Counter(events.source(key) for key in keys if events.touch(key, name))
        self.counts = {name: sources for name, sources in counts.items() if len(sources) > 1}


class Surw(Freedom):
    """One execution's selection, and how many events of each source are left; ``name`` overrides the drawn one."""

    __slots__ = ("_busy", "_events", "_left", "_name", "_random", "_turn")

    def __init__(self, seed: int, census: Census, name: str | None = None) -> None:
        self._random = Random(seed)
        super().__init__(seed, self._random.random)
        self._events = census.events
        self._busy = self._random.choice(BUSY)
        names = tuple(census.counts) or ("",)
        self._name = name if name is not None else self._random.choice(names)
        self._left = Counter(census.counts.get(self._name, {}))
        self._turn = self._draw(tuple(self._left))

    def _draw(self, sources: Sequence[Key]) -> Key | None:
        """Whose interesting event is next, in proportion to what is left; None where nobody has any left."""
        weights = [max(self._left[source], 0) for source in sources]
        if not any(weights):
            return None
        return self._random.choices(sources, weights)[0]

    def _interests(self, event: External) -> bool:
        return not self._name or self._events.touch(event.key, self._name)

    def _choices(self, pending: Sequence[External]) -> list[int]:
        """The pending events that need not wait."""
        return [
            index
            for index, event in enumerate(pending)
            if not self._interests(event) or self._events.source(event.key) == self._turn
        ]

    def _take(self, pending: Sequence[External], choices: list[int]) -> int:
        index = choices[int(self._random.random() * len(choices))]
        if self._interests(pending[index]):
            self._left[self._events.source(pending[index].key)] -= 1
            self._turn = self._draw(tuple(self._left))
        return index

    def busy(self, pending: Sequence[External]) -> int:
        if self._busy and self._random.random() < self._busy:
            choices = self._choices(pending)
            if choices:
                return self._take(pending, choices)
        return CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        if clock and self._random.random() < CLOCK_MOVES:
            return len(pending)
        choices = self._choices(pending)
        if not choices:  # whose turn it is has nothing pending: somebody who has takes it
            sources = tuple(dict.fromkeys(self._events.source(event.key) for event in pending))
            self._turn = self._draw(sources) or sources[int(self._random.random() * len(sources))]
            choices = self._choices(pending)
        return self._take(pending, choices)
