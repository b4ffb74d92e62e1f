"""Order: one emitter's events arrive on one connection in the order they were emitted in; a run's steps in theirs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ...fuzzer.core.history import Content
from . import violations as v
from .audience import absent
from .duplicate import quoted
from .index import HistoryIndex
from .records import Connection, Event, Invocation
from .spans import NEVER
from .verdicts import Breach, Check, rows_of

__all__ = ("CHECKS",)


def order(index: HistoryIndex) -> Iterator[Breach]:
    """What one emitter began after another of its emits had returned, or on the same connection, arrives after it.

    What is said by an operation of the target's own comes in order with what is said by the same one, and what is said
    in a room with what is said there: rooms may have queues of their own, and a history that is sent on joining.
    """
    arrived: dict[tuple[str, str, str | None, tuple[str, ...]], list[tuple[int, Event, Connection]]] = {}
    for event in index.events.values():
        seen: set[str] = set()
        for d in event.deliveries:
            if d.received != NEVER and d.connection.name not in seen:
                seen.add(d.connection.name)
                if d.retold:  # whoever came in the middle of it hears a later step than others have heard
                    continue
                key = event.by.op.user or "", d.connection.name, event.by.op.name, event.rooms
                arrived.setdefault(key, []).append((d.received, event, d.connection))
    for (sender, name, _, _), events in arrived.items():
        events.sort(key=_row)
        for (row, event, c), (later_row, later, _) in pairwise(events):
            act, earlier = event.by, later.by
            if row == later_row:  # one frame: what is in it is read together
                continue
            if act is earlier:
                if event.step > later.step:
                    message = f"{later.id} arrived on {name} after {event.id}"
                    evidence = rows_of(act.began, row, later_row)
                    yield Breach(v.BrokenRun(message, v.OUT_OF_ORDER, evidence), row, later_row, event, act, c)
            elif earlier.ended < act.began or _same_lane(earlier, act):
                kind = v.OfflineOutOfOrder if absent(index, later) else v.OutOfOrder
                message = f"{sender} emitted {later.id} before {event.id}, and {name} received it after"
                evidence = rows_of(earlier.began, act.began, row, later_row)
                yield Breach(kind(message, "", evidence), row, later_row, event, act, c)


def _row(arrival: tuple[int, Event, Connection]) -> int:
    return arrival[0]


def _same_lane(earlier: Invocation, act: Invocation) -> bool:
    """A connection keeps the order of what is said on it; but an agent's run, once asked for, takes its own time.

    Of requests over HTTP that are under way at once any may be the first that a server reads.
    """
    return (
        earlier.op.connection is not None
        and earlier.op.connection == act.op.connection
        and earlier.began < act.began
        and not (earlier.by_request or act.by_request)
        and earlier.op.kind != "run_agent"
    )


def receipt(index: HistoryIndex, b: Breach) -> bool:
    """A frame told the emitter's own user of what had been said, of another kind than others were sent: a receipt.

    Where nobody else was sent it, of another kind than the other of the two frames.
    """
    event, c = b.event, b.connection
    if event is None or c is None or c.identity != event.sender:
        return False
    sent = {_kind(index, d.sent) for d in event.deliveries if d.connection.identity != event.sender}
    kinds = {_kind(index, b.since), _kind(index, b.until)}
    return not kinds <= sent if sent else len(kinds) > 1


def _kind(index: HistoryIndex, row: int) -> str:
    content = index.history[row].detail
    return content.kind if isinstance(content, Content) else ""


CHECKS = (Check(order, (quoted, receipt)),)
