"""Probabilistic concurrency testing: random priorities, changed at a few random places.

S. Burckhardt, P. Kothari, M. Musuvathi and S. Nagarakatte, "A randomized scheduler with probabilistic guarantees of
finding bugs", ASPLOS 2010.  With n threads and at most k steps, a bug that needs d ordering constraints is found by one
execution with a probability of at least 1 / (n k^(d - 1)).

What the paper calls a thread is here a source of external events: a connection's frames, an operation's start, a
backend's answers, the clock; and the loop itself, whose step is to run what is ready.  A step is a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..world.external import CARRY_ON, External, Key
from .events import CLOCK, LOOP
from .freedom import Freedom

__all__ = ("Pct",)


class Pct(Freedom):
    """One execution's priorities and change points.

    ``steps`` bounds the decisions to come; the depth d is drawn from 1 to 4, shallow bugs being the common ones.
    """

    __slots__ = ("_changes", "_lowest", "_priorities", "_random", "_step")

    def __init__(self, seed: int, steps: int, depth: int | None = None) -> None:
        self._random = Random(seed)
        super().__init__(seed, self._random.random)
        chosen = depth if depth is not None else self._random.choice((1, 2, 2, 3, 3, 4))
        self._changes = {self._random.randrange(max(1, steps)) for _ in range(chosen - 1)}
        self._priorities: dict[Key, float] = {}
        self._lowest = 0.0
        self._step = 0

    def _priority(self, source: Key) -> float:
        priority = self._priorities.get(source)
        if priority is None:
            priority = self._priorities[source] = self._random.random()
        return priority

    def _best(self, sources: list[Key]) -> int:
        """The source of the highest priority; at a change point it is lowered below all others, and asked again."""
        best = max(range(len(sources)), key=lambda index: self._priority(sources[index]))
        if self._step in self._changes:
            self._lowest -= 1.0
            self._priorities[sources[best]] = self._lowest
            best = max(range(len(sources)), key=lambda index: self._priority(sources[index]))
        self._step += 1
        return best

    def busy(self, pending: Sequence[External]) -> int:
        sources = [_source(event) for event in pending]
        best = self._best([*sources, LOOP])
        return CARRY_ON if best == len(pending) else best

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        sources = [_source(event) for event in pending]
        return self._best([*sources, CLOCK] if clock else sources)


def _source(event: External) -> Key:
    return event.key[:2]
