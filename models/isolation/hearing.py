"""Isolation and authentication: an event is heard by its audience alone, and spoken by who is logged in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ...fuzzer.core.history import Content, RowKind, usable
from . import violations as v
from .audience import Stranger, may_not_hear, outsider
from .index import HistoryIndex
from .records import Delivery, Event, same_user
from .spans import NEVER
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS",)


def heard_by_strangers(index: HistoryIndex) -> Iterator[Breach]:
    """An event is received only by its audience, and sent to nobody before login, after a refusal, or after log-out."""
    for event in index.events.values():
        said = set()
        for d in event.deliveries:
            why = may_not_hear(event, d.connection, d.sent, at_once=index.policy.logs_out is True)
            if why is None or (why, d.connection.name) in said:
                continue
            if why in ("foreign", "room") and d.received == NEVER:
                continue
            said.add((why, d.connection.name))
            yield Breach(_heard(event, d, why), event.by.began, d.sent, event, event.by, d.connection)


def _heard(event: Event, d: Delivery, why: Stranger) -> v.Violation:
    c, act = d.connection, event.by
    if why == "early":
        when = "while its login was pending, which failed"
        if d.sent < c.login.may_from:
            when = "before it asked to log in"
        elif d.sent > c.failed:
            when = "after its login had failed"
        return v.EarlyDelivery(f"{event.id} was sent to {c.name} {when}", when, rows_of(c.asked, c.failed, d.sent))
    if why == "late":
        order = "emitted before" if act.began < c.login.may_until else "emitted after"
        return v.LateDelivery(
            f"{event.id} was sent to {c.name} after its {c.ended_by} had returned",
            f"after {c.ended_by}, {order}",
            rows_of(act.began, c.login.may_until, d.sent),
        )
    return v.CrossUserLeak(
        f"{event.id} was for {event.audience}, and {c.name} received it, whose login is {c.identity}'s "
        f"(it asked to be {c.user})",
        f"{act.op.called}, {'own token' if c.genuine else 'foreign token'}",
        rows_of(act.began, c.asked, d.received),
    )


@declared(logs_out=False)
def no_log_out(index: HistoryIndex, b: Breach) -> bool:
    """There is no log-out: a socket that stays open stays logged in."""
    if index.policy.logs_out is not False or isinstance(b.violation, v.EarlyDelivery):
        return False
    return b.connection is not None and b.connection.ended_by == "log_out"


def would_be_closed(index: HistoryIndex, b: Breach) -> bool:
    """A manager without a log-out of its own does what it does for a client that is gone, whose socket would be closed:
    what was being sent meanwhile would have come to nothing.
    """
    c, act = b.connection, b.act
    if index.policy.logs_out or index.by_wire or index.target.offers("log_out") or c is None or act is None:
        return False
    late = isinstance(b.violation, v.LateDelivery) and c.ended_by == "log_out"
    return late and act.began < c.login.may_until


def in_its_queue(index: HistoryIndex, b: Breach) -> bool:
    """After the answer to a log-out more may be on its way to that socket, unless the server declares otherwise.

    By the next rest it has come.
    """
    c, act = b.connection, b.act
    if index.policy.logs_out or not index.by_wire or c is None or act is None:
        return False
    ended = c.login.may_until
    late = isinstance(b.violation, v.LateDelivery) and act.began < ended and b.until < index.rest_after(ended)
    return late and any(
        i.op.kind == "log_out" and i.op.connection == c.name and i.ended == ended and not i.indeterminate
        for i in index.invocations.values()
    )


def member_elsewhere(index: HistoryIndex, b: Breach) -> bool:
    """Another connection of that user may have been in the room: where users are members, each of their tabs hears.

    That user is the one whose token it showed, whoever it asked to be.  Where it is declared that tabs are apart, a
    connection is in the rooms that it has joined itself.
    """
    c, event = b.connection, b.event
    if index.policy.tabs_apart or c is None or event is None or not isinstance(b.violation, v.CrossUserLeak):
        return False
    return c.identity is not None and any(
        o.name != c.name and c.identity in o.names and o.may_be_member(room, event.by.began, b.until + 1)
        for o in index.connections.values()
        for room in event.rooms
    )


def overhears(index: HistoryIndex, b: Breach) -> bool:
    """It is declared that this user is sent what others are: a moderator, say, as long as logged in."""
    c = b.connection
    return isinstance(b.violation, v.CrossUserLeak) and c is not None and c.identity in index.policy.overhears


def still_ending(index: HistoryIndex, b: Breach) -> bool:
    """Another operation that ends the same login was under way when this one returned: it ends with the later."""
    c = b.connection
    if not isinstance(b.violation, v.LateDelivery) or c is None:
        return False
    return any(
        i.op.kind in ("clean_up", "sweep", "shut_down")
        and i.began < c.login.may_until
        and i.ended > b.until
        and i.op.user in (None, c.user, c.identity)
        for i in index.invocations.values()
    )


def heard_after_leaving(index: HistoryIndex) -> Iterator[Breach]:
    """Who has left a room is not sent later what was said there before.

    Something may be in a queue still, or on its way to one member after the other: for that there are excuses.
    """
    for event in index.events.values():
        said = set()
        for d in event.deliveries if event.rooms else ():
            c, began = d.connection, event.by.began
            if d.received == NEVER or c.name in said or c.identity in (event.sender, event.to):
                continue
            if may_not_hear(event, c, d.sent):
                continue
            spans = (span for room in event.rooms for span in c.rooms.get(room, ()) if span.may(began, d.sent + 1))
            left = max((span.may_until for span in spans), default=NEVER)
            if left < d.sent and c is not event.emitter:
                said.add(c.name)
                later = f"{_after(index, left, d.sent):g} s later"
                found = v.CrossUserLeak(
                    f"{c.name} left {event.audience}, and {later} was sent {event.id}, which was said there before",
                    f"{event.by.op.called}, had left",
                    rows_of(began, left, d.sent),
                )
                yield Breach(found, left, d.sent, event, event.by, c)


MOVES = frozenset({"connect", "authenticate", "join", "leave"})


def heard_in_two_rooms(index: HistoryIndex) -> Iterator[Breach]:
    """Where nobody is in two rooms (``one_room``), nobody is sent what is said in two of them.

    Both were said after everything had come to rest, and its user went nowhere in between: whichever of the rooms it
    was in, what was said in the other was none of its business.
    """
    for c in index.sessions if index.policy.one_room else ():
        moving = (i for i in index.invocations.values() if i.op.kind in MOVES)
        moves = [i.began for i in moving if same_user(index.names_of(i), c.names)]
        heard = [(event, d) for event in index.events.values() for d in event.deliveries if d.connection is c]
        heard = [(one, d) for one, d in heard if len(one.rooms) == 1 and one.to is None and d.received < NEVER]
        for (one, there), (two, here) in combinations(heard, 2):
            until = max(there.received, here.received)
            last = max((began for began in moves if began < until), default=NEVER)
            began = min(one.by.began, two.by.began)
            if one.rooms != two.rooms and c not in (one.emitter, two.emitter) and index.rest_after(last) <= began:
                found = v.CrossUserLeak(
                    f"{c.name} was sent {one.id} in {one.audience} and {two.id} in {two.audience}, though nobody is in "
                    "two rooms (one_room=)",
                    "in two rooms",
                    rows_of(last, one.by.began, two.by.began, until),
                )
                yield Breach(found, last, until, two, two.by, c)
                break


def other_tab_there(index: HistoryIndex, b: Breach) -> bool:
    """Another connection of that user may have been in one of the rooms, and what a user hears be sent to each.

    Not where it is declared that tabs are apart.
    """
    c = b.connection
    return (
        not index.policy.tabs_apart
        and c is not None
        and any(
            o.name != c.name and o.shares_user(c) and any(o.may_be_member(room, b.since, b.until) for room in o.rooms)
            for o in index.connections.values()
        )
    )


def _after(index: HistoryIndex, since: int, until: int) -> float:
    return usable(index.history, since, until)


@declared(delay=1e9)
def under_way(index: HistoryIndex, b: Breach) -> bool:
    """It takes no longer than somebody may be held up: it was in a queue, or the server was about to send it."""
    return _after(index, b.since, b.until) <= index.policy.holds_up


def in_line(index: HistoryIndex, b: Breach) -> bool:
    """Somebody did not read meanwhile, and members may be sent it one after the other."""
    since = b.act.began if b.act is not None else b.since
    return any(c.stalled(since, b.until) or not index.reads(c, since, b.until) for c in index.connections.values())


def clock_moved(index: HistoryIndex, b: Breach) -> bool:
    """The world let time pass before something that was on its way, which may be what the server waited for."""
    since = b.act.began if b.act is not None else b.since
    return any(since <= row < b.until for row in index.marks.get(RowKind.CLOCK, ()))


def spoken_by_strangers(index: HistoryIndex) -> Iterator[Breach]:
    """What a client says that was refused, has not logged in or has logged out reaches nobody else."""
    for event in index.events.values():
        if event.emitter is None:
            continue
        heard = next((d for d in event.deliveries if d.connection.name != event.emitter.name), None)
        why = outsider(event) if heard is not None else None
        if heard is not None and why is not None:
            found = v.UnauthenticatedEvent(
                f"{event.emitter.name} was {why}, and {event.id}, which it said then, was sent to "
                f"{heard.connection.name}",
                f"{event.by.op.called}, {why}",
                rows_of(event.emitter.asked, event.by.began, heard.sent),
            )
            yield Breach(found, event.by.began, heard.sent, event, event.by, event.emitter)


def frames_addressed(index: HistoryIndex) -> Iterator[Breach]:
    """A frame without an event that names its recipient arrives on nobody else's connection."""
    if not index.by_wire:
        return
    for row, entry in enumerate(index.history):
        if entry.kind != RowKind.RECEIVED:
            continue
        assert isinstance(entry.detail, Content)
        recipient = entry.detail.recipient
        if recipient is not None and not entry.detail.mentions:
            c = index.connections[entry.connection or ""]
            if c.genuine and recipient not in c.names:
                found = v.CrossUserLeak(
                    f"a frame for {recipient} arrived on {c.name}, whose login is {c.identity}'s",
                    "frame of another user",
                    rows_of(c.asked, row),
                )
                yield Breach(found, row, row, connection=c)


def answered(index: HistoryIndex, b: Breach) -> bool:
    """It answers what was said on the same connection to the user whom it names: that nobody is there, say."""
    told, c = index.history[b.until].detail, b.connection
    assert isinstance(told, Content) and c is not None
    return any(
        i.op.connection == c.name and i.op.to == told.recipient and i.began < b.until
        for i in index.invocations.values()
    )


CHECKS = (
    Check(heard_by_strangers, (no_log_out, would_be_closed, in_its_queue, still_ending, member_elsewhere, overhears)),
    Check(heard_after_leaving, (under_way, in_line, clock_moved, member_elsewhere, overhears)),
    Check(heard_in_two_rooms, (other_tab_there, overhears)),
    Check(spoken_by_strangers, (no_log_out,)),
    Check(frames_addressed, (answered, overhears)),
)
