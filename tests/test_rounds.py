"""A round gives the same batches wherever it runs, and a campaign the same findings with any number of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.child import Care, awaited
from crosswire.fuzzer.campaigns.rounds import run_round
from crosswire.fuzzer.campaigns.seats import RoundsJob, Seat
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search import ARMS
from crosswire.models.managers.targets import TARGETS
from crosswire.strategies import ProgramMachine

SCRIPT = """
import hashlib
{imports}
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.campaigns.rounds import Plan, run_round
from crosswire.models.managers.targets import TARGETS
worker = Worker(TARGETS["emergency"])
with worker.session():
    for number in {rounds}:
        batches = list(run_round(worker, Plan(schedules=4), number, lambda more: False))
print(hashlib.sha256(repr([(b.program, b.executions) for b in batches]).encode()).hexdigest())
"""

CONSTANTS = """
LIMITS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
NAMES = ["c0", "c1", "u0"]
"""


def digest(folder: Path, imports: str, rounds: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(imports=imports, rounds=rounds)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join([*sys.path, str(folder)])},
    )
    return done.stdout.strip()


def test_a_round_does_not_depend_on_what_is_imported_or_was_run_before(tmp_path: Path) -> None:
    """Hypothesis would draw constants out of the modules that happen to be loaded."""
    (tmp_path / "settings_of_mine.py").write_text(CONSTANTS)
    alone = digest(tmp_path, "", "[2]")
    assert alone == digest(tmp_path, "import settings_of_mine, crosswire.fuzzer.cli.main", "[2]")
    assert alone == digest(tmp_path, "import settings_of_mine", "[0, 2]")
    assert alone != digest(tmp_path, "", "[1]")


def test_every_program_has_somebody_in_it() -> None:
    worker = Worker(TARGETS["reference"])
    with worker.session():
        batches = list(run_round(worker, Plan(schedules=2), 0, lambda more: False))
    assert batches
    assert all(batch.program.users and len(batch.executions) in (3, 4) for batch in batches)
    assert len({batch.program for batch in batches}) == len(batches)


def test_rounds_leave_nothing_behind_that_piles_up() -> None:
    """Hypothesis keeps every class of machine it has ever run."""
    worker = Worker(TARGETS["degraded"])

    def machines(number: int) -> int:
        with worker.session():
            assert list(run_round(worker, Plan(schedules=1), number, lambda more: False))
        return len(ProgramMachine.__subclasses__())

    assert len({machines(number) for number in range(4)}) == 1


@pytest.mark.parametrize("strategy", ["coverage", "portfolio"])
def test_the_number_of_processes_changes_nothing(strategy: str) -> None:
    plan = Plan(executions=80, seed=5, strategies=(strategy,))
    alone, shared = (Campaign(TARGETS["isolated"], plan, workers=n, explaining=False).run() for n in (1, 2))
    assert alone.executions == shared.executions == 80
    assert alone.cells == shared.cells
    assert alone.broken == shared.broken
    assert alone.exercised == shared.exercised
    assert alone.reached == shared.reached
    assert {Path(file).name for file, _ in alone.reached} == {"isolated.py", "adapters.py"}
    assert list(alone.found) == list(shared.found) != []
    for signature, found in alone.found.items():
        other = shared.found[signature]
        assert found.finding.execution == other.finding.execution
        assert (found.times, found.at_execution, found.first_by) == (other.times, other.at_execution, other.first_by)


def test_counts_agree_with_each_other() -> None:
    campaign = Campaign(TARGETS["degraded"], Plan(executions=100), explaining=False).run()
    assert sum(campaign.cells.values()) == campaign.executions == 100
    for promise, times in campaign.broken.items():
        assert times == sum(n for (name, _), n in campaign.broken_cells.items() if name == promise)


def test_a_campaign_that_goes_on_counts_nothing_anew() -> None:
    plan = Plan(executions=60)
    tally = Campaign(TARGETS["degraded"], plan, explaining=False).run()
    before = tally.executions, tally.programs, dict(tally.broken)
    again = Campaign(TARGETS["degraded"], plan, explaining=False, tally=tally).run()
    assert (again.executions, again.programs, again.broken) == before
    assert 1 in {found.at_execution for found in again.found.values()}  # its plainest program breaks a promise


def test_counts_name_the_strategy_that_chose() -> None:
    campaign = Campaign(TARGETS["factory"], Plan(executions=120, strategies=("portfolio",)), explaining=False).run()
    used = {name for name, _, _ in campaign.cells}
    assert {"written", "fifo"} < used <= {"written", "fifo", *ARMS}
    assert {name for found in campaign.found.values() for name in found.first_by} <= used


def test_programs_tried_to_the_end_are_counted() -> None:
    plan = Plan(executions=350, schedules=300, strategies=("delay",))
    correct, faulty = (Campaign(TARGETS[name], plan, explaining=False).run() for name in ("reference", "degraded"))
    assert correct.proven.total() > 0
    assert faulty.found
    assert faulty.proven.total() < faulty.programs


def test_a_process_runs_no_more_of_a_round_than_can_count() -> None:
    seat = Seat(RoundsJob("degraded", Plan(executions=30, schedules=4), "snapshot", None, 5.0), Care(), set())
    try:
        seat.begin(0)
        while (ran := seat.hear()) is None:
            awaited([seat.child])
    finally:
        seat.close()
    assert sum(len(batch.executions) for batch in ran.batches) == 30
