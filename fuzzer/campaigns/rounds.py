"""A round: programs that Hypothesis generates from one seed, each explored under many schedules.

Rounds are what a campaign is made of and what processes share out: a round depends on the target, the plan and its
number only, so it gives the same batches wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple
from weakref import WeakKeyDictionary

from ...models.isolation import exercised
from ...strategies.machine import ProgramMachine
from ...strategies.mutation import Corpus
from ...strategies.openings import openings
from ...strategies.rules import machine_for
from ...strategies.writing import unheard, write_programs
from ..core.choices import PROMISES
from ..core.program import Program
from ..core.source import LineAt
from ..engine.execution import Worker
from ..engine.schedule import Deliver
from ..findings.finding import Finding, Judged
from ..search import DEFAULT, Proven
from .explore import Memory, explore
from .timers import moments, night

__all__ = ("ROUND", "Batch", "Plan", "run_round")

ROUND = 40
"""Programs a Hypothesis run generates before the next begins with a seed of its own."""

LENGTHS = (15, 30, 60)
"""Per cent of the plan's steps that programs of successive rounds have: simple bugs need simple programs.

Most steps write a whole situation, some three to six operations.
"""

MUTANTS = 2
"""Where search is coverage-guided, programs made from kept ones for each that Hypothesis writes.

The default portfolio makes none.  With two, the bundled managers' defects that one or two operations show took twice
as many executions, those that several in a row show half as many (D19) or as many as before; executions are a quarter
cheaper, since most programs cost nothing to make.
"""

MUTANT = 150
"""How long these may get, in per cent of the round's steps."""

SCHEDULES = 24
"""Schedules of each program, at most."""

OPENING = 6
"""Schedules of each opening, at most: what is common shows in the first few, and the next situation is due."""

AMONG = 700
"""Executions of all openings: of a target with many, each has fewer, since what nobody has thought of is due too."""

REPEATED = 600
"""Operations, repetitions written out, that the schedules of a program with repetitions may have in all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign is to do.  Its budget: ``executions`` or ``seconds``, whichever ends first.

    ``first``: the search ends with the first violation that was made small.
    """

    seed: int = 0
    executions: int | None = None
    seconds: float | None = None
    users: int = 3
    steps: int = 14
    schedules: int = SCHEDULES
    strategies: tuple[str, ...] = DEFAULT
    promises: frozenset[str] = frozenset(PROMISES)
    first: bool = False


@dataclass(slots=True)
class Batch:
    """What exploring one program gave.

    ``executions`` holds, in order, each execution's strategy and the signatures of the violations it showed;
    ``findings`` the first sighting of each of these signatures; ``proven`` what was tried to the end without any;
    ``news`` counts the behaviours that it was the first of its round to show; ``exercised`` are the promises that it
    could have broken as it is written; ``reached`` are lines of the target's own that it was the first to run, each
    with how many of its executions there were by then.
    """

    program: Program
    executions: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)
    proven: Proven | None = None
    news: int = 0
    exercised: frozenset[str] = frozenset()
    reached: dict[LineAt, int] = field(default_factory=dict)

    def add(self, target: str, result: Judged, promises: frozenset[str]) -> None:
        """Take an execution in; of its violations those of ``promises``."""
        shown: dict[str, None] = {}
        for violation in result.violations:
            if violation.promise in promises:
                signature = violation.signature(target)
                shown[signature] = None
                if signature not in self.findings:
                    self.findings[signature] = Finding(violation, result.execution)
        self.executions.append((result.strategy, tuple(shown)))
        self.news += result.news
        if result.proven is not None and not self.findings:
            self.proven = result.proven


def run_round(worker: Worker, plan: Plan, number: int, over: Callable[[int], bool]) -> Generator[Batch, None, None]:
    """The batches of a round, each as soon as it is known; raises `TargetError`.

    ``over`` is asked after every execution whether to leave a program in the middle; it is told how many executions
    of the program there were.  Close the iterator where it is not run to its end.
    """
    name = plan.seed * 1_000_003 + number
    memory = Memory(name)
    steps = max(1, plan.steps * LENGTHS[number % len(LENGTHS)] // 100)
    mutants = MUTANTS if "coverage" in plan.strategies else 0
    corpus = Corpus(name, plan.users, MUTANT * steps // 100)
    explored_already = set(worker.avoided)
    with memory.paths.session():
        for written in _programs(worker, plan, number, name, steps):
            for program in chain((written.program,), _mutants(corpus, mutants if written.generated else 0)):
                if program in explored_already:
                    continue
                explored_already.add(program)
                order = written.order if program is written.program else range(len(program.expanded))
                batch = explored(worker, plan, program, order, over, memory, _schedules(plan, program, written))
                if batch.news:
                    corpus.keep(program)
                yield batch


def _schedules(plan: Plan, program: Program, written: _Written) -> int:
    """Return under how many schedules a program is explored: all there may be where they are to be exhausted."""
    if plan.strategies == ("delay",):
        return plan.schedules
    if program is written.program and not written.generated:
        return min(plan.schedules, written.schedules)
    if len(program.expanded) > len(program):
        return min(plan.schedules, max(1, REPEATED // len(program.expanded)))
    return plan.schedules


class _Written(NamedTuple):
    """A program, the order it was written in, and whether Hypothesis wrote it."""

    program: Program
    order: Sequence[int | Deliver]
    generated: bool
    schedules: int = SCHEDULES


def _programs(worker: Worker, plan: Plan, number: int, name: int, steps: int) -> Iterator[_Written]:
    """The programs of a round: openings in the first, then all that Hypothesis writes from the round's seed."""
    times = moments(worker, plan.users)
    if number == 0:
        opened = list(openings(worker.target, plan.users, times, night(worker)))
        schedules = max(1, min(OPENING, AMONG // max(1, len(opened))))
        for program in opened:
            yield _Written(program, range(len(program.expanded)), False, schedules)
    written: list[_Written] = []
    machine = _machine(worker, plan.users)
    machine.moments = times
    write_programs(machine, name, ROUND, steps, lambda p, order: written.append(_Written(p, tuple(order), True)))
    yield from written


def _mutants(corpus: Corpus, times: int) -> Iterator[Program]:
    """Programs made of those kept so far, each when it is asked for."""
    for _ in range(times):
        mutant = corpus.mutant()
        if mutant is not None:
            yield mutant


_machines: WeakKeyDictionary[Worker, dict[int, type[ProgramMachine]]] = WeakKeyDictionary()
"""Hypothesis never forgets a machine, so all rounds of a worker share one."""


def _machine(worker: Worker, users: int) -> type[ProgramMachine]:
    machines = _machines.setdefault(worker, {})
    if users not in machines:
        machines[users] = machine_for(worker.target, unheard, users)
    return machines[users]


def explored(
    worker: Worker,
    plan: Plan,
    program: Program,
    written: Sequence[int | Deliver],
    over: Callable[[int], bool],
    memory: Memory,
    schedules: int,
) -> Batch:
    """The batch of one program, under at most so many schedules."""
    name = worker.target.name
    batch = Batch(program)
    known = set(memory.paths.reached)
    for result in explore(worker, program, written, schedules, plan.strategies, plan.seed, memory):
        if not batch.executions:
            batch.exercised = exercised(worker.target, program, result.execution.history)
        batch.add(name, result, plan.promises)
        if len(memory.paths.reached) > len(known):
            batch.reached.update(dict.fromkeys(memory.paths.reached - known, len(batch.executions)))
            known |= memory.paths.reached
        if over(len(batch.executions)):
            break
    return batch
