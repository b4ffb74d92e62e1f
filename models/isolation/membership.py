"""Who is in which room: what clients ask for, what they are answered, and what the server says of its own accord.

Where the server chooses the rooms, it says so when it has put a client into one or taken it out.  That happened after
the last moment at which everything was at rest, since what it does then it tells at once; a client that had asked for
a room may have been put into it, and one that did not read may have been taken out, before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...fuzzer.core.history import RowKind
from ...fuzzer.core.program import Operation
from ...fuzzer.targets.templates import names_room
from ...fuzzer.targets.wire import Wire
from .records import Connection, Event, Invocation
from .spans import NEVER, Span

__all__ = ("Expulsions", "answer", "ask", "place", "remove", "settle_rooms")


def ask(c: Connection, room: str, joins: bool, row: int) -> None:
    """A client asks to join a room, or to leave it."""
    spans = c.rooms.setdefault(room, [])
    c.moves.append((row, room, joins))
    if joins:
        spans.append(Span(may_from=row))
    else:
        for span in spans:
            span.ends(row)


def answer(row: int, act: Invocation, c: Connection, in_order: bool, barred: bool) -> None:
    """Take in the end of a joining or leaving: a leave concerns what was joined before it was asked for.

    What was joined since, before the leave was done with, is doubtful where nobody says which came first; frames that
    go ``in_order``, as those of one connection do, say it.  Where the server chooses the room, nothing says it.  Nor
    does anything say that somebody was let in who may be ``barred``.
    """
    joins = act.op.kind == "join"
    for span in _meant(act, c):
        if joins and span.may_from != act.began:
            continue
        if not joins and max(span.may_from, span.sure_from if act.wherever else 0) > act.began:
            if act.wherever or not in_order:
                span.doubt(act.began if act.wherever else row)
            continue
        if act.finished != RowKind.RETURNED or (joins and barred) or (not joins and not act.went_well):
            span.doubt(act.began if joins else row)
        elif joins and act.went_well:
            span.begun(row)
        else:  # refused, or left
            span.ends(row)
            span.ended(row)


def _meant(act: Invocation, c: Connection) -> Iterator[Span]:
    if not act.wherever:
        yield from c.rooms.get(act.op.room or "", ())
    elif act.op.kind == "leave":
        yield from _open_spans(c)


def _open_spans(c: Connection, room: str = "") -> Iterator[Span]:
    """The memberships that may go on, in a room or in all."""
    for name, spans in c.rooms.items():
        if room in ("", name):
            yield from (span for span in spans if span.may_until == NEVER)


def place(row: int, c: Connection, room: str, rested: int, asked: Iterable[Invocation]) -> None:
    """The server says that it has put a client into a room, at the earliest when it was last at rest, or ``asked``."""
    if any(span.sure_from < row for span in _open_spans(c, room) if span.sure_until == NEVER):
        return
    waiting = [act.began for act in asked if act.ended == NEVER or act.indeterminate]
    since = min(max(rested, c.asked), *waiting, row)
    ended = max((span.may_until for span in c.rooms.get(room, ()) if span.may_until < NEVER), default=-1)
    c.rooms.setdefault(room, []).append(Span(may_from=max(since, ended), sure_from=row))
    c.moves.append((row, room, True))


def remove(row: int, c: Connection, room: str, rested: int, others: Iterable[Connection]) -> None:
    """The server says that it has taken a client out of a room, at the earliest when it was last at rest.

    Whether it has taken out the ``others`` of the same user as well, nobody says.
    """
    slow = bool(c.stalls) or c.stalled_since is not None
    for span in _open_spans(c, room):
        if span.sure_from == NEVER:  # asked for and not answered: which came first, nobody says
            span.doubt(max(rested, span.may_from))
            continue
        span.ends(span.may_from if slow else max(rested, span.may_from))
        span.ended(row)
    for other in others:
        for span in _open_spans(other, room):
            span.ends(max(rested, span.may_from))


class Expulsions:
    """Users whom somebody has asked to be taken out of rooms, who may not be let in again."""

    def __init__(self, wire: Wire | None) -> None:
        self._wire = wire
        self._expelled: set[tuple[str | None, str]] = set()
        """(user, room); "" for all rooms"""

    def _room_of(self, op: Operation) -> str:
        """The room that an operation concerns; "" for all, where what it says names none."""
        action = self._wire.actions.get(op.name or "") if self._wire is not None else None
        return op.room or "" if action is None or names_room(action.say) else ""

    def asked(self, row: int, op: Operation, sessions: Iterable[Connection]) -> None:
        """Somebody asks that a user be taken out of a room, or out of all."""
        room = self._room_of(op)
        self._expelled.add((op.to, room))
        for c in sessions:
            if op.to in c.names:
                for span in _open_spans(c, room):
                    span.ends(row)

    def answered(self, row: int, act: Invocation, sessions: Iterable[Connection]) -> None:
        """Take in the end of that: who was a member before it was asked for is none any more, unless it was refused."""
        room, done = self._room_of(act.op), act.went_well and not act.indeterminate
        for c in sessions:
            if act.op.to not in c.names:
                continue
            for span in _open_spans(c, room):
                if done and span.sure_from < act.began:
                    span.ended(row)
                elif not act.said_no or span.may_from > act.began:
                    span.doubt(max(act.began, span.may_from))

    def bar(self, c: Connection, room: str) -> bool:
        """Whether a connection's user has been taken out of a room, and may not be let in again."""
        return any(user in c.names and where in ("", room) for user, where in self._expelled)


def settle_rooms(events: Iterable[Event], sessions: Sequence[Connection]) -> None:
    """Find out which rooms an event may have been for that was for wherever its emitter was by then.

    Whoever went before it was heard may have been put into any room there was, and never have read of it.
    """
    for event in events:
        c, act = event.emitter, event.by
        if not event.wherever or c is None:
            continue
        if c.last < act.ended:
            possible = {room for other in sessions for room in other.rooms}
        else:
            possible = {room for room in c.rooms if c.may_be_member(room, act.began, min(act.ended, c.last))}
        event.rooms = tuple(sorted({*event.rooms, *possible}))
