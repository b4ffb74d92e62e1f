"""Strategies as a user asks for them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crosswire.fuzzer.cli.main import app


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner()


@pytest.mark.long
def test_exhaustive_search_says_what_it_has_proven(run: CliRunner) -> None:
    arguments = ["run", "reference", "--strategy", "delay", "--max-executions", "600"]
    done = run.invoke(app, arguments)
    assert done.exit_code == 0
    assert re.search(r"reference: \d+ of \d+ programs? proven up to [12] delays?\n", done.stdout)
    result = json.loads(run.invoke(app, [*arguments, "--json"]).stdout)
    (target,) = result["targets"]
    assert 0 < sum(target["proven"].values()) <= target["programs"]


@pytest.mark.long
def test_how_many_schedules_each_program_gets(run: CliRunner) -> None:
    few, many = (
        json.loads(
            run.invoke(app, ["run", "reference", "--max-executions", "400", "--schedules", schedules, "--json"]).stdout
        )["targets"][0]["programs"]
        for schedules in ("1", "100")
    )
    assert few > 1.5 * many
