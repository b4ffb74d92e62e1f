"""Counterexamples are 1-minimal: no operation and no deviation can be dropped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import islice

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.events import BugFound
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.engine.schedule import Recorded
from crosswire.fuzzer.findings.finding import Finding, judged
from crosswire.fuzzer.findings.minimise import attempts, minimise, shows
from crosswire.fuzzer.targets import application
from crosswire.fuzzer.world import InOrder
from crosswire.models.managers.targets import TARGETS

from .applications import second


@pytest.mark.long
@pytest.mark.parametrize("name", ["emergency", "unified", "golden-path-shared-login"])
def test_findings_are_one_minimal(name: str, worker_of: Callable[[str], Worker]) -> None:
    campaign = Campaign(TARGETS[name], Plan(executions=150, seed=0))
    with closing(campaign.events()) as events:
        known = [event.found for event in islice((one for one in events if isinstance(one, BugFound)), 2)]
    assert len(known) == 2
    worker = worker_of(name)
    with worker.session():
        for found in known:
            signature, execution = found.signature, found.finding.execution
            assert len(execution.program) <= 8
            for at in range(len(execution.schedule)):
                fewer = Recorded(execution.schedule.without(at))
                again = shows(worker, execution.program, fewer, signature)
                assert again is None or len(again.execution.schedule) >= len(execution.schedule)
            for number in range(len(execution.program)):
                smaller = execution.program.without(number)
                for chooser in attempts(found.finding, smaller, number):
                    assert shows(worker, smaller, chooser, signature) is None


@pytest.mark.long
def test_the_smallest_of_a_self_deadlock() -> None:
    """One connection whose frame arrives too late is enough, and so it shrinks to just that."""
    plan = Plan(executions=700, seed=0, promises=frozenset({"liveness"}))
    campaign = Campaign(TARGETS["isolated"], plan, explaining=False).run()
    found = min(campaign.found.values(), key=lambda known: len(known.finding.execution.program))
    kinds = [operation.kind for operation in found.finding.execution.program.operations]
    assert len(kinds) == 2
    assert kinds[0] == "connect"
    assert {"run_agent", "emit"} & set(kinds)


@pytest.mark.long
def test_what_several_clients_did_is_done_by_one_again_and_again() -> None:
    """Five wrong logins, each on a connection of its own: one client's are enough, and read as one operation."""
    names = [f"c{number}" for number in range(5)]
    wrong = [
        operation
        for name in names
        for operation in (Operation("connect", name, "u0"), Operation("authenticate", name, token="invalid"))
    ]
    program = Program((*wrong, Operation("connect", "c5", "u1"), Operation("authenticate", "c5", token="valid")))
    worker = Worker(TARGETS["golden-path-breaker"])
    with worker.session():
        execution = worker.run(program, InOrder())
        (violation,) = judged(worker, execution).violations
        small, _ = minimise(worker, Finding(violation, execution))
        assert [str(operation) for operation in small.execution.program.operations] == [
            "connect c0 as u0",
            "authenticate c0 (invalid token) (5 times)",
            "connect c1 as u1",
            "authenticate c1",
        ]
        assert worker.replay(small.execution.program, small.execution.schedule).history == small.execution.history


def test_what_one_client_says_for_another_is_its_own_users() -> None:
    """Two clients say one word each; that one of them says both, in its own user's name, is enough."""
    worker = Worker(application(f"{second.__name__}:chat", wire="text"))
    program = Program(
        (
            Operation("connect", "c0", "u0"),
            Operation("connect", "c1", "u1"),
            Operation("settle"),
            Operation("broadcast", "c0", "u0"),
            Operation("settle"),
            Operation("broadcast", "c1", "u1"),
        )
    )
    with worker.session():
        execution = worker.run(program, InOrder())
        violation = next(one for one in judged(worker, execution).violations if one.kind == "UnhandledException")
        small, _ = minimise(worker, Finding(violation, execution))
    spoken = [op for op in small.execution.program.operations if op.kind == "broadcast"]
    assert [(op.connection, op.user) for op in spoken] == [("c0", "u0")] * 2
