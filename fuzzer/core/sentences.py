"""Rows of a history as sentences, for messages that set two executions against each other."""

from __future__ import annotations

from collections.abc import Sequence

from .history import Aim, Content, Detail, Failure, Kept, Outcome, Remains, Row, RowKind, Sleep
from .program import Operation

__all__ = ("operation_in_words", "said", "detail_in_words")


def detail_in_words(detail: Detail) -> str:
    """A row's detail as a person would have it."""
    match detail:
        case None | Aim():
            return ""
        case Content():
            return str(detail)
        case Failure():
            return f"{detail.brief}, raised in {detail.place}" if detail.place else detail.brief
        case Remains():
            return detail.what
        case Kept():
            return detail.path
        case Sleep():
            return str(detail.place)
        case tuple():
            return ", ".join(str(part) for part in detail)
        case Outcome():
            return detail.value
        case _:
            return str(detail)


SENTENCES: dict[RowKind, str] = {
    RowKind.INVOKED: "{operation} began",
    RowKind.RETURNED: "{operation} ended",
    RowKind.RAISED: "{operation} raised {detail}",
    RowKind.CANCELLED: "{operation} was cancelled",
    RowKind.SKIPPED: "{operation} had nothing to do",
    RowKind.STUCK: "{operation} never ended",
    RowKind.SENT: "{detail} was sent to {connection}",
    RowKind.RECEIVED: "{connection} received {detail}",
    RowKind.REFUSED: "{detail} was for {connection}, which had gone",
    RowKind.CLOSED: "the server closed {connection} ({detail})",
    RowKind.GONE: "{connection} left ({detail})",
    RowKind.STALLED: "{connection} stopped reading",
    RowKind.RESUMED: "{connection} read again",
    RowKind.PLACED: "{connection} was put into room {detail}",
    RowKind.REMOVED: "{connection} was taken out of room {detail}",
    RowKind.UNHANDLED: "nobody handled {detail}",
    RowKind.REST: "everything came to rest",
    RowKind.REGISTRY: "the target listed {detail}",
    RowKind.ACTIVE: "the target called {detail} connected",
    RowKind.EMPTIED: "everybody had left",
    RowKind.LEFT: "{detail} was left behind",
    RowKind.KEPT: "{detail} had an entry for each",
    RowKind.BLOCKED: "the loop was blocked in {detail}",
    RowKind.SPINNING: "the loop never came to rest",
    RowKind.CLOCK: "time passed",
    RowKind.BUSY: "the machine was busy for {detail} s",
}


def said(row: Row | None, operations: Sequence[Operation]) -> str:
    """A row of a history in words."""
    if row is None:
        return "nothing more happened"
    operation = "an operation"
    if row.operation is not None:
        operation = operation_in_words(row.operation, operations, row.connection)
    detail = detail_in_words(row.detail)
    if row.kind == RowKind.RETURNED and row.detail not in (None, True, Outcome.INDETERMINATE):
        return f"{operation} ended with {detail}"
    return SENTENCES[row.kind].format(
        operation=operation, connection=row.connection or "a connection", detail=detail or "nobody"
    )


def operation_in_words(number: int, operations: Sequence[Operation], connection: str | None = None) -> str:
    """An operation by its number and what it does; those behind a program's own are the leaving and the shut-down."""
    if number < len(operations):
        return f"operation {number} ({operations[number]})"
    return f"the leaving of {connection}" if connection is not None else "the shut-down"
