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
                message = f"{event.id} arrived {len(rows)} times on {c.name}"
                found = kind(message, event.path, rows_of(event.by.began, *rows))
                yield Breach(found, rows[0], rows[1], event, event.by, c)


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

    Not by the join that made it a member: what that shows and what comes from then on are to fit together.
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
        if heard < act.began or c.must_be_member(act.op.room or "", act.began - 1, act.began)
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
    between: a document's text, the last messages of a room.  Once a connection has seen one, others of that kind may
    bring nothing new.  What is sent twice by mistake comes alone, or with gaps.
    """
    event, c = b.event, b.connection
    if event is None or c is None or event.step >= 0:
        return False
    frames = _frames(index, c)
    first: dict[EventId, int] = {}
    first_of: dict[str, dict[EventId, int]] = {}
    for row, (kind, events) in frames.items():
        for said in events:
            first.setdefault(said, row)
            first_of.setdefault(kind, {}).setdefault(said, row)

    def whole(row: int, since: int) -> bool:
        kind, events = frames[row]
        return all(said in events for said, at in first_of[kind].items() if since <= at < row)

    stateful = {
        kind
        for row, (kind, events) in frames.items()
        if any(first[said] == row for said in events)
        and any(first[said] < row and whole(row, first[said]) for said in events)
    }
    again = [row for row, (_, events) in frames.items() if event.id in events and row != first[event.id]]
    return all(frames[row][0] in stateful and whole(row, first[event.id]) for row in again)


def _frames(index: HistoryIndex, c: Connection) -> dict[int, tuple[str, frozenset[EventId]]]:
    """Row -> what a frame that a connection received is called, and the events that it brought; in order."""
    rows = sorted({d.received for e in index.events.values() for d in e.deliveries if d.connection.name == c.name})
    frames = {}
    for row in rows:
        content = index.history[row].detail if row != NEVER else None
        if isinstance(content, Content):
            frames[row] = content.kind, frozenset(mention.event for mention in content.mentions)
    return frames


CHECKS = (Check(duplicates, (quoted, told_twice_over, shown_on_joining, told_anew, at_least_once)),)
