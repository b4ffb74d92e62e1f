"""The bugs of the examples that talk to services are found from several seeds; their repaired twins show nothing."""

from __future__ import annotations

from contextlib import closing

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets.resolve import resolve

from ..schedules import kinds_under

pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
"""The examples leave their pools to the end of the process, as most applications do."""

SHOWS = {"redis_tabs": {"LostEvent"}, "moderated": {"LostEvent", "DuplicateEvent", "CrossUserLeak", "ReplacedEvent"}}

TALK = {
    "redis_tabs": (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u0"),
        Operation("connect", "c2", "u1"),
        Operation("settle"),
        Operation("emit", "c2", "u1", "u0"),
    ),
    "moderated": (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u1"),
        Operation("settle"),
        Operation("emit", "c0", "u0", "u1"),
        Operation("emit", "c1", "u1", "u0"),
    ),
}


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("name", SHOWS)
def test_the_race_is_found_without_a_hint(name: str, seed: int) -> None:
    campaign = Campaign(resolve(f"examples.services:{name}"), Plan(executions=2000, seed=seed))
    with closing(campaign.events()) as events:
        found = next((found for _ in events for found in campaign.tally.found.values()), None)
    assert found is not None and found.finding.violation.kind in SHOWS[name]


@pytest.mark.parametrize("name", SHOWS)
def test_the_repaired_twin_shows_nothing(name: str) -> None:
    tally = Campaign(resolve(f"examples.services:{name}_repaired"), Plan(executions=150, seed=1)).run()
    assert not tally.found and not tally.doubtful
    program = Program(TALK[name])
    kinds = []
    for variant in (name, f"{name}_repaired"):
        worker = Worker(resolve(f"examples.services:{variant}"))
        kinds.append(kinds_under(worker, 60, program))
    assert kinds[0] & SHOWS[name] and not kinds[1], kinds
