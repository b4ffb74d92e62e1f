"""A program in which servers that walk through their clients fail, under many schedules, and replayed."""

from __future__ import annotations

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.findings.confirm import Confirmation, confirm
from crosswire.fuzzer.search.random_walk import RandomWalk
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.world.trio_stock import make_stock
from crosswire.models.isolation import judge

__all__ = ("ENOUGH", "PROGRAM", "confirmed_on_trio", "run", "shown_and_replayed", "stock_trio_shows_the_same")

ENOUGH = 120.0
"""Real seconds for a confirmation: no test depends on how busy the machine is."""

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


def stock_trio_shows_the_same(target: Target, times: int) -> None:
    """Assert that executions are the same under `trio.run`."""
    stock = Worker(target, make_stock())
    executions = run(Worker(target), times)
    with stock.session():
        for execution in executions:
            again = stock.replay(PROGRAM, execution.schedule)
            assert (again.history, again.visible) == (execution.history, execution.visible)


def confirmed_on_trio(wrong: Target, right: Target) -> Confirmation:
    """The confirmation of an event that a target loses; asserts that its repaired twin is not confirmed to lose it."""
    execution, lost = next(
        (execution, violation)
        for execution in run(Worker(wrong), 150)
        for violation in judge(wrong, PROGRAM, execution.history)
        if violation.kind == "LostEvent"
    )
    signature = lost.signature(wrong.name)
    assert confirm(right, execution, signature, ENOUGH, attempts=5).verdict == "not confirmed"
    return confirm(wrong, execution, signature, ENOUGH)
