"""What a run has to say at its end, as plain data: for JSON, JUnit, GitHub, hooks and people alike."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, Literal

import msgspec

from ..core.source import LineAt, short
from ..core.text import plain
from ..findings.reach import reach_of
from ..search.paths import SAMPLE, SEES_ALL

__all__ = (
    "BugSummary",
    "CauseSummary",
    "FailureSummary",
    "ReachSummary",
    "RunSummary",
    "Status",
    "TargetSummary",
    "UnreachedSummary",
)

Status = Literal["new", "known", "back"]
"""Never seen before; seen before and still there; seen before, then gone, and here again."""


class CauseSummary(msgspec.Struct, frozen=True):
    """Why a bug happens: the reason, the places, the most suspicious first, and what would have helped, in words."""

    reason: str
    why: str
    places: list[str]
    counterfactual: str
    executions: int

    def lines(self, places: int | None = None) -> list[str]:
        """Return the cause in words, a line each, with at most so many places."""
        told = [f"cause: {self.why}", *(f"  {place}" for place in self.places[:places])]
        return [*told, f"  {self.counterfactual}"] if self.counterfactual else told


class BugSummary(msgspec.Struct, frozen=True):
    """One bug of a target, with its symptoms by their signatures, the plainest first.

    ``bug`` is the signature of the symptom found first; ``violation`` names what its symptoms are, each kind once;
    ``perhaps`` are bugs that may be the same.
    """

    bug: str
    status: Status
    violation: str
    symptoms: list[str]
    cause: CauseSummary | None = None
    perhaps: list[str] = []


class FailureSummary(msgspec.Struct, frozen=True):
    """One finding of a target: a symptom of a bug."""

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
    confirmed: bool = False
    """Whether it shows on asyncio's own loop, too."""
    minimal: bool = True
    """False where the time for making it small was up."""
    bug: str = ""
    """The bug it is a symptom of."""


class UnreachedSummary(msgspec.Struct, frozen=True):
    """A function of the target's own of which lines never ran: the lines as ranges, first to last."""

    file: str
    function: str
    lines: list[tuple[int, int]]
    whole: bool

    def __str__(self) -> str:
        """Return where it is, as a reader finds it."""
        ranges = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in self.lines)
        return f"{self.function} ({PurePath(self.file).name}:{ranges})"


class ReachSummary(msgspec.Struct, frozen=True):
    """How many lines of the functions in the target's own files ran, and those that never did.

    One in ``looked_at`` executions was looked at.
    """

    ran: int
    lines: int
    unreached: list[UnreachedSummary]
    looked_at: int

    @classmethod
    def of(cls, reached: Iterable[LineAt], target: str = "") -> ReachSummary | None:
        """Sum up the lines of a target's that ran; None where nothing is known of any."""
        reach = reach_of(reached, target.partition("?")[0].rpartition(":")[2])
        unreached = [
            UnreachedSummary(short(gap.file), gap.function.replace(".<locals>", ""), gap.ranges, gap.whole)
            for gap in sorted(reach.unreached, key=lambda gap: (gap.file, gap.lines))
        ]
        return cls(reach.ran, reach.lines, unreached, 1 if SEES_ALL else SAMPLE) if reach.lines else None


class TargetSummary(msgspec.Struct, frozen=True):
    """One target: what was counted, found, and what a replay no longer shows.

    ``proven`` counts programs by the number of delays up to which every schedule was tried without a finding;
    ``doubts``, by the reason, what looked like a violation and could not be believed.  ``found`` are the symptoms of
    all ``bugs``; ``gone`` those that do not show any more, ``gone_bugs`` the bugs of which no symptom does.
    ``exercised`` counts the programs that could have broken a promise; ``unexercised`` says of the other promises why
    there was none.  ``cut_short``: the time was up before the first round of programs was done.
    """

    target: str
    executions: int
    programs: int
    broken: dict[str, int]
    found: list[FailureSummary]
    gone: list[str]
    proven: dict[int, int] = {}
    doubts: dict[str, int] = {}
    bugs: list[BugSummary] = []
    gone_bugs: list[str] = []
    exercised: dict[str, int] = {}
    unexercised: dict[str, str] = {}
    reach: ReachSummary | None = None
    cut_short: bool = False

    def symptoms(self, bug: BugSummary) -> list[FailureSummary]:
        """The findings of a bug."""
        by_signature = {failure.signature: failure for failure in self.found}
        return [by_signature[signature] for signature in bug.symptoms]


class RunSummary(msgspec.Struct, frozen=True):
    """A run over targets."""

    seed: int
    users: int
    targets: list[TargetSummary]

    def data(self) -> Any:
        """Return it for JSON; every text in it is one line that nobody takes for anything but text."""
        return _shown(msgspec.to_builtins(self))

    def shown(self) -> RunSummary:
        """Return the same with its texts as they are to be shown."""
        return msgspec.convert(self.data(), RunSummary)

    def failures(self, *statuses: Status) -> list[tuple[TargetSummary, FailureSummary]]:
        """The findings of all targets whose bug has one of these statuses."""
        return [(t, failure) for t, bug in self.bugs(*statuses) for failure in t.symptoms(bug)]

    def bugs(self, *statuses: Status) -> list[tuple[TargetSummary, BugSummary]]:
        """The bugs of all targets that have one of these statuses."""
        return [(target, bug) for target in self.targets for bug in target.bugs if bug.status in statuses]


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [_shown(element) for element in value]
    if isinstance(value, dict):
        return {_shown(key): _shown(element) for key, element in value.items()}
    return value
