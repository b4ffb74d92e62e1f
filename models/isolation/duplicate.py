"""No duplicate: what is owed to a connection arrives on it once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...fuzzer.core.history import Content, EventId
from . import violations as v
from .audience import absent
from .index import HistoryIndex
from .records import Connection
from .spans import NEVER
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS", "at_least_once", "quoted")

RETELLS = "; where some frames tell again what has come, or tell it in steps, the wire says which (retells=)"


def duplicates(index: HistoryIndex) -> Iterator[Breach]:
    """An event arrives at most once on each connection."""
    for event in index.events.values():
        if len(event.deliveries) < 2:
            continue
        times = Counter(d.connection.name for d in event.deliveries if d.received != NEVER)
        if max(times.values(), default=0) < 2:
            continue
        for name in index.connections:
            if times[name] > 1:
                got = [d for d in event.deliveries if d.connection.name == name and d.received != NEVER]
                rows = [d.received for d in got]
                c = got[0].connection
                kind = v.OfflineDuplicate if absent(index, event) else v.DuplicateEvent
                message = f"{event.id} arrived {len(rows)} times on {c.name}" + _hint(index)
                found = kind(message, event.path, rows_of(event.by.began, *rows))
                yield Breach(found, rows[0], rows[1], event, event.by, c)


def _hint(index: HistoryIndex) -> str:
    """What to say where a wire does not say that frames may tell of one event more than once."""
    return RETELLS if index.wire is not None and not index.wire.retells else ""


@declared(delivery="at least once")
def at_least_once(index: HistoryIndex, b: Breach) -> bool:
    """What is sent at least once may arrive again."""
    return index.policy.delivery == "at least once"


def quoted(index: HistoryIndex, b: Breach) -> bool:
    """On the connection that said it, an acknowledgement or an error beside the echo is no second delivery."""
    event, c = b.event, b.connection
    if event is None or c is None or event.emitter is None:
        return False
    return c.name == event.emitter.name and event.step < 0


def told_twice_over(index: HistoryIndex, b: Breach) -> bool:
    """Who writes to oneself may be told as the one it is for, and once more as the one who said it."""
    event, c = b.event, b.connection
    if event is None or c is None or event.emitter is None or event.step >= 0:
        return False
    times = sum(d.connection.name == c.name and d.received != NEVER for d in event.deliveries)
    return event.to == event.emitter.identity == c.identity and times == 2


def shown_on_joining(index: HistoryIndex, b: Breach) -> bool:
    """Whoever goes into a room once more is shown once more what had been said there, whether heard by then or not.

    Not by the join that made it a member: what that shows and what comes from then on are to fit together.  Of two that
    it asks for one after the other, the second is once more, whatever came of the first by then.
    """
    event, c = b.event, b.connection
    if event is None or c is None:
        return False
    got = sorted((d.received, d.sent) for d in event.deliveries if d.connection.name == c.name and d.received != NEVER)
    heard = got[0][0]
    again = [
        act.began
        for act in index.invocations.values()
        if act.op.kind == "join" and act.op.connection == c.name and act.op.room in event.rooms
        if heard < act.began
        or c.must_be_member(act.op.room or "", act.began - 1, act.began)
        or c.last_asked_in(act.op.room or "", act.began)
    ]
    for _, sent in got[1:]:
        shown = next((began for began in again if began < sent), None)
        if shown is None:
            return False
        again.remove(shown)
    return True


def told_anew(index: HistoryIndex, b: Breach) -> bool:
    """It came again within the state of things, as it is sent anew whenever something happens.

    Such a frame brings something new together with what is repeated, and with everything of its kind that came in
    between for the same users or rooms: a document's text, the last messages of a room.  Once a connection has seen
    one, others of that kind may bring nothing new.  What is sent twice by mistake comes alone, or with gaps.
    """
    event, c = b.event, b.connection
    if event is None or c is None or event.step >= 0:
        return False
    told = _Told(index, c)
    rows = told.of(event.id)
    return all(told.is_state(row, rows[0]) for row in rows[1:])


def told_otherwise(index: HistoryIndex, b: Breach) -> bool:
    """It came in frames of several kinds, to who had long been there: a message, and a list of the last ones, say.

    Whoever comes in just then has to be shown everything once, in whatever frames.
    """
    event, c = b.event, b.connection
    if event is None or c is None or event.step >= 0 or not c.login.sure_from < event.by.began:
        return False
    if event.rooms and not any(c.must_be_member(room, event.by.began - 1, event.by.began) for room in event.rooms):
        return False
    told = _Told(index, c)
    first: dict[str, int] = {}
    return all(
        first.setdefault(told.kind(row), row) == row or told.is_state(row, first[told.kind(row)])
        for row in told.of(event.id)
    )


class _Told:
    """The frames with events that a connection received, by row and in order: what they are called, what they bring."""

    def __init__(self, index: HistoryIndex, c: Connection) -> None:
        rows = {d.received for e in index.events.values() for d in e.deliveries if d.connection.name == c.name}
        self._events = index.events
        self._frames: dict[int, tuple[str, frozenset[EventId]]] = {}
        self._first_of: dict[str, dict[EventId, int]] = {}
        for row in sorted(rows - {NEVER}):
            content = index.history[row].detail
            assert isinstance(content, Content)
            told = [mention.event for mention in content.mentions]
            self._frames[row] = content.kind, frozenset(told)
            for event in told:
                self._first_of.setdefault(content.kind, {}).setdefault(event, row)
        self._states = {
            kind
            for row, (kind, events) in self._frames.items()
            if any(self._first_of[kind][event] == row for event in events)
            and any((since := self._first_of[kind][event]) < row and self._is_whole(row, since) for event in events)
        }

    def of(self, event: EventId) -> list[int]:
        """The rows of the frames that brought an event."""
        return [row for row, (_, events) in self._frames.items() if event in events]

    def kind(self, row: int) -> str:
        return self._frames[row][0]

    def is_state(self, row: int, since: int) -> bool:
        """Whether a frame tells the state of things, with all that such frames brought since then."""
        return self.kind(row) in self._states and self._is_whole(row, since)

    def _is_whole(self, row: int, since: int) -> bool:
        """Whether nothing is missing in a frame that such frames have brought since a row.

        Of what came with it in that row, the oldest may be: those at one end of what that frame told.
        """
        kind, events = self._frames[row]
        told_of = {self._audience(event) for event in events}
        first = {event: at for event, at in self._first_of[kind].items() if self._audience(event) in told_of}
        if any(since < at < row and event not in events for event, at in first.items()):
            return False
        there = [event in events for event, at in first.items() if at == since]
        return there in (sorted(there), sorted(there, reverse=True))

    def _audience(self, number: EventId) -> tuple[str | None, tuple[str, ...]]:
        event = self._events.get(number)
        return (event.to, event.rooms) if event is not None else (None, ())


CHECKS = (Check(duplicates, (quoted, told_twice_over, shown_on_joining, told_anew, told_otherwise, at_least_once)),)
