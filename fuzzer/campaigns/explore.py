"""Explores one program under many schedules, and says what each new violation is worth.

Amplification: a generated program costs milliseconds, an execution a fraction of one, so each program is executed as
it was written, in order, and then under many schedules of the strategies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...models.isolation.violations import Violation
from ..core.history import History
from ..core.program import Program
from ..engine.execution import Worker
from ..engine.schedule import Deliver, Written
from ..findings.finding import Judged, digest, judged
from ..search.behaviour import Novelty
from ..search.paths import Paths
from ..search.portfolio import Portfolio
from ..search.turns import Turns
from ..world import Chooser, InOrder

__all__ = ("Memory", "explore")


QUIET = 3
"""After so many executions in a row that showed nothing new, the next program is the better use of the time.

A bug needs the right program and then the right schedule, and nobody knows which is the rarer.  Exploring a program for
about as long as generating it takes, some eight executions, costs at most twice the time that the best number of
schedules would, whichever it is.
"""


class Memory:
    """What the programs of a round have in common: what was seen, and what the strategies earned by it."""

    def __init__(self, seed: int) -> None:
        self.novelty = Novelty()
        self.paths = Paths()
        self.portfolio = Portfolio(seed)


def explore(
    worker: Worker,
    program: Program,
    written: Sequence[int | Deliver],
    schedules: int,
    strategies: Sequence[str],
    seed: int,
    memory: Memory | None = None,
) -> Iterator[Judged]:
    """Execute a program as written, in order where that is not the same, and under ``schedules`` schedules more.

    The strategies take turns, or the portfolio shares out once its first has had a turn.  Which schedules depends on
    the seed, the program and the memory alone.  They are fewer where no strategy has any left to try, or where the
    program seems to have nothing new left to show.  Schedules that give the same history are judged once.
    """
    verdicts: dict[History, tuple[Violation, ...]] = {}
    memory = memory if memory is not None else Memory(seed)

    def execute(chooser: Chooser, name: str) -> Judged:
        """Run, judge, and see what is new."""
        execution, lines = memory.paths.watched(
            lambda: worker.run(program, chooser), lambda seen: worker.replay(program, seen.schedule)
        )
        known = verdicts.get(execution.history)
        if known is None:
            known = verdicts[execution.history] = judged(worker, execution).violations
        broken = (violation.signature(worker.target.name) for violation in known)
        return Judged(execution, known, name, news=memory.novelty.of(execution, broken, lines))

    orderly = execute(Written(written), "written")
    yield orderly
    if orderly.execution.blocked is not None:
        return
    if orderly.execution.schedule.deviations:
        orderly = execute(InOrder(), "fifo")
        yield orderly
    base = (digest(program) ^ seed) << 16
    turns = Turns(strategies, orderly.execution, base, memory.portfolio)
    quiet = 0
    while schedules and (turns.exhaustive or quiet < QUIET):
        chooser = turns.next()
        if chooser is None:
            break
        schedules -= 1
        result = execute(chooser, turns.name)
        quiet = 0 if result.news else quiet + 1
        turns.seen(result.execution, result.news)
        yield replace(result, proven=turns.proven)
        if result.execution.blocked is not None:  # other schedules would cost as much, and hardly show anything else
            return
