"""Failure is reported honestly: who says that an event was not delivered has not delivered it to all it was for."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.history import RowKind
from . import violations as v
from .index import HistoryIndex
from .loss import cancelled
from .spans import NEVER
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS",)


def false_failures(index: HistoryIndex) -> Iterator[Breach]:
    """An emit that reports failure has not delivered its event to everybody it was for."""
    for event in index.events.values():
        act = event.by
        if not act.said_no or event.to is None or event.step >= 0:
            continue
        theirs = list(index.of_user(event.to))
        reached = [d for d in event.deliveries if d.received != NEVER and d.connection in theirs]
        there = {c.name for c in theirs if c.asked < act.ended and min(c.login.may_until, c.gone) > act.began}
        if reached and {d.connection.name for d in reached} == there and reached[0].sent < act.ended:
            d = reached[0]
            found = v.FalseFailure(
                f"emitting {event.id} to {event.to} reported failure, and {d.connection.name} received it",
                act.op.kind,
                rows_of(d.sent, act.ended, d.received),
            )
            yield Breach(found, act.began, index.rest_after(act.ended), event, act, d.connection)


def unread_at_failure(index: HistoryIndex, b: Breach) -> bool:
    """The event was received only after failure was reported: then nobody could know, and saying so is honest.

    Not where the target has given up whom it then reached, though the socket is open: its registry no longer names it.
    """
    assert b.event is not None and b.act is not None
    if not any(b.act.ended < d.received < NEVER for d in b.event.deliveries):
        return False
    known = [index.history[row].detail for row in index.marks.get(RowKind.REGISTRY, ()) if row > b.act.ended]
    forgotten_open = b.connection is not None and bool(known) and b.connection.name not in _names(known[0])
    return not forgotten_open


def _names(registered: object) -> tuple[str, ...]:
    return registered if isinstance(registered, tuple) else ()


def given_up(index: HistoryIndex, b: Breach) -> bool:
    """The server closed the connection for which it reported failure: it gave the client up, frame and all."""
    return b.connection is not None and b.connection.closed < b.until


@declared(failure="unknown")
def failure_is_unknown(index: HistoryIndex, b: Breach) -> bool:
    """Failure says that nobody knows whether it arrived."""
    return index.policy.failure == "unknown"


CHECKS = (Check(false_failures, (cancelled, unread_at_failure, given_up, failure_is_unknown)),)
