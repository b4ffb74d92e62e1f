"""Who may hear an event, and who must: two sets of connections, by their intervals.

May: a connection that may be logged in as one of its users, may be a member of its room, or is logged in as the user
who emitted it (echo); the emitting connection always (acknowledgement, error).  Must: a connection that is surely up as
such for as long as the emit may take effect, other than the emitting one; of an agent's run, and of what is declared
to be answered to its sender, the one that asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from .index import HistoryIndex
from .records import Connection, Event
from .spans import NEVER

__all__ = ("Stranger", "absent", "may_not_hear", "must_hear", "outsider", "surely_in")

Stranger = Literal["early", "late", "foreign", "room"]
"""Why a connection is in no audience: not logged in yet, or never; no more; another user's; no member."""


def may_not_hear(event: Event, c: Connection, row: int, *, at_once: bool = False) -> Stranger | None:
    """Why a connection is in no audience of an event at a row; None where it may be in one.

    Of one that has logged in again, what was said before that may still come, out of a queue; unless a login's end is
    to hold ``at_once``.
    """
    why = _stranger(event, c, row, row)
    before = c.before
    while why is not None and before is not None:
        if _stranger(event, before, row, row if at_once else event.by.began) is None:
            return None
        before = before.before
    return why


def _stranger(event: Event, c: Connection, row: int, since: int) -> Stranger | None:
    """The same of one login, which may have lasted until ``since`` or longer."""
    if c is event.emitter:
        return None
    login = c.login
    if row < login.may_from or c.failed < row or (c.identity is None and c.failed < NEVER):
        return "early"
    if login.may_until < since < login.doubtful and login.sure_from < NEVER:
        return "late"
    if c.identity is None:
        return None  # its bad token was accepted: said once, by `tokens`
    if c.identity == event.sender:
        return None
    if event.rooms:
        # Who was a member when it was said may be sent it later, out of a queue.
        member = any(c.may_be_member(room, event.by.began, row + 1) for room in event.rooms)
        return None if member or event.is_for(c.identity) else "room"
    return None if event.is_for(c.identity) else "foreign"


def must_hear(index: HistoryIndex, event: Event, since: int, until: int) -> Iterator[Connection]:
    """The connections an event is owed to, if it took effect between two rows."""
    if event.wherever and len(event.rooms) != 1:
        return
    asked = index.goes_back(event)
    for c in index.of_user(None if event.rooms else event.to):
        if (c is event.emitter) != asked or not index.surely_up(c, since, until):
            continue
        if event.is_for(c.identity) or any(c.must_be_member(room, since, until) for room in event.rooms):
            yield c


def outsider(event: Event) -> str | None:
    """Why whoever emitted an event was surely not logged in: "refused", "logged out"; None where it may have been."""
    emitter, began = event.emitter, event.by.began
    if emitter is None:
        return None
    login = emitter.login
    if emitter.failed < began or login.may_from > began:
        return "refused"
    return "logged out" if login.sure_from < login.may_until < began < login.doubtful else None


def surely_in(index: HistoryIndex, event: Event) -> bool:
    """The emitter was surely logged in: the application itself, or a client that left, if it did, only afterwards."""
    emitter, act = event.emitter, event.by
    if emitter is None:
        return True
    login = emitter.login
    # A server reads in order: where nobody confirms a login, it is done before what is said after it.
    since = login.may_from if emitter.unconfirmed else login.sure_from
    if not since < act.began < login.sure_until or index.missed_beat(emitter, act.ended):
        return False
    by_itself = ("disconnect", "abort", "garble", "truncate", "malform", "log_out", "authenticate")
    return all(how in by_itself for row, how in emitter.ends if row < act.ended)


def absent(index: HistoryIndex, event: Event) -> bool:
    """The event's user had no connection while it was emitted, for certain, and it is kept."""
    act = event.by
    return (
        index.policy.kept != "no"
        and event.to is not None
        and all(
            index.surely_absent(c, act.began, act.ended) for c in index.sessions if event.to in (c.user, c.identity)
        )
    )
