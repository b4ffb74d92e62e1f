"""Scheduling strategies, by name, behind one interface: a seed in, a chooser for one execution out."""

from __future__ import annotations

from collections.abc import Callable

from ..world.external import Chooser, InOrder
from .random_walk import RandomWalk

__all__ = ("STRATEGIES", "RandomWalk", "Strategy")

Strategy = Callable[[int], Chooser]


def fifo(seed: int) -> Chooser:
    """Everything arrives in order, and is handled to its end before the next; the seed changes nothing."""
    return InOrder()


STRATEGIES: dict[str, Strategy] = {"fifo": fifo, "random": RandomWalk}
