"""What a campaign does in the time that is left when it has searched, confirmed and explained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crosswire.fuzzer.campaigns import campaign as campaigns
from crosswire.fuzzer.campaigns import finishing
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.events import CampaignEvent
from crosswire.fuzzer.findings.confirm import Confirmation, confirm
from crosswire.fuzzer.findings.tally import Tally
from crosswire.fuzzer.targets.resolve import bundled

TARGETS = bundled()


@pytest.fixture
def no_time_to_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "SHRINKING", 0.0)


def operations(tally: Tally) -> list[int]:
    return [len(found.finding.execution.program) for found in tally.found.values()]


@pytest.mark.usefixtures("no_time_to_shrink")
def test_what_there_was_no_time_for_is_made_small_in_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(seconds=12.0, seed=3, first=True)
    done = Campaign(TARGETS["golden-path-pooled-runs"], plan).run()
    assert done.found
    assert all(found.minimal and found.cause is not None for found in done.found.values())

    def nothing(*_: object, **__: object) -> Iterator[CampaignEvent]:
        yield from ()

    monkeypatch.setattr(finishing.Finishing, "use_what_is_left", nothing)
    before = Campaign(TARGETS["golden-path-pooled-runs"], plan).run()
    assert not any(found.minimal for found in before.found.values())
    assert min(operations(done)) < min(operations(before))


@pytest.mark.usefixtures("no_time_to_shrink")
@pytest.mark.parametrize("verdict", ["confirmed", "not confirmed"])
def test_what_is_confirmed_is_kept_where_something_smaller_is_not(
    monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    tried: list[str] = []

    def once(*arguments: object, **options: object) -> Confirmation:
        tried.append(verdict)
        if len(tried) == 1:
            return Confirmation("confirmed", "by hand")
        return confirm(*arguments, **options) if verdict == "confirmed" else Confirmation("not confirmed", "by hand")  # type: ignore[arg-type]

    monkeypatch.setattr(finishing, "confirm", once)
    plan = Plan(seconds=12.0, seed=3, first=True)
    done = Campaign(TARGETS["golden-path-pooled-runs"], plan, confirming=True, explaining=False).run()
    assert len(tried) == 2 and len(done.found) == 1
    (found,) = done.found.values()
    assert found.confirmation is not None and found.confirmation.verdict == "confirmed"
    assert found.minimal is (verdict == "confirmed")


def test_a_budget_of_executions_leaves_no_time() -> None:
    campaign = Campaign(TARGETS["singleton"], Plan(executions=40), explaining=False)
    phases = [type(event).__name__ for event in campaign.events()]
    assert phases[-2:] != ["BugUpdated", "Finished"]
