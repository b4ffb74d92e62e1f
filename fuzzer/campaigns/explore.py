"""Explores one program under many schedules, and says what each new violation is worth.

Amplification: a generated program costs milliseconds, an execution a fraction of one, so each program is executed as
it was written, in order, and then under many schedules of the strategies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...models.isolation import judge
from ...models.isolation.violations import HeldUp, Violation
from ..core.history import History
from ..core.program import Operation, Program
from ..engine.execution import Execution, Worker
from ..engine.schedule import Deliver, Guided, Written
from ..search import Proven
from ..search.behaviour import Novelty
from ..search.paths import Paths
from ..search.portfolio import Portfolio
from ..search.turns import Turns
from ..world import Chooser, InOrder

__all__ = ("Finding", "Judged", "Memory", "digest", "explore", "judged", "soundness_doubt")


QUIET = 3
"""After so many executions in a row that showed nothing new, the next program is the better use of the time.

A bug needs the right program and then the right schedule, and nobody knows which is the rarer.  Exploring a program for
about as long as generating it takes, some eight executions, costs at most twice the time that the best number of
schedules would, whichever it is.
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """An execution, what the model says of it, and what its strategy has tried to the end with it.

    ``news`` counts the behaviours it was the first to show.
    """

    execution: Execution
    violations: tuple[Violation, ...]
    strategy: str
    proven: Proven | None = None
    news: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation with the execution that shows it."""

    violation: Violation
    execution: Execution


def digest(program: Program) -> int:
    """A number for a program that is the same in every process."""
    text = "\n".join(repr(operation) for operation in program.operations)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


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


def judged(worker: Worker, execution: Execution, strategy: str = "") -> Judged:
    """Apply the model to an execution."""
    return Judged(execution, tuple(judge(worker.target, execution.program, execution.history)), strategy)


def soundness_doubt(worker: Worker, finding: Finding) -> str | None:
    """Why a finding should not be believed, or None.

    It must show again under its own schedule, byte for byte.  An operation said to be held up by a stalled client is
    executed once more with nobody stalling: where it is as slow then, nobody held it up.
    """
    execution = finding.execution
    again = worker.replay(execution.program, execution.schedule)
    if again.history != execution.history:
        return "its schedule gave another history the second time: the target is not deterministic"
    if isinstance(finding.violation, HeldUp):
        calm = Program(tuple(_calm(operation) for operation in execution.program.operations))
        control = worker.run(calm, Guided(execution.visible))
        began, ended = finding.violation.evidence[0], finding.violation.evidence[-1]
        number = execution.history[began].operation
        took = execution.history[ended].time - execution.history[began].time
        times = [
            row.time for row in control.history if row.operation == number and row.connection in _own(execution, began)
        ]
        if not times or max(times) - min(times) >= took:
            return "the operation takes as long when nobody stalls"
    return None


def _own(execution: Execution, began: int) -> tuple[str | None, ...]:
    return (execution.history[began].connection,)


def _calm(operation: Operation) -> Operation:
    return replace(operation, kind="unstall") if operation.kind == "stall" else operation
