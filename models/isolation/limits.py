"""Limits on connections: who is turned away, or closed for a newcomer, as there may have been as many as are served."""

from __future__ import annotations

from ...fuzzer.core.history import usable
from .index import HistoryIndex
from .loss import room_crowded
from .records import Connection
from .spans import NEVER
from .verdicts import Breach, declared

__all__ = (
    "came_too_often",
    "others_there",
    "overtaken",
    "overtaken_by_others",
    "room_limit",
    "room_made_room",
    "server_limit",
    "server_made_room",
    "user_limit",
    "user_made_room",
    "waited_for_a_place",
)


def others_there(index: HistoryIndex, c: Connection, since: int, until: int, everybody: bool) -> int:
    """How many other connections may have counted at some moment between two rows."""
    others = {
        o.name
        for o in index.sessions
        if (everybody or o.shares_user(c)) and o.asked < until and _counts_until(index, o) > since
    }
    return len(others - {c.name})


def _counts_until(index: HistoryIndex, c: Connection) -> int:
    """The row after which a connection certainly takes up no place any more.

    What a client sees of the end, by its wire, comes before the server has put things away; by the next rest it has.
    """
    end = min(c.login.may_until, c.closed)
    return index.rest_after(end) if index.by_wire else end


def _crowded(index: HistoryIndex, b: Breach, most: int | None, everybody: bool, c: Connection | None = None) -> bool:
    """Whether there may have been so many others, also ones that came and went before this one was told.

    Others than the breach's connection, unless it is about another, ``c``.
    """
    c = c or b.connection
    return most is not None and c is not None and others_there(index, c, b.since, b.until, everybody) >= most


@declared(per_user=1, at_limit="refuse")
def user_limit(index: HistoryIndex, b: Breach) -> bool:
    """The user may have had as many connections as are served, and a newcomer is refused then."""
    return index.policy.may_refuse_newcomers and _crowded(index, b, index.policy.per_user, False)


@declared(connections=1, at_limit="refuse")
def server_limit(index: HistoryIndex, b: Breach) -> bool:
    """There may have been as many connections in all, and a newcomer is refused then."""
    return index.policy.may_refuse_newcomers and _crowded(index, b, index.policy.connections, True)


@declared(per_room=1, at_limit="refuse")
def room_limit(index: HistoryIndex, b: Breach) -> bool:
    """The room that is entered on connecting may have been full, and a newcomer is refused then."""
    return index.policy.may_refuse_newcomers and room_crowded(index, b)


@declared(per_user=1, at_limit="close")
def user_made_room(index: HistoryIndex, b: Breach) -> bool:
    """It may have been closed for a newcomer of the same user."""
    return _made_room(index, b, index.policy.per_user, False)


@declared(connections=1, at_limit="close")
def server_made_room(index: HistoryIndex, b: Breach) -> bool:
    """It may have been closed for a newcomer."""
    return _made_room(index, b, index.policy.connections, True)


@declared(per_room=1, at_limit="close")
def room_made_room(index: HistoryIndex, b: Breach) -> bool:
    """It may have been closed for a newcomer in its room."""
    return index.policy.may_close_older and room_crowded(index, b)


@declared(per_user=1, at_limit="close")
def overtaken(index: HistoryIndex, b: Breach) -> bool:
    """Another of the same user asked to be let in meanwhile: of the two, either may be the newcomer."""
    return index.policy.may_close_older and _overtaken(index, b, index.policy.per_user, False)


@declared(connections=1, at_limit="close")
def overtaken_by_others(index: HistoryIndex, b: Breach) -> bool:
    """Another asked to be let in meanwhile: of the two, either may be the newcomer."""
    return index.policy.may_close_older and _overtaken(index, b, index.policy.connections, True)


def _overtaken(index: HistoryIndex, b: Breach, most: int | None, everybody: bool) -> bool:
    """Whether there may have been so many others, one of them let in after the breach's connection had asked."""
    c = b.connection
    if c is None or not _crowded(index, b, most, everybody):
        return False
    others = (o for o in index.sessions if o.name != c.name and (everybody or o.shares_user(c)))
    return any(o.asked < b.until and o.login.sure_from > c.asked for o in others)


def _made_room(index: HistoryIndex, b: Breach, most: int | None, everybody: bool) -> bool:
    """Whether a connection may have been closed for a newcomer; or was one itself, and refused at second thought.

    Who came when all others had been let in is the newest: nobody's newcomer closes it.
    """
    c = b.connection
    if index.policy.may_close_older and _overtaken(index, b, most, everybody):
        return True
    if most is None or c is None or not index.policy.may_refuse_newcomers:
        return False
    return others_there(index, c, c.asked, c.asked, everybody) >= most


@declared(connections=1, at_limit="wait")
def waited_for_a_place(index: HistoryIndex, b: Breach) -> bool:
    """As many as are served may have been there, and a newcomer waits until one of them leaves; not for longer."""
    act, policy = b.act, index.policy
    if act is None or policy.at_limit != "wait" or act.op.kind not in ("connect", "authenticate"):
        return False
    if act.ended < NEVER:
        ends = [row for o in index.sessions for row, _ in o.ends if row < act.ended]
        if not ends or usable(index.history, max(*ends, act.began), act.ended) > policy.holds_up:
            return False
    limits = (policy.connections, True), (policy.per_user, False)
    return any(_crowded(index, b, most, everybody, index.session(act)) for most, everybody in limits)


@declared(attempts=(3, 60.0))
def came_too_often(index: HistoryIndex, b: Breach) -> bool:
    """As many others may have asked to be let in within the time before it: one more is turned away, or closed soon.

    By whom is all one: servers tell clients apart by user, by token or by address, and here all have one address.
    """
    c = b.connection
    if index.policy.attempts is None or c is None or index.rest_after(c.asked) < b.until:
        return False
    most, seconds = index.policy.attempts
    since = index.history[c.asked].time - seconds
    asked = (i for i in index.invocations.values() if i.op.kind in ("connect", "authenticate") and i is not b.act)
    return sum(i.began < b.until and i.began != c.asked and i.began_at >= since for i in asked) >= most
