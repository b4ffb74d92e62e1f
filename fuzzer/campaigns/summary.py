"""What a run has to say at its end, as plain data: for JSON, JUnit, GitHub, hooks and people alike."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ("FailureSummary", "RunSummary", "Status", "TargetSummary")

Status = Literal["new", "known", "back"]
"""Never seen before; seen before and still there; seen before, then gone, and here again."""


class FailureSummary(msgspec.Struct, frozen=True):
    """One bug of a target."""

    signature: str
    status: Status
    promise: str
    violation: str
    message: str
    operations: list[str]
    deviations: int
    times: int
    first_at: int | None
    """The execution that showed it first; None where only the replay of its counterexample did."""
    file: str | None
    confirmation: str | None = None
    """Whether it also shows on asyncio's own loop, in a line; None where that was not tried."""
    certain: bool = True
    """False where confirmation was tried and it did not show."""
    minimal: bool = True
    """False where the time for making it small was up."""


class TargetSummary(msgspec.Struct, frozen=True):
    """One target: what was counted, found, and what a replay no longer shows.

    ``proven`` counts programs by the number of delays up to which every schedule was tried without a finding;
    ``doubts``, by the reason, what looked like a violation and could not be believed.
    """

    target: str
    executions: int
    programs: int
    broken: dict[str, int]
    found: list[FailureSummary]
    gone: list[str]
    proven: dict[int, int] = {}
    doubts: dict[str, int] = {}


class RunSummary(msgspec.Struct, frozen=True):
    """A run over targets."""

    seed: int
    users: int
    targets: list[TargetSummary]

    def failures(self, *statuses: Status) -> list[tuple[TargetSummary, FailureSummary]]:
        """The failures of all targets that have one of these statuses."""
        return [(target, bug) for target in self.targets for bug in target.found if bug.status in statuses]
