"""Doubts: what looked like a violation and did not show again, and where two executions of the same thing went apart.

An execution is a pure function of target, program and schedule.  Where a target is not one, what it showed once proves
nothing; it is no bug, and no reason for silence either.  A `Doubt` says what was seen, at which row the second history
differs, in words, and what is known of the cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from ..core.history import History, Row, RowKind
from ..core.program import Operation
from ..core.sentences import detail_in_words, operation_in_words, said
from ..engine.difference import CAUSES, Cause, likely

__all__ = ("Difference", "Doubt", "compare", "of_replay")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two histories of one execution go apart: the row's number, both rows, and what is known of the cause.

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
        """What is known of the difference's cause; None where the histories are the same."""
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
        f"the target is not deterministic: with the same schedule, {found.in_words(operations)}; {CAUSES[found.cause]}"
    )
    return Doubt(reason, call, found)


def compare(before: History, after: History, *, jobs: bool = False) -> Difference | None:
    """Where two histories of the same program and schedule go apart, and what is known of why; None where equal.

    ``jobs``: worker threads took part.
    """
    for number, (one, other) in enumerate(zip_longest(before, after)):
        if one != other:
            return Difference(number, one, other, _cause(before, after, one, other, jobs))
    return None


def _cause(before: History, after: History, one: Row | None, other: Row | None, jobs: bool) -> Cause:
    """What the histories show of what makes them differ."""
    shown = again = ""
    if one is not None and other is not None:
        if one[1:] == other[1:]:
            return "delay"
        if one[1:4] == other[1:4]:
            shown, again = detail_in_words(one.detail), detail_in_words(other.detail)
    return likely((row[1:] for row in before), (row[1:] for row in after), shown, again, jobs=jobs)


def _has_job(row: Row) -> bool:
    return isinstance(row.detail, tuple) and any(isinstance(key, tuple) and key[:1] == ("job",) for key in row.detail)
