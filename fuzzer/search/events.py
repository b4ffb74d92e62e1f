"""Whose an external event is, and which other events its place among them can matter to.

A strategy decides by what is known before an event happens: its key and the program.  That is a guess, good enough to
spread schedules well; no verdict and no schedule left out depends on it.
"""

from __future__ import annotations

from ..core.program import Operation, Program
from ..engine.schedule import NUMBER_AT
from ..world.external import Key

__all__ = ("CLOCK", "LOOP", "Events")

LOOP: Key = ("loop",)
"""The loop as a source: its step is to run what is ready."""

CLOCK: Key = ("clock",)
"""The clock as a source, as it stands among an execution's visible events."""

ALL = frozenset({"*"})
"""What an operation touches that is about everybody."""


class Events:
    """The external events of one program.

    A *source* is what the papers call a thread: its events follow each other.  It is an operation's lane (what the
    operation waits for included), or the frames of one connection.  What an event *touches* are names: of its
    connection, and of the users concerned.  Two events *conflict* where they touch the same.
    """

    def __init__(self, program: Program) -> None:
        self._operations = program.expanded
        connects = (op for op in program.operations if op.kind == "connect")
        self._users = {op.connection: op.user for op in connects if op.connection is not None}
        self._about: dict[Key, tuple[Key, Key, frozenset[str]]] = {}

    def about(self, key: Key) -> tuple[Key, Key, frozenset[str]]:
        """An event's source, what kind of event it is, whoever's, comparable between programs, and what it touches."""
        about = self._about.get(key)
        if about is None:
            op = self._operation(key)
            touches = self.concerns(op) if op is not None else self._names(key)
            source = ("lane", op.lane) if op is not None else key[:2]
            about = self._about[key] = source, self._what(key, op), touches
        return about

    def _operation(self, key: Key) -> Operation | None:
        at = NUMBER_AT.get(str(key[0]))
        if at is None or at >= len(key):
            return None
        number = key[at]
        known = isinstance(number, int) and 0 <= number < len(self._operations)
        return self._operations[number] if known else None  # type: ignore[index]

    def source(self, key: Key) -> Key:
        return self.about(key)[0]

    def _what(self, key: Key, op: Operation | None) -> Key:
        if op is None:
            return key[:1] if key[0] in ("start", "notice") or str(key[-1]) in self._users else key[:2]
        return (key[0], op.kind, *(part for part in key[1:2] if isinstance(part, str)))

    def users(self, connection: str) -> tuple[str, ...]:
        """The user who connects so, where the program says who."""
        user = self._users.get(connection)
        return () if user is None else (user,)

    def touches(self, key: Key) -> frozenset[str]:
        return self.about(key)[2]

    def _names(self, key: Key) -> frozenset[str]:
        name = str(key[1]) if len(key) > 1 else str(key[0])
        return frozenset((name, *self.users(name)))

    def touch(self, key: Key, name: str) -> bool:
        touched = self.touches(key)
        return touched is ALL or name in touched

    def concerns(self, op: Operation) -> frozenset[str]:
        """The names of the connection and the users an operation is about."""
        if op.kind in ("broadcast", "shut_down"):
            return ALL
        names = (op.connection, *self.users(op.connection or ""), op.user, op.to, op.thread)
        return frozenset(name for name in names if name is not None)

    def conflict(self, one: Key, other: Key) -> bool:
        mine, theirs = self.touches(one), self.touches(other)
        return mine is ALL or theirs is ALL or not mine.isdisjoint(theirs)
