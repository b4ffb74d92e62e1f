"""Executions within a task of a loop that runs: a notebook's cell, an asynchronous test, a cluster's worker."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.models.managers.targets import TARGETS


def test_a_campaign_runs_and_confirms_within_a_task() -> None:
    async def cell() -> set[str]:
        tally = Campaign(TARGETS["degraded"], Plan(executions=20, seed=1), confirming=True).run()
        here = asyncio.current_task()
        await asyncio.sleep(0)
        assert here is not None and asyncio.current_task() is here
        return {found.confirmation.verdict for found in tally.found.values() if found.confirmation is not None}

    assert asyncio.run(cell()) == {"confirmed"}


def test_it_is_imported_within_a_task() -> None:
    code = "import asyncio\nasync def cell(): import crosswire.fuzzer.world\nasyncio.run(cell())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
