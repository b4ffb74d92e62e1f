"""Counterexamples are 1-minimal: no operation and no deviation can be dropped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.engine.schedule import Recorded
from crosswire.fuzzer.findings.minimise import attempts, shows
from crosswire.models.managers.targets import TARGETS


@pytest.mark.parametrize("name", ["isolated", "emergency", "unified", "golden-path-shared-login"])
def test_findings_are_one_minimal(name: str, worker_of: Callable[[str], Worker]) -> None:
    campaign = Campaign(TARGETS[name], Plan(executions=1500, seed=0)).run()
    assert len(campaign.found) >= 2
    worker = worker_of(name)
    for signature, found in campaign.found.items():
        execution = found.finding.execution
        assert len(execution.program) <= 8
        for at in range(len(execution.schedule)):
            fewer = Recorded(execution.schedule.without(at))
            again = shows(worker, execution.program, fewer, signature)
            assert again is None or len(again.execution.schedule) >= len(execution.schedule)
        for number in range(len(execution.program)):
            smaller = execution.program.without(number)
            for chooser in attempts(found.finding, smaller, number):
                assert shows(worker, smaller, chooser, signature) is None


def test_the_smallest_of_a_self_deadlock() -> None:
    """One connection whose send fails is enough, and so it shrinks to just that."""
    campaign = Campaign(TARGETS["isolated"], Plan(executions=1500, seed=0, promises=frozenset({"liveness"}))).run()
    found = min(campaign.found.values(), key=lambda known: len(known.finding.execution.program))
    kinds = [operation.kind for operation in found.finding.execution.program.operations]
    assert len(kinds) == 3
    assert kinds[0] == "connect"
    assert {"run_agent", "emit"} & set(kinds)
    assert {"abort", "disconnect"} & set(kinds)
