"""What is known of a live server: the history of what its clients saw, and what was declared besides.

Rows are written by one process with one clock: an operation is invoked before its first byte goes out, and a frame is
received after its last byte has come in.  So what rows say overlaps may have, and what they say came later did.  What
the server sent, and when, is not known; that everything has come to rest never is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from ...fuzzer.core.history import Content, Detail, History, RowKind
from ...fuzzer.core.program import Program
from ...fuzzer.targets.adapter import Target
from .index import HistoryIndex
from .records import Connection, Event
from .verdicts import Breach

__all__ = ("CROWDED", "Need", "Outside", "OutsideIndex", "way_of")

CROWDED = 64
"""Events under way to one connection at once from which on a server may have a limit that nobody has declared."""


class Need(StrEnum):
    """What a check needs to know besides what clients see."""

    INSIDE = "inside knowledge"
    ORDER = "order of one emitter"
    TIME = "a declared time"
    NETWORK = "a network that does not fail"


@dataclass(frozen=True, slots=True)
class Outside:
    """What is known besides the history.

    ``ordered``: one emitter's events are promised to arrive in order.  ``within``: seconds in which an event arrives
    and a login is done, if declared.  ``rested``: nothing came for so long at the end, from a server that answered and
    to clients that were there to hear it.  ``known``: users whom the server has let in before.  ``local``: the server
    is on this machine.
    """

    ordered: bool = True
    within: float | None = None
    rested: bool = False
    known: frozenset[str] = frozenset()
    local: bool = True

    @property
    def given(self) -> frozenset[Need]:
        timed = self.within is not None and self.rested
        there = ((Need.ORDER, self.ordered), (Need.TIME, timed), (Need.NETWORK, self.local))
        return frozenset(need for need, given in there if given)


Way = tuple[str, str | None, tuple[str, ...]]
"""How an event goes: what its operation is called, and the user or the rooms it is for."""


class OutsideIndex(HistoryIndex):
    """A history of which only receipts are known: an event was sent at the latest when it was received."""

    def __init__(self, target: Target, program: Program, history: History, outside: Outside) -> None:
        self.outside = outside
        self.owed = 0
        """(event, connection): how many of them were owed for certain, and have been looked for."""
        self.overtaken: tuple[Breach, ...] | None = None
        """What has been overtaken, once that was looked for: what is missing besides is judged in another way."""
        super().__init__(target, target.traits.policy, program, history)

    def _received(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if c is None:
            return
        assert isinstance(detail, Content)
        self._deliver(detail, c, row, row)

    @cached_property
    def heard(self) -> dict[str, dict[Way, list[int]]]:
        """Connection -> way -> the rows at which something that went this way arrived."""
        heard: dict[str, dict[Way, list[int]]] = defaultdict(lambda: defaultdict(list))
        for event in self.events.values():
            for d in event.deliveries:
                heard[d.connection.name][way_of(event)].append(d.received)
        for ways in heard.values():
            for rows in ways.values():
                rows.sort()
        return heard

    @cached_property
    def spoken(self) -> dict[tuple[str, Way], list[Event]]:
        """(connection, way) -> what its client said that way, in order."""
        spoken: dict[tuple[str, Way], list[Event]] = defaultdict(list)
        for event in self.events.values():
            if event.emitter is not None:
                spoken[event.emitter.name, way_of(event)].append(event)
        return spoken

    @cached_property
    def _loads(self) -> dict[str, tuple[list[int], list[int]]]:
        """Connection -> rows in order, and how many events that arrived were under way to it from each row on."""
        changes: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for event in self.events.values():
            for d in event.deliveries:
                changes[d.connection.name] += [(event.by.began, 1), (d.received, -1)]
        loads = {}
        for name, steps in changes.items():
            steps.sort()
            rows, counts, count = [], [], 0
            for row, step in steps:
                count += step
                rows.append(row)
                counts.append(count)
            loads[name] = rows, counts
        return loads

    def crowded(self, connection: Connection, since: int, until: int) -> bool:
        """Whether at some moment between two rows so much was under way to a connection that a limit may have held."""
        if connection.name not in self._loads:
            return False
        rows, counts = self._loads[connection.name]
        first = max(bisect_right(rows, since) - 1, 0)
        return max(counts[first : bisect_right(rows, until)], default=0) >= CROWDED


OutsideIndex.methods = {**HistoryIndex.methods, RowKind.RECEIVED: OutsideIndex._received}


def way_of(event: Event) -> Way:
    return event.by.op.called, event.to, event.rooms
