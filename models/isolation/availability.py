"""Availability: users within the declared limits are let in, and stay; and the limits are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ...fuzzer.core.history import EventId, Farewell, Refusal, RowKind
from ...fuzzer.targets.policy import Limits
from . import violations as v
from .audience import may_not_hear
from .independence import waits_for_itself
from .index import HistoryIndex
from .limits import (
    came_too_often,
    others_there,
    overtaken,
    overtaken_by_others,
    room_limit,
    room_made_room,
    server_limit,
    server_made_room,
    user_limit,
    user_made_room,
)
from .loss import perhaps_put_out, spoke_beyond_rate
from .records import Connection, Event, Invocation, same_user
from .spans import NEVER
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS",)

ENDS = frozenset({"clean_up", "sweep", "expire"})

SILENT = frozenset({"stall", "unstall"})
"""What a client does without saying anything."""

REFUSALS = frozenset({1002, 1003, 1007, 1008, 1009})
"""Close codes that say that what the client said was refused (RFC 6455, section 7.4.1): protocol error, data of another
kind, data that is inconsistent, against the policy, too big."""

NORMAL = 1000
"""The close code that says that a connection has served its purpose (section 7.4.1)."""

PRIVATE = range(4000, 5000)
"""Close codes that applications agree upon with their clients (section 7.4.2)."""


def refused(index: HistoryIndex) -> Iterator[Breach]:
    """A user with a good token and within the declared limits is let in."""
    if index.shut:
        return
    for act in index.invocations.values():
        if act.op.kind not in ("connect", "authenticate") or act.finished in (None, RowKind.CANCELLED):
            continue
        if act.went_well and not (act.op.kind == "authenticate" and act.detail is None):
            continue
        c = index.session(act)
        if not c.genuine or not index.promised(c) or c.identity in index.expired or c.gone < act.ended:
            continue
        why, failed = act.how, False
        if index.by_wire and c.closed < act.ended:
            why, failed = str(index.history[c.closed].detail), _failed(index, c)
        possible = others_there(index, c, act.began, act.ended, everybody=False)
        limit = index.policy.per_user
        found = v.Refused(
            f"{c.name} of {c.user} was turned away ({why}), with {possible} other connections of that user"
            + (f" and a limit of {limit}" if limit is not None else ""),
            why + (", with nobody else of that user there" if act.hung_up and not possible else ""),
            rows_of(act.began, act.ended),
        )
        yield Breach(found, act.began, act.ended, act=act, connection=c, failed=failed)


def dropped(index: HistoryIndex) -> Iterator[Breach]:
    """A server does not hang up on a client that is logged in, reads, and is within the declared limits.

    Clients with a wire see for themselves when it does.
    """
    if not index.by_wire or index.shut:
        return
    for c in index.sessions:
        if c.closed == NEVER or not c.login.must(c.closed, c.closed) or any(a < c.closed for a, _ in c.lapses):
            continue
        why = str(index.history[c.closed].detail)
        leavers = [o.name for o in index.connections.values() if o is not c and o.last < c.closed]
        found = v.Dropped(
            f"the server hung up on {c.name} of {c.user}, which had done nothing wrong ({why})"
            + (f"; {leavers[-1]} had left before" if leavers else ""),
            why,
            rows_of(c.login.sure_from, c.closed),
        )
        yield Breach(found, c.asked, c.closed, connection=c, failed=_failed(index, c))


def _failed(index: HistoryIndex, c: Connection) -> bool:
    why = index.history[c.closed].detail
    return isinstance(why, Farewell | Refusal) and why.failed


def over_limit(index: HistoryIndex) -> Iterator[Breach]:
    """At rest no user has more connections than are declared: beyond that, a newcomer or an older one is turned away.

    Whoever may have been given up, whatever its socket says, does not count.  `Limits` only ever said how many a user
    may always have, and not that there are no more.
    """
    most, limits = index.policy.per_user, index.target.traits.limits
    at_least = isinstance(limits, Limits) and limits.connections_per_user is not None
    if most is None or at_least or index.shut or index.misidentified:
        return
    reported: set[str] = set()
    for row in index.rests:
        there: dict[str, list[Connection]] = defaultdict(list)
        for c in index.connections.values():
            given_up = any(since < row for since, _ in c.lapses) or index.missed_beat(c, row)
            if c.genuine and not given_up and index.surely_up(c, row, row):
                there[c.user].append(c)
        for user, theirs in there.items():
            if len(theirs) > most and user not in reported:
                reported.add(user)
                *_, before, last = sorted(theirs, key=lambda c: c.login.sure_from)
                found = v.OverLimit(
                    f"{user} has {len(theirs)} connections at rest, though {most} "
                    f"{'is' if most == 1 else 'are'} allowed (per_user={most})",
                    "logged in at once" if last.asked < before.login.sure_from else "logged in one after the other",
                    rows_of(*(c.login.sure_from for c in theirs), row),
                )
                yield Breach(found, row, row, connection=last)


def logged_out_elsewhere(index: HistoryIndex, b: Breach) -> bool:
    """Its user logged out on another connection, and it was there then, or coming: a log-out may end them all.

    So may an action of the target's own that tells nobody anything, as long as the server does not say that it failed.
    """
    c = b.connection
    return c is not None and any(
        (i.op.kind == "log_out" or _perhaps_logs_out(index, i, b))
        and i.op.connection != c.name
        and same_user(index.names_of(i), c.names)
        and i.began < b.until <= index.rest_after(i.ended)
        and i.ended > c.asked
        for i in index.invocations.values()
    )


def _perhaps_logs_out(index: HistoryIndex, act: Invocation, b: Breach) -> bool:
    own = index.own(act)
    return own is not None and own.opaque and not own.about and not b.failed


@declared(rate=(1, 1e9))
def flooded_with(index: HistoryIndex, b: Breach) -> bool:
    """Its user may have said more than is allowed within the time: who floods may be hung up on."""
    c = b.connection
    return c is not None and spoke_beyond_rate(index, c.names, b.until, index.history[b.until].time)


@declared(backlog=1)
def left_so_many(index: HistoryIndex, b: Breach) -> bool:
    """More frames than are kept may have lain before a connection at a moment: who sends may close it for that."""
    most, c = index.policy.backlog, b.connection
    if most is None or c is None or c.closed > b.until or isinstance(index.history[c.closed].detail, Refusal):
        return False
    events = [event for event in index.events.values() if event.by.began < b.until]
    moments = [event.by.began for event in events if index.rest_after(event.by.began) >= b.until]
    return any(sum(_may_lie(index, event, c, moment) for event in events) > most for moment in (*moments, b.until))


def _may_lie(index: HistoryIndex, event: Event, c: Connection, moment: int) -> bool:
    """Whether a frame with an event may be before a connection that reads: until everything has come to rest."""
    kept = index.policy.kept != "no"
    if not (kept or c.asked < event.by.ended) or event.by.began > moment:
        return False
    comes = max(event.by.ended, c.asked) if kept else event.by.ended
    return (
        moment <= index.rest_after(comes)
        and may_not_hear(event, c, moment) is None
        and not any(d.connection.name == c.name and d.received <= moment for d in event.deliveries)
    )


def out_of_its_rooms(index: HistoryIndex, b: Breach) -> bool:
    """It had just been told that it is in none of its rooms any more: whose room is over may be hung up on with it."""
    c, history = b.connection, index.history
    told = (row for row in index.marks.get(RowKind.REMOVED, ()) if row < b.until <= index.rest_after(row))
    if c is None or all(history[row].connection != c.name for row in told):
        return False
    return not any(c.must_be_member(room, b.until, b.until) for room in c.rooms)


def login_cancelled(index: HistoryIndex, b: Breach) -> bool:
    """A login of the same user had been cancelled, perhaps while it put another connection out."""
    c = b.connection
    return c is not None and any(
        act.cancelled and act.began < b.until and same_user(index.names_of(act), c.names)
        for act in index.invocations.values()
        if act.op.kind in ("connect", "authenticate")
    )


def ended_by_server(index: HistoryIndex, b: Breach) -> bool:
    """A clean-up, sweep or expiry was under way."""
    return index.between(ENDS, b.since, b.until)


def did_not_read(index: HistoryIndex, b: Breach) -> bool:
    """A client that does not read may be given up."""
    return b.connection is not None and b.connection.stalled(0, b.until)


@declared(session=1.0)
def session_over(index: HistoryIndex, b: Breach) -> bool:
    """The session had lasted as long as sessions last."""
    most, history, c = index.policy.session, index.history, b.connection
    return most is not None and c is not None and round(history[b.until].time - c.came_at, 3) >= most


def _came_in(index: HistoryIndex, act: Invocation) -> int:
    """The row by which what a client said has come in: it was answered, or everything had come to rest."""
    rest = index.rest_after(act.began)
    return rest if act.indeterminate else min(act.ended, rest)


def _silence(index: HistoryIndex, b: Breach, *, surely_heard: bool = False) -> float:
    """For how long the breach's client had said nothing, besides what it was refused.

    With ``surely_heard``, or nothing that is known to have come in: what is under way has not.
    """
    c = b.connection
    assert c is not None
    said = (i for i in index.invocations.values() if i.op.connection == c.name and i is not b.act)
    spoke = [i.began for i in said if i.began < b.until and (not surely_heard or _came_in(index, i) <= b.until)]
    return round(index.history[b.until].time - index.history[max([c.asked, *spoke])].time, 3)


@declared(idle=1.0)
def silent(index: HistoryIndex, b: Breach) -> bool:
    """It had said nothing for as long as a client may be silent, as far as the server is known to have heard."""
    return index.policy.idle is not None and _silence(index, b, surely_heard=True) >= index.policy.idle


def quiet_for_long(index: HistoryIndex, b: Breach) -> bool:
    """Nothing had been heard of it for longer than the delay: a heartbeat may have been missed.

    Not where clients answer heartbeats: they do so at once, so that a client that reads has missed none.
    """
    answers = index.wire is not None and index.wire.answers_heartbeats
    return not answers and _silence(index, b) > index.policy.delay


def action_refused(index: HistoryIndex, b: Breach) -> bool:
    """An action of the target's own is answered by hanging up, with a close code that says that it was refused."""
    why = _code(index, b)
    return (why in REFUSALS or why in PRIVATE) and any(act.op.kind == "act" for act in _answered_by_it(index, b))


def out_of_place(index: HistoryIndex, b: Breach) -> bool:
    """Who joins a room once more, or leaves or speaks in one that it has not joined, may be hung up on.

    Protocols say so: a subscription's id is not to be used twice (graphql-transport-ws: 4409; STOMP 1.2: an error, and
    the connection is closed, which any code may say that does not speak of a fault).
    """
    why, c = _code(index, b), b.connection
    if c is None or not (why == NORMAL or why in REFUSALS or why in PRIVATE):
        return False
    return any(_out_of_place(index, c, act) for act in _answered_by_it(index, b))


def _out_of_place(index: HistoryIndex, c: Connection, act: Invocation) -> bool:
    room = act.op.room or ""
    match act.op.kind:
        case "join":
            return c.last_asked_in(room, act.began)
        case "leave":
            return not c.has_joined(room, act.began)
        case "emit_to_room":
            rooms = index.events[EventId(act.number)].rooms
            return bool(rooms) and not any(c.has_joined(one, act.began) for one in rooms)
    return False


def _code(index: HistoryIndex, b: Breach) -> int | None:
    why = index.history[b.until].detail
    return why.code if isinstance(why, Farewell) else None


def _answered_by_it(index: HistoryIndex, b: Breach) -> Iterator[Invocation]:
    """What the breach's client had said that hanging up may answer.

    It was the last that the client had said, or was still under way, and nothing had come to rest since.
    """
    said = [
        i
        for i in index.invocations.values()
        if b.connection is not None
        and i.op.connection == b.connection.name
        and i.began < b.until
        and i.op.kind not in SILENT
    ]
    last = max((i.began for i in said), default=NEVER)
    return (i for i in said if index.rest_after(i.began) > b.until and (i.began == last or i.ended > b.until))


def machine_busy(index: HistoryIndex, b: Breach) -> bool:
    """The machine had no time for the target for a while: a time-out of the target's is not the target's fault."""
    return any(b.since <= row < b.until for row in index.marks.get(RowKind.BUSY, ()))


CHECKS = (
    Check(
        refused,
        (
            user_limit,
            server_limit,
            room_limit,
            overtaken,
            overtaken_by_others,
            came_too_often,
            logged_out_elsewhere,
            perhaps_put_out,
            ended_by_server,
            left_so_many,
            did_not_read,
            session_over,
            silent,
            machine_busy,
            waits_for_itself,
        ),
    ),
    Check(
        dropped,
        (
            user_made_room,
            server_made_room,
            room_made_room,
            came_too_often,
            logged_out_elsewhere,
            perhaps_put_out,
            out_of_its_rooms,
            flooded_with,
            left_so_many,
            did_not_read,
            session_over,
            silent,
            quiet_for_long,
            action_refused,
            out_of_place,
            machine_busy,
            waits_for_itself,
        ),
    ),
    Check(over_limit, (login_cancelled,)),
)
