"""What an execution did, as a set of small facts: two executions that share them all hardly differ.

The order signal: what happened at all, and which happening of one operation followed which of another on the same
connection, or of the same user.  Orders of conflicting accesses are what makes concurrent executions differ; D. Wolff,
Z. Shi, G. J. Duck, U. Mathur and A. Roychoudhury, "Greybox fuzzing for concurrency testing", ASPLOS 2024, keep
schedules by reads-from pairs in the same way.  Facts name kinds and places, not connections and numbers, so that they
can be compared between programs.

The code signal, where a Python has it, comes from `paths`.  Facts are compared whole and only looked up, never
iterated over: no hash of a string, which differs between processes, decides anything.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from ..core.history import Content, Failure, Row, RowKind
from ..core.program import Program
from ..engine.execution import Execution
from .events import Events

__all__ = ("Novelty", "orders")

Fact = Hashable


def orders(execution: Execution, events: Events) -> Iterator[Fact]:
    """The order signal of an execution: of its history's rows, and of the events that became visible."""
    operations = execution.program.expanded
    told = len(operations)
    last: dict[str, tuple[object, Fact]] = {}
    for row in execution.history:
        number = row.operation
        if number is None or number >= told:
            continue
        op = operations[number]
        what = (row.kind, op.kind, _brief(row))
        yield what
        for name in events.concerns(op) if row.connection is None else (row.connection, *events.users(row.connection)):
            before = last.get(name)
            if before is not None and before[0] != number:
                yield before[1], what, name[:1]
            last[name] = number, what
    last.clear()
    for key, busy in execution.visible:
        source, kind, touches = events.about(key)
        shown = (kind, busy)
        yield shown
        for name in touches:
            before = last.get(name)
            if before is not None and before[0] != source:
                yield before[1], shown
            last[name] = source, shown


def _brief(row: Row) -> object:
    """What of a row's detail is not a name or a number of this program: an error's place, a refusal, a frame's type."""
    match row.detail:
        case Content(mentions=()) as content:
            return str(content)
        case Failure(place=place) if row.kind == RowKind.RAISED:
            return place
        case bool() as said:
            return said
        case str() as how if row.kind == RowKind.GONE:
            return how
        case _:
            return None


class Novelty:
    """The behaviours shown so far, by all executions of a round."""

    def __init__(self) -> None:
        self._known: set[Fact] = set()
        self._program: Program | None = None
        self._events = Events(Program(()))

    def of(self, execution: Execution, *others: Iterable[Fact]) -> int:
        """How many behaviours of an execution are new, with what else it showed: violations, code."""
        if execution.program is not self._program:
            self._program, self._events = execution.program, Events(execution.program)
        known = self._known
        before = len(known)
        known.update(orders(execution, self._events))
        for facts in others:
            known.update(facts)
        return len(known) - before
