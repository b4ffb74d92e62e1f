"""What the tests of strategies share: bare programs on a world's loop, and how even a sample is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from typing import Any

from crosswire.fuzzer.core.program import Program
from crosswire.fuzzer.engine.execution import Execution
from crosswire.fuzzer.engine.schedule import Schedule
from crosswire.fuzzer.search import Strategy
from crosswire.fuzzer.world import Chooser, InOrder, WorldLoop

NOBODY = Program(())

Bare = Callable[[], Awaitable[Any]]
"""A program of coroutines alone; what it returns is what the execution showed."""


def executed(loop: WorldLoop, program: Bare, chooser: Chooser) -> tuple[Any, Execution]:
    """Run a bare program; its result, and the execution as a strategy sees it."""
    seen: list[Execution] = []

    async def main() -> Any:
        result = await program()
        seen.append(Execution(NOBODY, Schedule(tuple(loop.deviations)), (), tuple(loop.visible)))
        return result

    result = loop.run_coroutine(main(), chooser)
    return result, seen[0]


def orderly(loop: WorldLoop, program: Bare) -> Execution:
    return executed(loop, program, InOrder())[1]


def results(loop: WorldLoop, program: Bare, strategy: Strategy) -> Iterator[Any]:
    """What the executions of a strategy's schedules show, until it has no more."""
    while (chooser := strategy.next()) is not None:
        result, execution = executed(loop, program, chooser)
        strategy.seen(execution, 0)
        yield result


def chi_square(sample: Iterable[Hashable], cells: int) -> float:
    """Pearson's statistic of a sample against "each of ``cells`` is equally likely"."""
    counts = Counter(sample)
    expected = counts.total() / cells
    empty = cells - len(counts)
    return sum((n - expected) ** 2 / expected for n in counts.values()) + empty * expected


def critical(cells: int, deviate: float = 3.09) -> float:
    """What `chi_square` exceeds for an even source once in 1,000 samples (Wilson and Hilferty, 1931)."""
    freedom = cells - 1
    return freedom * float((1 - 2 / (9 * freedom) + deviate * (2 / (9 * freedom)) ** 0.5) ** 3)
