"""The reference manager, written once with anyio, keeps every promise on both event loops and leaves nothing."""

from __future__ import annotations

import gc

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.core.choices import BACKENDS, Backend
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search.random_walk import RandomWalk
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.models.isolation import judge

from .targets import anyio_reference

ABSENT = Program(
    (
        Operation("emit", None, "u0", "u1"),
        Operation("emit", None, "u0", "u1"),
        Operation("settle"),
        Operation("connect", "c0", "u1"),
        Operation("abort", "c0"),
        Operation("settle"),
        Operation("connect", "c1", "u1"),
    )
)
"""What waits for a connection that goes away is for the next one."""

ANOTHER = Program(
    (
        *ABSENT.operations[:3],
        Operation("connect", "c0", "u1"),
        Operation("connect", "c1", "u1"),
        Operation("disconnect", "c0"),
        Operation("disconnect", "c1"),
        Operation("settle"),
        Operation("connect", "c2", "u1"),
    )
)
"""Also where another connection came meanwhile, which was given nothing of it."""


def target(name: str, backend: Backend) -> Target:
    return resolve(f"{anyio_reference.__name__}:{name}?backend={backend}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_is_not_accused_whatever_is_tried(backend: Backend) -> None:
    tally = Campaign(target("Reference", backend), Plan(executions=300, seed=5)).run()
    assert tally.executions >= 300
    assert not tally.found, [found.finding.violation.message for found in tally.found.values()]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("program", [ABSENT, ANOTHER])
@pytest.mark.parametrize(("name", "broken"), [("Reference", set()), ("Forgets", {"OfflineLoss"})])
def test_what_waited_for_a_connection_that_is_gone_is_for_the_next(
    name: str, broken: set[str], program: Program, backend: Backend
) -> None:
    worker = Worker(target(name, backend))
    with worker.session():
        executions = [worker.run(program, RandomWalk(seed)) for seed in range(60)]
    found = {one.kind for execution in executions for one in judge(worker.target, program, execution.history)}
    assert found == broken


@pytest.mark.parametrize("name", ["targets.anyio_reference:Reference?backend=trio", "applications.on_trio:chat"])
def test_executions_on_trio_leave_no_objects(name: str) -> None:
    worker = Worker(resolve(f"tests.{name}"))
    program = Program((*ABSENT.operations[3:], Operation("broadcast", "c1", "u1")))
    counted = []
    with worker.session():
        for seed in range(300):
            worker.run(program, RandomWalk(seed))
            if seed % 100 == 99:
                gc.collect()
                counted.append(len(gc.get_objects()))
    assert counted[2] - counted[1] < 100, counted
