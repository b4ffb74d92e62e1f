"""Servers that listen through trio run in the world: found, replayed, and not accused."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.confirm import confirm
from crosswire.fuzzer.search.random_walk import RandomWalk
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.models.isolation import judge

from .applications import served_on_trio

pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio says so of ``async for``

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

SERVERS = {
    "walks": {"LostEvent", "Dropped"},
    "repaired": set[str](),
    "main": set[str](),
    "contagious": {"UnhandledError", "Dropped"},
    "hypercorn": set[str](),
}
"""What each breaks."""


@pytest.mark.parametrize("name", SERVERS)
def test_a_run_and_its_replay_are_the_same_and_only_what_is_wrong_is_accused(name: str) -> None:
    target = resolve(f"{served_on_trio.__name__}:{name}")
    assert target.backend == "trio"
    one, other = Worker(target), Worker(target)
    with one.session():
        executions = [one.run(PROGRAM, RandomWalk(seed)) for seed in range(60)]
    found = set()
    with other.session():
        for execution in reversed(executions):
            again = other.replay(PROGRAM, execution.schedule)
            assert (again.history, again.visible) == (execution.history, execution.visible)
            found |= {violation.kind for violation in judge(target, PROGRAM, execution.history)}
    assert found == SERVERS[name]


def test_what_needs_sockets_cannot_be_confirmed_under_trio_run_and_says_so() -> None:
    target = resolve(f"{served_on_trio.__name__}:walks")
    worker = Worker(target)
    with worker.session():
        execution = worker.run(PROGRAM, RandomWalk(0))
    said = str(confirm(target, execution, "any"))
    assert said == "not confirmable on stock trio: its server's sockets are the world's own"
