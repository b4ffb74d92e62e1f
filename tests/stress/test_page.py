"""docs/stress.md says of each check what it is, and shows options that there are."""

from __future__ import annotations

import re

from benchmarks.servers import HERE
from crosswire.models.isolation.outside import CHECKS, NEVER_JUDGED
from crosswire.models.isolation.outside_index import CROWDED

from ..command import crosswire

PAGE = (HERE / "docs" / "stress.md").read_text(encoding="utf-8")


def test_every_check_is_in_the_right_table() -> None:
    judged, never = PAGE.split("Never judged from outside", 1)
    for check in CHECKS:
        row = next(line for line in judged.splitlines() if line.startswith(f"| `{check.check.breaches.__name__}` |"))
        assert row.endswith(f"| {check.grade.value} |")
        assert all(need.value in row for need in check.needs)
    assert re.findall(r"^\| `(\w+)` \|", never, re.MULTILINE) == list(NEVER_JUDGED)
    assert f"{CROWDED} events or more" in PAGE


def test_its_options_are_those_of_the_command() -> None:
    told = crosswire("stress", "--help", cwd=HERE, expect=0).stdout
    for option in set(re.findall(r"`(--[a-z-]+)", PAGE)):
        assert option in told, option
