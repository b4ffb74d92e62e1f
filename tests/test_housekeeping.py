"""Faults of housekeeping in served applications are reported by function and line; frameworks that work are let be."""

from __future__ import annotations

import inspect
import types
from importlib import import_module

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.confirm import confirm
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.world import InOrder

COME = (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1"), Operation("settle"))
SPEAKS = Program((*COME, Operation("broadcast", "c0", "u0")))


def place(module: str, function: str, text: str) -> str:
    """Where a function has a line, as reports name it."""
    code = getattr(import_module(f"tests.applications.{module}"), function)
    assert isinstance(code, types.FunctionType)
    lines, first = inspect.getsourcelines(code)
    line = first + next(number for number, line in enumerate(lines) if text in line)
    return f"{function} ({module}.py:{line})"


@pytest.mark.parametrize(
    ("module", "kind", "function", "text"),
    [
        ("leaks_tasks", "LeakedTask", "watch", "sleep"),
        ("raises_in_background", "UnhandledException", "count", "+= 1"),
        ("blocks_the_loop", "BlockedLoop", "render", "sleep"),
    ],
)
def test_a_fault_is_reported_by_function_and_line(module: str, kind: str, function: str, text: str) -> None:
    worker = Worker(resolve(f"tests.applications.{module}:handler?wire=text"))
    with worker.session():
        violation, *_ = judged(worker, worker.run(SPEAKS, InOrder())).violations
    assert violation.kind == kind
    assert place(module, function, text) in violation.message


def test_what_is_begun_once_is_nobodys_and_may_go_on_to_the_end() -> None:
    worker = Worker(resolve("tests.applications.begins_once:handler?wire=text"))
    with worker.session():
        for clients in (1, 2):
            assert judged(worker, worker.run(Program(COME[:clients]), InOrder())).violations == ()


def test_a_server_that_never_lets_go_of_a_client_is_a_finding_of_the_plainest_program() -> None:
    worker = Worker(resolve("tests.applications.never_closes:handler?wire=text"))
    with worker.session():
        batch = preflight(worker)
    assert batch is not None
    (finding,) = batch.findings.values()
    assert finding.violation.kind == "Deadlock"
    assert place("never_closes", "linger", "wait") in finding.violation.message


def test_a_handler_that_goes_on_when_its_client_has_left_is_told_once_and_confirmed() -> None:
    """Called directly, the task that serves it is the world's own, and nothing that anybody could look for."""
    worker = Worker(resolve("tests.applications.goes_on:app?wire=tests.applications.goes_on:posted"))
    with worker.session():
        execution = worker.run(Program((Operation("connect", "c0", "u0"),)), InOrder())
        (violation,) = judged(worker, execution).violations
    assert violation.kind == "LeakedTask" and violation.message.startswith("connection c0 outlived the shut-down")
    assert place("goes_on", "live", "sleep") in violation.message
    signature = violation.signature(worker.target.name)
    assert confirm(worker.target, execution, signature, seconds=60.0, attempts=1).verdict == "confirmed"


@pytest.mark.parametrize("target", ["on_litestar:app", "on_quart:app"])
@pytest.mark.parametrize("options", ["", "&via=uvicorn-sansio"])
def test_other_frameworks_work(target: str, options: str) -> None:
    campaign = Campaign(resolve(f"tests.applications.{target}?wire=text{options}"), Plan(executions=40, seed=5)).run()
    assert not campaign.found, [found.finding.violation.message for found in campaign.found.values()]
