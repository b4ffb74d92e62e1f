"""Scheduling strategies, by name, behind one interface.

A strategy is given a seed and a bound on the decisions to come, estimated from an execution of the same program in
order; it gives the chooser for one execution.
"""

from __future__ import annotations

from collections.abc import Callable

from ..world.external import Chooser, InOrder
from .pct import Pct
from .random_walk import RandomWalk

__all__ = ("DEFAULT", "STRATEGIES", "Pct", "RandomWalk", "Strategy")

Strategy = Callable[[int, int], Chooser]


def fifo(seed: int, steps: int) -> Chooser:
    """Everything arrives in order, and is handled to its end before the next; the seed changes nothing."""
    return InOrder()


def random_walk(seed: int, steps: int) -> Chooser:
    """A random walk through the schedules; see `RandomWalk`."""
    return RandomWalk(seed)


STRATEGIES: dict[str, Strategy] = {"fifo": fifo, "random": random_walk, "pct": Pct}

DEFAULT = ("random",)
"""What campaigns use; several take turns.  On the standing targets turns with ``pct`` find the same about as soon."""
