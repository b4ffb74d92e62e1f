"""The bug of the example that keeps its state in SQLite is found; its repaired twin shows nothing."""

from __future__ import annotations

from contextlib import closing

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.targets.resolve import resolve

pytest.importorskip("aiosqlite")


@pytest.mark.parametrize("seed", [1])
def test_the_race_is_found_without_a_hint(seed: int) -> None:
    campaign = Campaign(resolve("examples.databases:sqlite_tabs"), Plan(executions=1000, seed=seed))
    with closing(campaign.events()) as events:
        found = next((found for _ in events for found in campaign.tally.found.values()), None)
    assert found is not None and found.finding.violation.kind == "LostEvent"


def test_the_repaired_twin_shows_nothing() -> None:
    tally = Campaign(resolve("examples.databases:sqlite_tabs_repaired"), Plan(executions=100, seed=1)).run()
    assert not tally.found and not tally.doubtful
