"""Scheduling strategies, by name, behind one interface: see `Strategy`."""

from __future__ import annotations

from itertools import count

from ..execution import Execution
from .events import Events
from .pct import Pct
from .pos import Pos
from .random_walk import RandomWalk
from .strategy import Independent, Maker, Strategy
from .surw import Census, Surw

__all__ = ("DEFAULT", "STRATEGIES", "Census", "Independent", "Maker", "Pct", "Pos", "RandomWalk", "Strategy", "Surw")


def fifo(orderly: Execution, seed: int) -> Strategy:
    """Everything in order: there is one such execution, the one there was already."""
    return Independent(())


def random_walk(orderly: Execution, seed: int) -> Strategy:
    """Random walks through the schedules; see `RandomWalk`."""
    return Independent(RandomWalk(number) for number in count(seed))


def pct(orderly: Execution, seed: int) -> Strategy:
    """Probabilistic concurrency testing; see `Pct`."""
    steps = 2 * len(orderly.visible)  # each event is a decision when idle, and most are passed over once when busy
    return Independent(Pct(number, steps) for number in count(seed))


def pos(orderly: Execution, seed: int) -> Strategy:
    """Partial order sampling; see `Pos`."""
    events = Events(orderly.program)
    return Independent(Pos(number, events) for number in count(seed))


def surw(orderly: Execution, seed: int) -> Strategy:
    """Selectively uniform random walks; see `Surw`."""
    census = Census(orderly)
    return Independent(Surw(number, census) for number in count(seed))


STRATEGIES: dict[str, Maker] = {"fifo": fifo, "random": random_walk, "pct": pct, "pos": pos, "surw": surw}

DEFAULT = ("random",)
"""What campaigns use; several take turns.  On the standing targets turns with ``pct`` find the same about as soon."""
