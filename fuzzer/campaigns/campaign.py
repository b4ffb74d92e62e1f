"""Many executions of one target under a budget: what was counted, and what was found.

A seed names a finite, ordered sequence of executions: rounds of generated programs, each explored under the same
number of schedules.  A budget only says where in that sequence to stop, and the number of processes only how soon
that place is reached: batches are counted in order.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from ...models.isolation.violations import Stuck
from ..engine.execution import Worker
from ..findings.finding import Finding, soundness_doubt
from ..findings.minimise import minimise
from ..targets.adapter import Target
from .pool import Pool
from .preflight import preflight
from .rounds import Batch, Plan, run_round

__all__ = ("Campaign", "Cell", "Found", "Plan")

SMALL = 5
"""Operations of a counterexample that is small enough not to look for a smaller one of the same signature."""

DOUBTS = 50
"""After so many dismissals a signature is not looked at again in this campaign."""

Cell = tuple[str, int, int]
"""What executions are counted by: strategy, number of users, operations in the program."""


@dataclass(slots=True)
class Found:
    """One bug: its minimal counterexample, when it was found first, and how often it was seen.

    ``first_by`` has, for each strategy that showed it, how many executions that strategy had made by then.
    """

    finding: Finding
    signature: str
    at_execution: int
    at_seconds: float
    times: int = 1
    first_by: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Campaign:
    """The campaign of one target, and its figures while it runs and after."""

    target: Target
    plan: Plan
    on_progress: Callable[[Campaign], None] | None = None
    on_found: Callable[[Campaign, Found], None] | None = None
    workers: int = 1
    executions: int = 0
    programs: int = 0
    rounds: int = 0
    """Rounds that are complete; a campaign that goes on later begins with this one."""
    seconds: float = 0.0
    shrinking: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    """promise -> executions that broke it"""
    cells: Counter[Cell] = field(default_factory=Counter)
    """cell -> executions"""
    broken_cells: Counter[tuple[str, Cell]] = field(default_factory=Counter)
    """promise and cell -> executions that broke it"""
    found: dict[str, Found] = field(default_factory=dict)
    proven: Counter[int] = field(default_factory=Counter)
    """delays -> programs of which every schedule with so many was tried in this run, and none broke a promise"""
    doubts: Counter[str] = field(default_factory=Counter)
    """signature -> how often what looked like a violation was dismissed"""
    doubtful: dict[str, str] = field(default_factory=dict)
    """signature -> why, the last time"""
    _by_strategy: Counter[str] = field(default_factory=Counter)
    _began: float = 0.0
    _done: bool = False

    def run(self) -> Campaign:
        """Fuzz until the budget is used up; raises `TargetError` where the target cannot be fuzzed."""
        self._began = time.perf_counter() - self.seconds
        self._by_strategy.update(dict.fromkeys(self.plan.strategies, 0))
        for (strategy, _, _), times in self.cells.items():
            self._by_strategy[strategy] += times
        worker = Worker(self.target)
        try:
            with worker.session():
                preflight(worker)
                if self.workers == 1:
                    self._alone(worker)
                else:
                    self._shared(worker)
        finally:
            self.seconds = time.perf_counter() - self._began
        return self

    def stop(self) -> None:
        """End after the current execution, as if the budget were used up."""
        self._done = True

    def _alone(self, worker: Worker) -> None:
        while not self._done:
            with closing(run_round(worker, self.plan, self.rounds, self._over)) as batches:
                for batch in batches:
                    if not self._count(worker, batch):
                        return
            self.rounds += 1

    def _shared(self, worker: Worker) -> None:
        with closing(Pool(self.target.name, self.plan, self.workers, self.rounds)) as pool:
            while not self._done:
                for batch in pool.next_round(self._over):
                    if not self._count(worker, batch):
                        break
                else:
                    if not self._over():
                        self.rounds += 1
                        continue
                self._done = True

    def _over(self, more: int = 0) -> bool:
        """Whether the budget ends here, ``more`` executions after those counted."""
        plan = self.plan
        return (
            self._done
            or (plan.executions is not None and self.executions + more >= plan.executions)
            or (plan.seconds is not None and time.perf_counter() - self._began >= plan.seconds)
        )

    def _count(self, worker: Worker, batch: Batch) -> bool:
        """Take one program's executions in; whether to go on."""
        self.programs += 1
        limit = self.plan.executions
        if batch.proven is not None and batch.proven.delays:
            self.proven[batch.proven.delays] += 1
        again: dict[str, None] = {}
        users, length = len(batch.program.users), len(batch.program)
        for strategy, signatures in batch.executions:
            self.executions += 1
            self._by_strategy[strategy] += 1
            cell = (strategy, users, length)
            self.cells[cell] += 1
            if signatures:
                self._note(worker, batch, cell, signatures, again)
            if self._done or (limit is not None and self.executions >= limit):
                self._done = True
                break
        for signature in again:
            self._again(worker, self.found[signature], batch.findings[signature])
        self.seconds = time.perf_counter() - self._began
        if self._over():
            self._done = True
        if self.on_progress is not None:
            self.on_progress(self)
        return not self._done

    def _note(
        self, worker: Worker, batch: Batch, cell: Cell, signatures: tuple[str, ...], again: dict[str, None]
    ) -> None:
        promises: dict[str, None] = {}
        stuck_as_known = any(s in self.found and isinstance(batch.findings[s].violation, Stuck) for s in signatures)
        for signature in signatures:
            violation = batch.findings[signature].violation
            if signature in self.found:
                known = self.found[signature]
                known.times += 1
                if known.times.bit_count() == 1:
                    again[signature] = None
            elif stuck_as_known and isinstance(violation, Stuck):
                pass  # one deadlock holds up many; what waits behind a known one is its consequence
            elif self._new(worker, signature, batch.findings[signature]):
                stuck_as_known = stuck_as_known or isinstance(violation, Stuck)
            else:
                continue
            if signature in self.found:
                self.found[signature].first_by.setdefault(cell[0], self._by_strategy[cell[0]])
            promises[violation.promise] = None
        for promise in promises:
            self.broken[promise] += 1
            self.broken_cells[promise, cell] += 1

    def _new(self, worker: Worker, signature: str, finding: Finding) -> bool:
        """Minimise and keep a bug not seen before, unless it should not be believed."""
        if self.doubts[signature] >= DOUBTS:
            return False
        doubt = soundness_doubt(worker, finding)
        if doubt is not None:
            self.doubts[signature] += 1
            self.doubtful[signature] = doubt
            return False
        at = time.perf_counter()
        small = minimise(worker, finding)
        self.shrinking += time.perf_counter() - at
        self.found[signature] = Found(small, signature, self.executions, at - self._began)
        if self.on_found is not None:
            self.on_found(self, self.found[signature])
        return True

    def _again(self, worker: Worker, known: Found, finding: Finding) -> None:
        """See whether this occurrence of a known bug shrinks to something smaller."""
        size = len(known.finding.execution.program)
        if size > SMALL and soundness_doubt(worker, finding) is None:
            at = time.perf_counter()
            small = minimise(worker, finding)
            self.shrinking += time.perf_counter() - at
            if len(small.execution.program) < size:
                known.finding = small
                if self.on_found is not None:
                    self.on_found(self, known)
