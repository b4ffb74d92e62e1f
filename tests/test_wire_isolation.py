"""What the isolation model asks of applications with a wire, shown on a correct chat."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.engine.schedule import Guided
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.world.external import Key

VANISHES = (
    Operation("connect", "c0", "u0"),
    Operation("settle"),
    Operation("connect", "c1", "u1"),
    Operation("broadcast", "c1", "u1"),
    Operation("abort", "c1"),
)
"""What it had said may be lost with the client."""

DOES_NOT_READ = (Operation("connect", "c0", "u0", pace="slow"), Operation("stall", "c0"))
"""It may be given up before it is connected."""

FOREIGN = (
    Operation("connect", "c0", "u0", token="u1"),
    Operation("connect", "c1", "u1"),
    Operation("settle"),
    Operation("run_agent", "c0", "u0", "u0"),
)
"""It is who its token says, and so are its runs."""


@pytest.fixture(scope="module")
def chat() -> Worker:
    return Worker(resolve("tests.applications.works:handler?wire=text"))


@pytest.mark.parametrize("operations", [VANISHES, DOES_NOT_READ], ids=["vanishes", "does not read"])
def test_a_correct_chat_is_not_accused(chat: Worker, operations: tuple[Operation, ...]) -> None:
    program = Program(operations)
    with chat.session():
        for seed in range(150):
            found = judged(chat, chat.run(program, RandomWalk(seed)))
            assert not found.violations, [violation.message for violation in found.violations]


def test_a_run_is_for_whom_the_token_says() -> None:
    worker = Worker(resolve("examples.agent_server_repaired:app?wire=examples.wires:agent"))
    program = Program(FOREIGN)
    with worker.session():
        for seed in range(50):
            found = judged(worker, worker.run(program, RandomWalk(seed)))
            assert not found.violations, [violation.message for violation in found.violations]
            assert sum(row.kind == "received" and str(row.detail) != "<ready>" for row in found.execution.history) == 10


def test_a_login_nobody_answers_is_not_held_up_until_its_client_leaves(chat: Worker) -> None:
    program = Program(
        (
            Operation("connect", "c0", "u0", pace="split"),
            Operation("connect", "c1", "u1"),
            Operation("stall", "c0"),
            Operation("abort", "c1"),
        )
    )
    first: list[Key] = [("start", 0), ("connect", "c0"), ("bytes", "c0"), ("start", 2), ("bytes", "c0")]
    then: list[Key] = [("start", 1), ("connect", "c1"), ("bytes", "c1"), ("clock",), ("start", 3), ("lost", "c1")]
    with chat.session():
        found = judged(chat, chat.run(program, Guided([(key, False) for key in (*first, *then)])))
    assert any(row.kind == "cancelled" and row.time >= 10.0 for row in found.execution.history)
    assert not found.violations, [violation.message for violation in found.violations]
