"""Isolation: what a frame says of an event, beside its id, belongs to that event."""

from __future__ import annotations

from collections.abc import Iterator

from . import violations as v
from .index import HistoryIndex
from .records import Delivery
from .spans import NEVER
from .verdicts import Breach, Check, rows_of

__all__ = ("CHECKS",)


def mixed_up(index: HistoryIndex) -> Iterator[Breach]:
    """Sender, recipient, room, run and text in a frame are those of the event in it.

    What a field holds is judged only where it is somebody else's: another user of the program, another event's room,
    run or text.  A server has words of its own.
    """
    known: _Known | None = None
    for event in index.events.values():
        for d in event.deliveries:
            if d.received == NEVER or _says_nothing_else(d):
                continue
            if known is None:
                known = _Known(index)
            wrong = known.wrong(d)
            if wrong is not None:
                name, says = wrong
                found = v.MixedUp(
                    f"{event.id} arrived on {d.connection.name} with {says!r} as its {name}, which is another's",
                    f"{event.by.op.called}, {name}",
                    rows_of(event.by.began, d.received),
                )
                yield Breach(found, event.by.began, d.received, event, event.by, d.connection)


def _says_nothing_else(d: Delivery) -> bool:
    """Whether what the frame says of the event, if anything, is so; the common case, told at little cost."""
    event = d.event
    _, sender, recipient, room, run, text = d.says
    return (
        (sender is None or sender == event.by.op.user)
        and (recipient is None or recipient == event.to)
        and room is None
        and (run is None) == (not event.id.step)
        and (text is None or text == event.text)
        and (run is None or run == f"r{event.id.number}")
    )


class _Known:
    """What users, rooms, runs and texts there are in a program: what could be mixed up."""

    def __init__(self, index: HistoryIndex) -> None:
        self.by_wire = index.by_wire
        self.users = frozenset(index.program.users)
        self.rooms = frozenset(room for event in index.events.values() for room in event.rooms)
        self.runs = frozenset(f"r{event.id.number}" for event in index.events.values() if event.id.step)
        self.texts = frozenset(event.text for event in index.events.values())

    def wrong(self, d: Delivery) -> tuple[str, str] | None:
        """A field of a delivery that holds what is another's, and what it holds."""
        event, says, c = d.event, d.says, d.connection
        parties = c.names if self.by_wire else ()
        senders = (event.sender, event.by.op.user, *((event.to, *parties) if self.by_wire else ()))
        recipients = (event.to, *c.names, *((event.sender, event.by.op.user) if self.by_wire else ()))
        if says.sender in self.users and says.sender not in senders:
            return "sender", str(says.sender)
        if says.recipient in self.users and says.recipient not in recipients:
            return "recipient", str(says.recipient)
        if event.rooms and says.room in self.rooms and says.room not in event.rooms:
            return "room", str(says.room)
        if says.run in self.runs and says.run != (f"r{event.id.number}" if event.id.step else None):
            return "run", str(says.run)
        if says.text in self.texts and says.text != event.text:
            return "text", str(says.text)
        return None


CHECKS = (Check(mixed_up),)
