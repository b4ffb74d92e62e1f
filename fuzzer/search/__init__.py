"""Scheduling strategies, by name, behind one interface: see `Strategy`."""

from __future__ import annotations

from itertools import count
from random import Random

from ..engine.execution import Execution
from .calm import Calm
from .coverage import Coverage
from .delay import Delay
from .events import Events
from .pct import Pct
from .portfolio import PORTFOLIO
from .pos import Pos
from .random_walk import RandomWalk
from .strategy import Independent, Maker, Proven, Strategy
from .surw import Census, Surw
from .together import Together

__all__ = (
    "ARMS",
    "DEFAULT",
    "LEAD",
    "PORTFOLIO",
    "STRATEGIES",
    "Calm",
    "Census",
    "Coverage",
    "Delay",
    "Independent",
    "Maker",
    "Pct",
    "Pos",
    "Proven",
    "RandomWalk",
    "Strategy",
    "Surw",
    "Together",
)


def fifo(orderly: Execution, seed: int) -> Strategy:
    """Everything in order: there is one such execution, the one there was already."""
    return Independent(())


def random_walk(orderly: Execution, seed: int) -> Strategy:
    """Random walks through the schedules; see `RandomWalk`."""
    draw = Random(seed).random
    return Independent(RandomWalk(number, draw) for number in count(seed))


def calm(orderly: Execution, seed: int) -> Strategy:
    """Schedules in which each event is handled to the end before the next, none twice; see `Calm`."""
    return Calm(seed)


def together(orderly: Execution, seed: int) -> Strategy:
    """Endings that come together with something else; see `Together`."""
    return Together(orderly)


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


def delay(orderly: Execution, seed: int) -> Strategy:
    """All schedules with few delays, each once; see `Delay`."""
    return Delay()


def coverage(orderly: Execution, seed: int) -> Strategy:
    """Changes of schedules that showed something new; see `Coverage`."""
    return Coverage(seed)


STRATEGIES: dict[str, Maker] = {
    "fifo": fifo,
    "random": random_walk,
    "calm": calm,
    "together": together,
    "pct": pct,
    "pos": pos,
    "surw": surw,
    "delay": delay,
    "coverage": coverage,
}

ARMS = ("calm", "together", "random", "pct", "pos", "surw", "delay", "coverage")
"""What the portfolio shares out among."""

LEAD = ("calm", "together", "together")
"""Which of them begin each program: with the reverse of order, and with an ending, where the program has one."""

DEFAULT = (PORTFOLIO,)
"""What campaigns use; several take turns.

On the bundled targets it takes as many executions as the random walk alone, within the error of measurement; it is
there for the bugs that a walk hardly ever reaches, see the tests of the other strategies.
"""
