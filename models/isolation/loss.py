"""No loss: what must arrive does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...fuzzer.core.history import Content, RowKind
from ...fuzzer.core.program import EMITS
from ...fuzzer.targets.own import Own
from ...fuzzer.targets.templates import mentions
from . import violations as v
from .audience import must_hear, surely_in
from .index import HistoryIndex
from .records import Connection, Event, Invocation, same_user
from .spans import NEVER
from .verdicts import Breach, Check, declared, rows_of

__all__ = (
    "CHECKS",
    "DONE",
    "EXCUSES",
    "at_most_once",
    "beyond_rate",
    "cancelled",
    "emitter_perhaps_out",
    "missed_beat",
    "perhaps_put_out",
    "perhaps_unheard",
    "refused_honestly",
    "room_crowded",
    "spoke_beyond_rate",
    "what_is_lost",
)

DONE = (RowKind.RETURNED, RowKind.RAISED)

ROOMS = "; where only a room's members hear it, the wire says which rooms there are (rooms=)"
"""Said of what was for everybody and reached some."""


def loss(index: HistoryIndex) -> Iterator[Breach]:
    """An event arrives on every connection that must hear it, by the first rest after its emit ended."""
    for event in index.events.values():
        act = event.by
        rest = index.rest_after(act.ended)
        if act.finished not in DONE:
            continue
        got = {d.connection.name for d in event.deliveries if d.received != NEVER}
        for c in must_hear(index, event, act.began, rest):
            if c.name not in got:
                yield Breach(what_is_lost(index, event, c, bool(got)), act.began, rest, event, act, c)


def what_is_lost(index: HistoryIndex, event: Event, c: Connection, others: bool) -> v.Violation:
    act, served = event.by, "another connection got it" if others else "nobody got it"
    evidence = rows_of(c.login.sure_from, act.began, act.ended)
    instead = index.instead.get((act.number, c.name), [])
    if act.op.kind == "run_agent":
        message = f"{event.id} never arrived on {c.name} of {c.identity}; {act.how}, {served}"
        return v.BrokenRun(message, f"missing, {act.how}", evidence)
    if instead and all(d.connection is not c for d in event.deliveries):
        message = f"instead of {event.id}, {c.name} received {index.history[instead[0]].detail}; {act.how}"
        return v.ReplacedEvent(message, f"{act.op.kind}, {act.how}", rows_of(*evidence, instead[0]))
    elsewhere = any(d.connection is not c for d in event.deliveries) or any(
        number == act.number and name != c.name for number, name in index.instead
    )
    kind = served if others or not elsewhere else "another connection was sent something"
    return v.LostEvent(
        f"{event.id} never arrived on {c.name} of {c.identity}, which was up all the time; {act.how}, {served}"
        + (ROOMS if others and index.by_wire and act.op.kind == "broadcast" else "")
        + ("" if others else _answered(index, event)),
        f"{event.path}, {act.how}, {kind}{c.given_up(act.began)}",
        evidence,
    )


def _answered(index: HistoryIndex, event: Event) -> str:
    """What to say where the speaker was sent something else, and the wire does not say how the server turns it down."""
    act, emitter = event.by, event.emitter
    if emitter is None or not act.indeterminate or index.wire is None or index.wire.rejects:
        return ""
    for row in index.history[act.began : index.rest_after(act.began)]:
        answer = row.detail if row.kind == RowKind.SENT and row.connection == emitter.name else None
        if isinstance(answer, Content) and not answer.mentions:
            refused = "where that refuses it, say so (rejected=, may_refuse=True)"
            return f"; {emitter.name} was sent {answer} meanwhile: {refused}"
    return ""


def cancelled(index: HistoryIndex, b: Breach) -> bool:
    """The operation was cancelled: its outcome is indeterminate."""
    return b.act is not None and b.act.cancelled


def missed_beat(index: HistoryIndex, b: Breach) -> bool:
    """A heartbeat of the connection's, or its answer, was on its way for too long: it may have been given up."""
    return b.connection is not None and index.missed_beat(b.connection, b.until)


def emitter_perhaps_out(index: HistoryIndex, b: Breach) -> bool:
    """Whoever is not surely logged in need not be heard."""
    return b.event is not None and not surely_in(index, b.event)


def emitter_perhaps_no_member(index: HistoryIndex, b: Breach) -> bool:
    """Who speaks in a room over a connection that is not surely a member need not be heard there."""
    event = b.event
    if event is None or event.emitter is None or not event.rooms:
        return False
    began, ended, emitter = event.by.began, event.by.ended, event.emitter
    if emitter.unconfirmed:  # a server reads in order: the joining, the leaving, then the event
        return not any(emitter.has_joined(room, began) for room in event.rooms)
    return not any(emitter.must_be_member(room, began, min(ended, emitter.gone)) for room in event.rooms)


def perhaps_unheard(index: HistoryIndex, b: Breach) -> bool:
    """A client that went may have taken its words with it: nobody has confirmed them, and nobody was sent them.

    Or an operation over its connection failed because of that.  Where the target declares that it hears clients out
    (``hears_out``), one that took a proper leave took nothing with it.
    """
    event, act = b.event, b.act
    if event is None or act is None or event.emitter is None:
        return False
    if act.finished == RowKind.RAISED:
        return event.emitter.last < act.ended
    if not act.indeterminate or (index.policy.hears_out and event.emitter.ended_by == "disconnect"):
        return False
    if event.emitter.ended_by == "abort" and event.emitter.login.sure_until < act.ended:
        return True
    sent = event.deliveries or any(number == act.number for number, _ in index.instead)
    return event.emitter.last <= b.until and not sent


def _asked(index: HistoryIndex, act: Invocation) -> bool:
    """Whether what it makes is for nobody but the one who asked for it: an agent's run, or an answer."""
    own = index.own(act)
    return act.op.kind == "run_agent" or (own is not None and own.audience in ("own", "sender"))


def perhaps_ended(index: HistoryIndex, b: Breach) -> bool:
    """An action that makes nothing itself came in meanwhile: it may have ended what its user had asked for, or said."""
    act = b.act
    if act is None:
        return False
    asked = _asked(index, act)
    return any(
        (asked and own.by == "server") or same_user(index.names_of(i), index.names_of(act))
        for i, own in _opaque(index, act.began, b.until)
    )


def _opaque(index: HistoryIndex, since: int, until: int) -> Iterator[tuple[Invocation, Own]]:
    """The operations of the target's own that make nothing themselves and were under way between two rows."""
    for act in index.invocations.values():
        own = index.own(act)
        if own is not None and own.opaque and act.began < until and act.ended > since:
            yield act, own


def perhaps_undone(index: HistoryIndex, b: Breach) -> bool:
    """Somebody who may be in the room did what tells nobody anything meanwhile: it may take back what was said there.

    So may anybody what is for everybody: a board is cleared before it was sent to all.  Not once it had been sent to
    somebody, and everything had come to rest.
    """
    event, act = b.event, b.act
    if event is None or act is None or event.to is not None:
        return False
    sent = min((d.sent for d in event.deliveries if d.connection is not event.emitter), default=NEVER)
    until = b.until if sent == NEVER else min(b.until, index.rest_after(sent))
    return any(
        not own.about and (not event.rooms or any(_perhaps_in(index, i, room, b) for room in event.rooms))
        for i, own in _opaque(index, act.began, until)
    )


def _perhaps_in(index: HistoryIndex, act: Invocation, room: str, b: Breach) -> bool:
    """Whether who did something may be a member; of a manager's backend nobody can say."""
    c = index.connections.get(act.op.connection or "")
    return c is None or c.may_be_member(room, b.since, b.until)


def own_tab_left_out(index: HistoryIndex, b: Breach) -> bool:
    """What a client says to all or in a room need not go to its own user, unless this server is seen to send it there.

    Many tell *the others*, and go by users rather than connections.
    """
    event, c = b.event, b.connection
    if event is None or c is None or event.emitter is None or event.to is not None or c.identity != event.sender:
        return False
    return not any(
        other.emitter is not None and d.connection.name != other.emitter.name and d.connection.identity == other.sender
        for other in index.events.values()
        if other.path == event.path
        for d in other.deliveries
    )


def perhaps_put_out(index: HistoryIndex, b: Breach) -> bool:
    """An action that carries no event named the hearer or the speaker: it may put one out, or keep them apart.

    Of one that takes somebody out of a room it is known what that does to events.
    """
    emitter = b.event.emitter if b.event is not None else None
    parties = {name for c in (b.connection, emitter) if c is not None for name in c.names if name is not None}
    return any(
        own is not None
        and own.opaque
        and i.began < b.until
        and not (b.event is not None and own.removes)
        and _concerns(index, i, own, parties)
        for i in index.invocations.values()
        for own in (index.own(i),)
    )


def _concerns(index: HistoryIndex, act: Invocation, own: Own, users: set[str]) -> bool:
    """Whether an operation of the target's own names one of these users: as whom it is about, or in what it says."""
    if own.about:
        return act.op.to in users
    if index.wire is None:
        return False
    say, called = index.wire.actions[own.name].say, index.wire.called
    return any(mentions(say, called(user)) for user in users.intersection(index.program.users))


def perhaps_busy(index: HistoryIndex, b: Breach) -> bool:
    """The same client asked for more at once, and got no answer: one may be refused, or take another's place."""
    act = b.act
    if act is None or act.op.kind != "act" or not act.indeterminate or not _asked(index, act):
        return False
    return any(
        i is not act
        and i.op.connection == act.op.connection
        and _asked(index, i)
        and i.began < b.until
        and index.rest_after(i.began) > act.began
        for i in index.invocations.values()
    )


@declared(may_refuse=True)
def refused_honestly(index: HistoryIndex, b: Breach) -> bool:
    """The emit returned False, and False says that it was refused: declared of all, or of this one operation."""
    if b.act is None or not b.act.said_no:
        return False
    own = index.own(b.act)
    return index.policy.may_refuse or (own is not None and own.returns == "accepted")


@declared(rate=(1, 1e9))
def beyond_rate(index: HistoryIndex, b: Breach) -> bool:
    """The same user may have emitted as much as is allowed within the time."""
    act = b.act
    return act is not None and spoke_beyond_rate(index, index.names_of(act), act.ended, act.began_at)


def spoke_beyond_rate(index: HistoryIndex, names: tuple[str | None, ...], until: int, at: float) -> bool:
    """Whether a user may have emitted more than is allowed within the time that ended with a row, or a moment."""
    if index.policy.rate is None:
        return False
    most, seconds = index.policy.rate
    said = sum(
        5 if i.op.kind == "run_agent" else 1
        for i in index.invocations.values()
        if i.op.kind in EMITS
        and i.began < until
        and (i.ended == NEVER or i.ended_at >= at - seconds)
        and same_user(index.names_of(i), names)
    )
    return said > most


@declared(backlog=1)
def beyond_backlog(index: HistoryIndex, b: Breach) -> bool:
    """So many frames may have lain before the connection that it need not be sent another."""
    if index.policy.backlog is None or b.connection is None:
        return False
    may_wait = sum(
        other is not b.event
        and other.by.began < b.until
        and any(d.connection.name == b.connection.name and d.received > b.since for d in other.deliveries)
        for other in index.events.values()
    )
    return may_wait >= index.policy.backlog


def room_crowded(index: HistoryIndex, b: Breach) -> bool:
    """A room that the connection is in, or asks for, may have had as many other members as there may be."""
    most, c = index.policy.per_room, b.connection
    if most is None or c is None:
        return False
    rooms = c.rooms if b.event is None else b.event.rooms
    return any(
        len({o.name for o in index.sessions if o.may_be_member(room, b.since, b.until)} - {c.name}) >= most
        for room in rooms
    )


@declared(per_room=1)
def room_full(index: HistoryIndex, b: Breach) -> bool:
    """The room may have been full: a newcomer is not let in then, or an older member is put out."""
    return b.event is not None and room_crowded(index, b)


@declared(one_room=True)
def moved_on(index: HistoryIndex, b: Breach) -> bool:
    """Who joins a room leaves the one before: the hearer or the speaker may have been in another room by then."""
    event = b.event
    if not index.policy.one_room or event is None:
        return False
    return any(c is not None and _perhaps_elsewhere(c, event.rooms, b) for c in (b.connection, event.emitter))


def user_left(index: HistoryIndex, b: Breach) -> bool:
    """Another connection of the hearer's or the speaker's user has left the room: where users are members, both have.

    Who goes into another leaves it too, where one is in one room at a time.  Where it is declared that tabs are apart,
    a connection is in the rooms that it has joined itself.
    """
    event = b.event
    if index.policy.tabs_apart or event is None or not event.rooms:
        return False
    return any(c is not None and _perhaps_left(index, c, event.rooms, b) for c in (b.connection, event.emitter))


def _perhaps_left(index: HistoryIndex, c: Connection, rooms: tuple[str, ...], b: Breach) -> bool:
    """Whether another connection of the same user may have left the rooms after any of them has surely joined them."""
    tabs = [o for o in index.sessions if o.shares_user(c)]
    last = _last_joined(tabs, rooms, b.since)
    others = {o.name for o in tabs} - {c.name}
    away = ("leave", "join") if index.policy.one_room else ("leave",)
    return any(
        i.op.kind in away
        and (i.op.room in rooms) == (i.op.kind == "leave")
        and i.op.connection in others
        and i.began < b.until
        and i.ended > last
        for i in index.invocations.values()
    )


def _last_joined(connections: Iterable[Connection], rooms: tuple[str, ...], before: int) -> int:
    """Since when at least one of the connections surely was in one of the rooms, the last time before a row; or -1."""
    spans = (span for c in connections for room in rooms for span in c.rooms.get(room, ()))
    return max((span.may_from for span in spans if span.sure_from < before), default=-1)


def _perhaps_elsewhere(c: Connection, rooms: tuple[str, ...], b: Breach) -> bool:
    """Whether a connection may have joined another room after the last time it surely joined one of these."""
    last = _last_joined((c,), rooms, b.since)
    others = (span for room, spans in c.rooms.items() if room not in rooms for span in spans)
    return any(span.may_from < b.until and min(span.sure_from, span.may_until) > last for span in others)


@declared(one_tab=True)
def newer_tab(index: HistoryIndex, b: Breach) -> bool:
    """One connection of a user hears what is for that user, and there has been one that may be newer."""
    c = b.connection
    if not index.policy.one_tab or c is None:
        return False
    return any(
        o.name != c.name and o.shares_user(c) and o.asked < b.until and _perhaps_newer(o, c) for o in index.sessions
    )


def _perhaps_newer(o: Connection, c: Connection) -> bool:
    """Whether a connection has come after another, or while that one came: the server may have seen it last."""
    meanwhile = o.asked < c.login.sure_from and c.asked < o.login.sure_from and c.asked < o.login.may_until
    return c.asked < o.asked or meanwhile


def another_tab(index: HistoryIndex, b: Breach) -> bool:
    """One connection of a user hears what is for that user, and another was sent it, which may have gone by then."""
    c, event = b.connection, b.event
    if not index.policy.one_tab or c is None or event is None:
        return False
    return event.turned_away or any(
        d.connection.name != c.name and d.connection.shares_user(c) for d in event.deliveries
    )


@declared(one_member=True)
def another_member(index: HistoryIndex, b: Breach) -> bool:
    """One of a room's members is given what is said there, and another was sent it, which may have gone by then."""
    event = b.event
    if not index.policy.one_member or event is None or not event.rooms:
        return False
    return event.turned_away or any(d.connection is not event.emitter for d in event.deliveries)


@declared(delivery="at most once")
def at_most_once(index: HistoryIndex, b: Breach) -> bool:
    """What is sent at most once may be lost."""
    return index.policy.delivery == "at most once"


@declared(slow="forgotten")
def forgotten(index: HistoryIndex, b: Breach) -> bool:
    """A client that once did not read was given up, though its socket is open."""
    slow = b.connection is not None and any(since < b.until for since, _ in b.connection.lapses)
    return index.policy.slow == "forgotten" and slow


EXCUSES = (
    cancelled,
    missed_beat,
    emitter_perhaps_out,
    emitter_perhaps_no_member,
    perhaps_unheard,
    perhaps_ended,
    perhaps_undone,
    perhaps_put_out,
    own_tab_left_out,
    perhaps_busy,
    refused_honestly,
    beyond_rate,
    beyond_backlog,
    room_full,
    moved_on,
    user_left,
    newer_tab,
    another_tab,
    another_member,
    at_most_once,
    forgotten,
)
"""For which an event that never arrived was not lost."""

CHECKS = (Check(loss, EXCUSES),)
