"""Doubts: what looked like a violation and did not show again, and where two executions of the same thing went apart.

An execution is a pure function of target, program and schedule.  Where a target is not one, what it showed once proves
nothing; it is no bug, and no reason for silence either.  A `Doubt` says what was seen, at which row the second history
differs, in words, and what most likely made the difference.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from ..core.history import Detail, History, Row, RowKind
from ..core.program import Operation
from ..core.sentences import detail_in_words, operation_in_words, said

__all__ = ("CAUSES", "Cause", "Difference", "Doubt", "compare", "of_replay")

Cause = Literal["clock", "id", "order", "thread", "state"]

CAUSES: dict[Cause, str] = {
    "clock": "a clock that the world does not set",
    "id": "an object's address or a random number that the world does not draw",
    "order": "the order of a set, or of addresses",
    "thread": "a thread that the world does not hold",
    "state": "state that is kept between executions, in a module say",
}
"""What makes executions differ, in words."""

ADDRESS = re.compile(r"0x[0-9a-f]{6,}|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
"""What objects' addresses and random UUIDs look like."""

INSTANT = re.compile(r"\b1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?\b|\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d")
"""What instants of these years look like: seconds, milli-, micro- or nanoseconds since 1970, or a date and time."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two histories of one execution go apart: the row's number, both rows, and the likely cause.

    ``before`` or ``after`` is None where one history ends there.
    """

    row: int
    before: Row | None
    after: Row | None
    cause: Cause

    def in_words(self, operations: Sequence[Operation], first: str = "the first time", then: str = "the second") -> str:
        """Both sides in a line, for a user."""
        return f"{first} {said(self.before, operations)}; {then} {said(self.after, operations)}"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A violation that is not to be believed.

    ``reason`` is a sentence for users.  Where the violation did not show again, ``difference`` is where the histories
    went apart, and ``call`` the operation that this belongs to, in words.
    """

    reason: str
    call: str = ""
    difference: Difference | None = None

    @property
    def cause(self) -> Cause | None:
        """What most likely made the difference; None where the histories are the same."""
        return self.difference.cause if self.difference is not None else None

    def __str__(self) -> str:
        return self.reason


def of_replay(operations: Sequence[Operation], before: History, after: History) -> Doubt | None:
    """The doubt about an execution whose program and schedule gave another history the second time, or None."""
    found = compare(before, after, jobs=any(row.kind == RowKind.CLOCK and _has_job(row) for row in (*before, *after)))
    if found is None:
        return None
    row = found.before if found.before is not None else found.after
    number = row.operation if row is not None else None
    call = operation_in_words(number, operations) if number is not None else ""
    reason = (
        f"the target is not deterministic: with the same schedule, {found.in_words(operations)}; "
        f"most likely by {CAUSES[found.cause]}"
    )
    return Doubt(reason, call, found)


def compare(before: History, after: History, *, jobs: bool = False) -> Difference | None:
    """Where two histories of the same program and schedule go apart, and what most likely made them; None where equal.

    ``jobs``: worker threads took part.
    """
    for number, (one, other) in enumerate(zip_longest(before, after)):
        if one != other:
            return Difference(number, one, other, _cause(before, after, one, other, jobs))
    return None


def _cause(before: History, after: History, one: Row | None, other: Row | None, jobs: bool) -> Cause:
    """The likeliest of the things that differ from one execution to the next, by what the histories look like."""
    if one is not None and other is not None:
        shown, again = detail_in_words(one.detail), detail_in_words(other.detail)
        if one[1:4] == other[1:4] and shown != again:
            if ADDRESS.sub("", shown) == ADDRESS.sub("", again):
                return "id"
            if INSTANT.sub("", shown) == INSTANT.sub("", again):
                return "clock"
        if one[1:] == other[1:]:  # the same thing happened at another time
            return "clock"
    if _without_times(before) == _without_times(after):
        return "thread" if jobs else "order"
    return "thread" if jobs else "state"


def _without_times(history: History) -> Counter[tuple[str, int | None, str | None, Detail]]:
    return Counter(row[1:] for row in history)


def _has_job(row: Row) -> bool:
    return isinstance(row.detail, tuple) and any(isinstance(key, tuple) and key[:1] == ("job",) for key in row.detail)
