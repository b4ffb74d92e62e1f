"""Liveness: when nothing more arrives, every operation finishes and the target comes to rest."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.history import RowKind, Spin
from ...fuzzer.core.stacks import Listening, Place
from . import violations as v
from .index import HistoryIndex
from .loss import newer_tab
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS",)


def stuck(index: HistoryIndex) -> Iterator[Breach]:
    """When everything has arrived, every operation finishes.  One breach for each place something is stuck in."""
    places = set()
    for row in index.marks.get(RowKind.STUCK, ()):
        entry = index.history[row]
        place = entry.detail if isinstance(entry.detail, Place) else Place()
        if place.function in places:
            continue
        places.add(place.function)
        act = index.invocations[entry.operation or 0]
        message = (
            f"{act} was never answered: everything has arrived, and the server waits for what {act.op.connection} says "
            f"next, in {place}"
            if isinstance(place, Listening)
            else f"{act} never finished: everything has arrived, and it waits in {place or 'the event loop'}"
        )
        found = v.Deadlock(message, place.function, rows_of(act.began, row))
        yield Breach(found, act.began, row, act=act, connection=index.connections.get(act.op.connection or ""))


@declared(one_tab=True)
def answered_elsewhere(index: HistoryIndex, b: Breach) -> bool:
    """What answers a user over a wire goes to one of the user's connections, and there has been a newer one."""
    return index.by_wire and newer_tab(index, b)


def spinning(index: HistoryIndex) -> Iterator[Breach]:
    """The target does not keep the loop busy with nothing left to arrive."""
    for row in index.marks.get(RowKind.SPINNING, ()):
        message = "the target never comes to rest: it keeps the loop busy with nothing left to arrive"
        yield Breach(v.Livelock(message, "", (row,)), row, row)


def periodic(index: HistoryIndex, b: Breach) -> bool:
    """Time passes between what it does: a timer with a period is no livelock."""
    return index.history[b.since].detail is Spin.PERIOD


CHECKS = (Check(stuck, (answered_elsewhere,)), Check(spinning, (periodic,)))
