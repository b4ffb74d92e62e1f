"""A program in which servers that walk through their clients fail, under many schedules, and replayed."""

from __future__ import annotations

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.search.random_walk import RandomWalk
from crosswire.fuzzer.targets.adapter import Target
from crosswire.models.isolation import judge

__all__ = ("PROGRAM", "run", "shown_and_replayed")

PROGRAM = Program(
    (
        Operation("connect", "c0", "u0", pace="slow"),
        Operation("connect", "c1", "u1"),
        Operation("connect", "c2", "u2"),
        Operation("settle"),
        Operation("broadcast", "c1", "u1"),
        Operation("abort", "c0"),
        Operation("broadcast", "c2", "u2"),
    )
)


def run(worker: Worker, times: int) -> list[Execution]:
    with worker.session():
        return [worker.run(PROGRAM, RandomWalk(seed)) for seed in range(times)]


def shown_and_replayed(target: Target, times: int) -> set[str]:
    """The kinds of violations that so many schedules show; each replays in another worker, the last one first."""
    executions, other, found = run(Worker(target), times), Worker(target), set()
    with other.session():
        for execution in reversed(executions):
            again = other.replay(PROGRAM, execution.schedule)
            assert (again.history, again.visible) == (execution.history, execution.visible)
            found |= {violation.kind for violation in judge(target, PROGRAM, execution.history)}
    return found
