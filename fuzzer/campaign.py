"""Many executions of one target under a budget: what was counted, and what was found.

A seed names a finite, ordered sequence of executions: rounds of generated programs, each explored under the same
number of schedules.  A budget only says where in that sequence to stop.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from ..models.violations import PROMISES, Stuck
from ..strategies.machine import machine_for
from .execution import TargetError, Worker
from .explore import Finding, explore, judged, soundness_doubt
from .minimise import minimise
from .program import Operation, Program
from .schedule import Deliver
from .targets.adapter import Target
from .world import InOrder

__all__ = ("Campaign", "Found", "Plan", "preflight")

SMALL = 5
"""Operations of a counterexample that is small enough not to look for a smaller one of the same signature."""

DOUBTS = 50
"""After so many dismissals a signature is not looked at again in this campaign."""

ROUND = 40
"""Programs a Hypothesis run generates before the next begins with a seed of its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign is to do.  Its budget: ``executions`` or ``seconds``, whichever ends first."""

    seed: int = 0
    executions: int | None = None
    seconds: float | None = None
    users: int = 3
    steps: int = 14
    schedules: int = 48
    strategies: tuple[str, ...] = ("random",)
    promises: frozenset[str] = frozenset(PROMISES)


@dataclass(slots=True)
class Found:
    """One bug: its minimal counterexample, when it was found first, and how often it was seen."""

    finding: Finding
    signature: str
    at_execution: int
    at_seconds: float
    times: int = 1


@dataclass(slots=True)
class Campaign:
    """The campaign of one target, and its figures while it runs and after."""

    target: Target
    plan: Plan
    on_progress: Callable[[Campaign], None] | None = None
    on_found: Callable[[Campaign, Found], None] | None = None
    executions: int = 0
    programs: int = 0
    seconds: float = 0.0
    shrinking: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    """promise -> executions that broke it"""
    found: dict[str, Found] = field(default_factory=dict)
    doubts: Counter[str] = field(default_factory=Counter)
    """signature -> how often what looked like a violation was dismissed"""
    doubtful: dict[str, str] = field(default_factory=dict)
    """signature -> why, the last time"""
    _done: bool = False

    def run(self) -> Campaign:
        """Fuzz until the budget is used up; raises `TargetError` where the target cannot be fuzzed."""
        worker = Worker(self.target)
        began = time.perf_counter()
        with worker.session():
            preflight(worker)
            for number in self._rounds():
                self._round(worker, number, began)
        self.seconds = time.perf_counter() - began
        return self

    def stop(self) -> None:
        """End after the current execution, as if the budget were used up."""
        self._done = True

    def _rounds(self) -> Iterator[int]:
        number = 0
        while not self._done:
            yield self.plan.seed * 1_000_003 + number
            number += 1

    def _round(self, worker: Worker, number: int, began: float) -> None:
        failure: list[TargetError] = []

        def check(program: Program, written: Sequence[int | Deliver]) -> None:
            if not self._done and not failure:
                try:
                    self.explore(worker, program, written, began)
                except TargetError as error:
                    failure.append(error)

        machine = seed(number)(machine_for(self.target, check, self.plan.users))
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=ROUND,
                stateful_step_count=self.plan.steps,
                phases=[Phase.generate],
                database=None,
                deadline=None,
                derandomize=False,
                verbosity=Verbosity.quiet,
                suppress_health_check=list(HealthCheck),
            ),
        )
        if failure:
            raise failure[0]

    def explore(self, worker: Worker, program: Program, written: Sequence[int | Deliver], began: float) -> None:
        """Explore one generated program; where the budget ends, end there."""
        plan = self.plan
        self.programs += 1
        for result in explore(worker, program, written, plan.schedules, plan.strategies, plan.seed):
            self.executions += 1
            if result.violations:
                self._note([Finding(v, result.execution) for v in result.violations], worker, began)
            if plan.executions is not None and self.executions >= plan.executions:
                self._done = True
            self.seconds = time.perf_counter() - began
            if plan.seconds is not None and self.seconds >= plan.seconds:
                self._done = True
            if self._done:
                break
        if self.on_progress is not None:
            self.on_progress(self)

    def _note(self, findings: list[Finding], worker: Worker, began: float) -> None:
        promises = set()
        seen: set[str] = set()
        name = self.target.name
        stuck_as_known = any(
            isinstance(f.violation, Stuck) and f.violation.signature(name) in self.found for f in findings
        )
        for finding in findings:
            promise = finding.violation.promise
            if promise not in self.plan.promises:
                continue
            signature = finding.violation.signature(name)
            if self.doubts[signature] >= DOUBTS:
                continue
            if signature in self.found:
                if signature not in seen:
                    self._again(worker, self.found[signature], finding)
            elif stuck_as_known and isinstance(finding.violation, Stuck):
                pass  # one deadlock holds up many; what waits behind a known one is its consequence
            else:
                doubt = soundness_doubt(worker, finding)
                if doubt is not None:
                    self.doubts[signature] += 1
                    self.doubtful[signature] = doubt
                    continue
                at = time.perf_counter()
                small = minimise(worker, finding)
                self.shrinking += time.perf_counter() - at
                self.found[signature] = Found(small, signature, self.executions, at - began)
                if self.on_found is not None:
                    self.on_found(self, self.found[signature])
                stuck_as_known = stuck_as_known or isinstance(finding.violation, Stuck)
            seen.add(signature)
            promises.add(promise)
        self.broken.update(promises)

    def _again(self, worker: Worker, known: Found, finding: Finding) -> None:
        """Count a known bug; now and then see whether this occurrence shrinks to something smaller."""
        known.times += 1
        size = len(known.finding.execution.program)
        if size > SMALL and known.times.bit_count() == 1 and soundness_doubt(worker, finding) is None:
            at = time.perf_counter()
            small = minimise(worker, finding)
            self.shrinking += time.perf_counter() - at
            if len(small.execution.program) < size:
                known.finding = small
                if self.on_found is not None:
                    self.on_found(self, known)


def preflight(worker: Worker) -> None:
    """One user connects, is sent an event, and leaves: what an adapter must manage before fuzzing means anything.

    Raises `TargetError`, in one line, where it does not.
    """
    operations = [Operation("connect", "c0", "u0")]
    if worker.target.offers("authenticate"):
        operations.append(Operation("authenticate", "c0", token="valid"))
    operations += [Operation("emit", user="u0", to="u0"), Operation("settle"), Operation("disconnect", "c0")]
    result = judged(worker, worker.run(Program(tuple(operations)), InOrder()))
    name = worker.target.name
    for row in result.execution.history:
        op = operations[row.operation].kind if row.operation is not None and row.operation < len(operations) else None
        if row.kind == "stuck":
            raise TargetError(
                f"{name}: {op} of a single user never returns, with nothing left to wait for; it waits in {row.detail}"
            )
        if row.kind == "raised" and op is not None:
            error, place = row.detail if isinstance(row.detail, tuple) else (str(row.detail), "")
            raise TargetError(
                f"{name}: {op} of a single user fails with {error}" + (f", raised in {place}" if place else "")
            )
        if row.kind == "spinning":
            raise TargetError(f"{name}: with a single user, the target never comes to rest")
