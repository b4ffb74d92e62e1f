"""The machine as a plain test case."""

from __future__ import annotations

import re
import subprocess
import sys
import unittest
from pathlib import Path

import pytest

from crosswire.fuzzer.testcase import test_case_for as case_for
from crosswire.models.managers.targets import TARGETS


def outcome(name: str, examples: int = 40) -> unittest.TestResult:
    case = case_for(TARGETS[name], schedules=8, max_examples=examples)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def test_a_correct_target_passes() -> None:
    assert outcome("reference", 15).wasSuccessful()


PROVING = """
from crosswire.fuzzer.testcase import test_case_for
from crosswire.models.managers.targets import TARGETS

TestReference = test_case_for(TARGETS["reference"], schedules=200, max_examples=5, strategies=("delay",))
"""


def test_what_exhaustive_search_has_proven_is_among_the_statistics(tmp_path: Path) -> None:
    (tmp_path / "test_reference.py").write_text(PROVING)
    command = [sys.executable, "-m", "pytest", "--hypothesis-show-statistics", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.search(r"proven up to [12] delay", done.stdout)


@pytest.mark.parametrize("name", ["degraded", "emergency"])
def test_a_faulty_target_fails_with_a_small_program(name: str) -> None:
    result = outcome(name)
    (problem,) = result.failures + result.errors
    assert "ViolationFound" in problem[1]
    operations = [line for line in problem[1].splitlines() if line.strip()[:2] in {f"{n}." for n in range(10)}]
    assert 1 <= len(operations) <= 4
