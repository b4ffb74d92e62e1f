"""Fuzzing as an ordinary test: a state machine whose failure is a broken promise.

    TestChat = test_case_for(Chat)        # in a test module; pytest and unittest collect it

Hypothesis generates the programs; the engine explores each under many schedules and makes the first failure minimal,
the program and its schedule together.  That is quicker than Hypothesis' own shrinking, which would explore every
smaller program anew; the rules it prints are those of the program as it was generated.
"""

from __future__ import annotations

import unittest
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, event, settings

from ..strategies.rules import machine_for
from .campaigns.audience import find_audience
from .campaigns.explore import explore
from .core.program import Program
from .core.text import plain
from .engine.execution import Worker
from .engine.schedule import Deliver
from .findings.causes import Cause, cause_of, in_lines
from .findings.finding import Finding, soundness_doubt
from .findings.minimise import minimise
from .search import DEFAULT, Proven
from .targets.adapter import Adapter, Target

__all__ = ("ViolationFound", "test_case_for")


class ViolationFound(AssertionError):
    """A program broke a promise; the message says which, with the program and the schedule that show it."""


def test_case_for(
    target: Target | type[Adapter],
    *,
    users: int = 3,
    schedules: int = 32,
    max_examples: int = 50,
    strategies: Sequence[str] = DEFAULT,
) -> type[unittest.TestCase]:
    """A `unittest.TestCase` that fuzzes a target; ``schedules`` are tried for each of ``max_examples`` programs.

    With ``strategies=("delay",)`` and schedules enough, a test that passes has proven its programs; how many, and up to
    how many delays, is among Hypothesis' statistics.
    """
    chosen = target if isinstance(target, Target) else Target(target.__name__, target, target)
    worker = Worker(chosen)
    with worker.session():
        find_audience(worker)

    def check(program: Program, written: Sequence[int | Deliver]) -> None:
        with worker.session():
            proven: Proven | None = None
            for result in explore(worker, program, written, schedules, strategies, 0):
                proven = result.proven
                for violation in result.violations:
                    finding = Finding(violation, result.execution)
                    if soundness_doubt(worker, finding) is None:
                        small = minimise(worker, finding)[0]
                        raise ViolationFound(_report(small, cause_of(worker, small)))
            if proven is not None:
                event(f"proven up to {proven.bound}")

    machine = machine_for(worker.target, check, users)
    case: type[unittest.TestCase] = machine.TestCase
    case.settings = settings(  # type: ignore[attr-defined]
        max_examples=max_examples,
        deadline=None,
        stateful_step_count=6,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    return case


test_case_for.__test__ = False  # type: ignore[attr-defined]  # pytest would take the function itself for a test


def _report(finding: Finding, cause: Cause | None) -> str:
    execution = finding.execution
    lines = [f"{finding.violation.kind} ({finding.violation.promise}): {plain(finding.violation.message)}"]
    lines += [f"    {number}. {operation}" for number, operation in enumerate(execution.program.operations)]
    lines.append(f"    schedule: {list(execution.schedule.deviations)}")
    if cause is not None:
        lines += [plain(f"    {line}") for line in in_lines(cause, execution.program)]
    return "\n".join(lines)
