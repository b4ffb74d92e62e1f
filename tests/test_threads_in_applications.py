"""Applications that run plain functions in worker threads, as FastAPI does with every plain dependency."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.targets.resolve import resolve


@pytest.mark.parametrize("via", ["direct", "uvicorn"])
def test_plain_dependencies_of_fastapi_survive(via: str) -> None:
    executions = 60 if via == "direct" else 20
    target = resolve(f"tests.targets.sync_dependencies:app?via={via}")
    campaign = Campaign(target, Plan(executions=executions, seed=3)).run()
    assert campaign.executions == executions
    assert {signature: found.finding.violation for signature, found in campaign.found.items()} == {}
    assert not campaign.doubts
