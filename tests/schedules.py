"""What a program shows under many schedules."""

from __future__ import annotations

from crosswire.fuzzer.core.program import Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk

__all__ = ("kinds_under",)


def kinds_under(worker: Worker, times: int, *programs: Program) -> set[str]:
    """The kinds of violations that programs show, each under so many random schedules."""
    with worker.session():
        runs = [judged(worker, worker.run(program, RandomWalk(seed))) for program in programs for seed in range(times)]
    return {violation.kind for run in runs for violation in run.violations}
