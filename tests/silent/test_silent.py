"""No correct server is accused of anything; ``python -m benchmarks.silent`` asks the same for longer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan

from .catalogue import SERVERS

HERE = Path(__file__).parent

EXECUTIONS = 100


@pytest.mark.parametrize("name", SERVERS)
def test_nothing_is_said_of_a_correct_server(name: str) -> None:
    target = SERVERS[name].target()
    target.state.proven = True  # as it is in the benchmark: proving takes four times as long as what is asked here
    campaign = Campaign(target, Plan(executions=EXECUTIONS, seed=7)).run()
    assert not campaign.found, [found.finding.violation.message for found in campaign.found.values()]
    assert not campaign.doubts
    assert campaign.executions == EXECUTIONS


def test_the_catalogue_is_complete() -> None:
    written = {path.stem for path in (HERE / "servers").glob("*.py") if path.stem != "__init__"}
    assert written == set(SERVERS)
    assert not [name for name in written if re.search("crosswire|fuzz", (HERE / f"servers/{name}.py").read_text())]
