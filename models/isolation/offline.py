"""Offline delivery, where it is declared: what an absent user missed is received on the next connection, once."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.history import RowKind
from . import violations as v
from .audience import absent
from .duplicate import at_least_once
from .index import HistoryIndex
from .loss import (
    at_most_once,
    beyond_rate,
    cancelled,
    emitter_perhaps_out,
    missed_beat,
    perhaps_put_out,
    perhaps_unheard,
    refused_honestly,
)
from .records import Connection, Delivery, Event
from .spans import NEVER
from .verdicts import Breach, Check, declared, rows_of

__all__ = ("CHECKS",)

MOMENTS = frozenset({"cancel", "stall", "unstall"})
"""What is done in a moment: these operations never end."""

WIPES = frozenset({"clean_up", "sweep", "shut_down", "pause"})


def _at_the_users(event: Event) -> list[Delivery]:
    """Where it was sent to whom it is kept for; what answers its sender and quotes it reached nobody else."""
    return [d for d in event.deliveries if event.to in d.connection.names]


def kept(index: HistoryIndex) -> Iterator[Breach]:
    """Kept for an absent user, an event is received once the user has a connection again that is up and reads.

    The step from replay to subscription is no gap: an event emitted while its user's connection comes is either live or
    kept.  A connection that did not read for a while has had its replay by the rest after it reads again.
    """
    if index.policy.kept == "no":
        return
    for event in index.events.values():
        act = event.by
        if act.finished != RowKind.RETURNED or event.to is None:
            continue
        if any(d.received != NEVER for d in _at_the_users(event)):
            continue
        for c in sorted(index.of_user(event.to), key=lambda c: c.asked):
            up = c.login.sure_from
            rest = index.rest_after(max([act.ended, up, *(until for _, until, _ in c.stalls)]))
            if not c.login.must(up + 1, rest) or c.closed < rest or up < act.began:
                continue
            gap = "" if absent(index, event) else "between replay and subscription"
            found = v.OfflineLoss(
                f"{event.id}, emitted while {event.to} was absent, never arrived on the next connection {c.name}",
                gap,
                rows_of(act.began, act.ended, up),
            )
            yield Breach(found, act.began, rest, event, act, c)
            break


def lost_on_the_way(index: HistoryIndex, b: Breach) -> bool:
    """It was sent, to a client that left before it had read it: the server cannot know.

    Nor is it owed again where the send failed for that: whether it does, a moment after a client has gone, is luck.
    """
    return b.event is not None and (bool(_at_the_users(b.event)) or b.event.turned_away)


def live_and_slow(index: HistoryIndex, b: Breach) -> bool:
    """It was owed live, to a connection that did not read: it need not have been kept as well."""
    assert b.event is not None and b.connection is not None
    return not absent(index, b.event) and not index.reads(b.connection, b.since, b.until)


def perhaps_somebody_there(index: HistoryIndex, b: Breach) -> bool:
    """Another connection of the user may have been up meanwhile, and was owed it live or took the replay with it.

    It took nothing with it where the event, emitted while nobody was there, was not even sent to it (which is seen, and
    else `lost_on_the_way`), and it had left before this one came, or its login had been cancelled: a replay that is cut
    off is taken up again.
    """
    assert b.event is not None and b.connection is not None
    came = b.connection.asked
    unsent = index.sees_sends and absent(index, b.event)
    return any(
        c is not b.connection
        and not index.surely_absent(c, came if unsent else b.since, b.until)
        and not (unsent and _over(index, c, came))
        for c in index.sessions
        if b.event.to in (c.user, c.identity)
    )


def _over(index: HistoryIndex, c: Connection, row: int) -> bool:
    """Whether a client had gone by a row, and all that it had asked for was over, in whichever way."""
    asked = (i for i in index.invocations.values() if i.op.connection == c.name and i.op.kind not in MOMENTS)
    return c.gone < row and all(i.ended < row for i in asked)


def wiped(index: HistoryIndex, b: Breach) -> bool:
    """A clean-up, a sweep, a long pause or a shut-down may end what was kept."""
    return index.between(WIPES, b.since, b.until)


@declared(backlog=1)
def mailbox_full(index: HistoryIndex, b: Breach) -> bool:
    """As many other events as are kept may have been there for the user, and what was said to everybody with them."""
    most, event = index.policy.backlog, b.event
    if most is None or event is None:
        return False
    others = (o for o in index.events.values() if o is not event and o.to in (event.to, None) and o.by.began < b.until)
    return sum(1 for _ in others) >= most


@declared(kept_for=1.0)
def kept_too_long(index: HistoryIndex, b: Breach) -> bool:
    """The user had never been there, or had left so long before that what was kept may be gone."""
    longest, event, c = index.policy.kept_for, b.event, b.connection
    if longest is None or event is None or c is None:
        return False
    before = [o for o in index.of_user(event.to) if o is not c and o.login.sure_from < event.by.began]
    back = index.history[c.login.sure_from].time
    ends = [min(o.last, o.login.may_until) for o in before]  # who logs out has left as well
    left = [index.history[end].time if end < c.asked else back for end in ends]
    return not left or round(back - max(left), 3) >= longest


def kept_twice(index: HistoryIndex) -> Iterator[Breach]:
    """An event kept for an absent user arrives on one connection only, if so declared, while that one is there."""
    if index.policy.kept == "no":
        return
    for event in index.events.values():
        if len(event.deliveries) < 2:
            continue
        got = sorted((d for d in _at_the_users(event) if d.received != NEVER), key=lambda d: d.received)
        if (
            len({d.connection.name for d in got}) < 2
            or event.by.finished != RowKind.RETURNED
            or not absent(index, event)
        ):
            continue
        first, again = got[0], next(d for d in got if d.connection is not got[0].connection)
        if first.connection.login.sure_until > again.received:
            found = v.OfflineDuplicate(
                f"{event.id}, kept for {event.to}, arrived on {first.connection.name} and again on "
                f"{again.connection.name}",
                event.path,
                rows_of(event.by.began, first.received, again.received),
            )
            yield Breach(found, first.received, again.received, event, event.by, again.connection)


@declared(kept="each")
def kept_for_each(index: HistoryIndex, b: Breach) -> bool:
    """Kept events go to each connection."""
    return index.policy.kept == "each"


CHECKS = (
    Check(
        kept,
        (
            cancelled,
            missed_beat,
            emitter_perhaps_out,
            perhaps_unheard,
            lost_on_the_way,
            live_and_slow,
            perhaps_somebody_there,
            perhaps_put_out,
            wiped,
            refused_honestly,
            beyond_rate,
            mailbox_full,
            kept_too_long,
            at_most_once,
        ),
    ),
    Check(kept_twice, (kept_for_each, at_least_once)),
)
