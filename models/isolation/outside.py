"""The same model for a live server, of which only what clients see is known.

Each check says what it needs to know besides, and is silent without it; what needs the server's inside is not judged at
all (`NEVER_JUDGED`).

A loss is proven in one of two ways.  *Certain*: something later of the same emitter, on the same way to the same
connection, has arrived, so that the one before it is lost or overtaken, and order is promised.  *Against the declared
time*: nothing came for as long as was declared to be enough, from a server that answered meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from ...fuzzer.core.history import FAULT, Farewell, Refusal, RowKind
from . import CHECKS as WORLD
from . import availability, limits, loss
from . import violations as v
from .audience import must_hear
from .index import HistoryIndex
from .outside_index import Need, OutsideIndex, way_of
from .records import Connection, Event
from .spans import NEVER
from .verdicts import Breach, Check, rows_of

__all__ = ("CHECKS", "NEVER_JUDGED", "Grade", "OutsideCheck", "Proven", "judge_from_outside")


class Grade(StrEnum):
    """How far a violation is proven."""

    CERTAIN = "certain"
    DECLARED = "against the declared time"


class Proven(NamedTuple):
    """A violation, how far it is proven, and by what."""

    violation: v.Violation
    grade: Grade
    proof: str


# -- no loss ------------------------------


def overtaken(index: HistoryIndex) -> Iterator[Breach]:
    """What one client said before something else arrives no later, wherever both are owed."""
    assert isinstance(index, OutsideIndex)
    if index.overtaken is None:
        index.overtaken = tuple(_overtaken(index))
    yield from index.overtaken


def _overtaken(index: OutsideIndex) -> Iterator[Breach]:
    for event in index.events.values():
        if event.emitter is None or event.by.finished not in (*loss.DONE, None):
            continue
        got = {d.connection.name for d in event.deliveries}
        asked = index.goes_back(event)
        later: list[Event] | None = None
        for c in index.of_user(None if event.rooms else event.to):
            if c.name in got or c.asked > event.by.began or c.last < event.by.began or (c is event.emitter) != asked:
                continue
            if later is None:
                later = list(_later(index, event))
                arrivals = _arrivals(later)
            row = arrivals.get(c.name, NEVER)
            if row != NEVER and _owed_between(index, event, c, row):
                violation = loss.what_is_lost(index, event, c, bool(got))
                evidence = rows_of(c.asked, event.by.began, row)
                yield Breach(replace(violation, evidence=evidence), event.by.began, row, event, event.by, c)


def _later(index: OutsideIndex, event: Event) -> Iterator[Event]:
    """What the same client said after it on the same way, or as a later step of the same run."""
    assert event.emitter is not None
    if event.step >= 0:
        yield from (
            e for e in index.spoken[event.emitter.name, way_of(event)] if e.by is event.by and e.step > event.step
        )
        return
    for other in index.spoken[event.emitter.name, way_of(event)]:
        if other.by.began > event.by.began and (not event.by.by_request or event.by.ended < other.by.began):
            yield other


def _arrivals(later: Iterable[Event]) -> dict[str, int]:
    """Connection -> the row at which the first of several events arrived there."""
    arrivals: dict[str, int] = {}
    for event in later:
        for d in event.deliveries:
            arrivals[d.connection.name] = min(d.received, arrivals.get(d.connection.name, NEVER))
    return arrivals


def _owed_between(index: OutsideIndex, event: Event, c: Connection, until: int) -> bool:
    """Whether an event was owed to a connection, which is not assumed of it but shown.

    Either the server has said that the login is done, and the rooms joined, or something that went the same way had
    arrived there before.
    """
    began = event.by.began
    if event.wherever and len(event.rooms) != 1:
        return False
    if c.identity is None or c.closed < until or c.login.sure_until < until or not index.reads(c, began, until):
        return False
    rows = index.heard[c.name][way_of(event)] if event.step < 0 else []
    shown = bool(rows) and rows[0] < began
    told = c.login.sure_from < began and not c.unconfirmed
    if event.is_for(c.identity):
        return shown or told
    spans = [span for room in event.rooms for span in c.rooms.get(room, ()) if span.sure_until > until]
    confirmed = index.wire is not None and (index.wire.confirms_joins or index.wire.chooses_rooms)
    joined = any(span.sure_from < began for span in spans if confirmed or span.may_from == c.asked)
    return (shown and any(span.may_from < began for span in spans)) or (told and joined)


def flooded(index: HistoryIndex, b: Breach) -> bool:
    """So much was under way to the connection that a server which keeps up with its clients may have had a limit."""
    assert isinstance(index, OutsideIndex)
    return b.connection is not None and index.crowded(b.connection, b.since, b.until)


def missing(index: HistoryIndex) -> Iterator[Breach]:
    """An event has arrived on every connection that must hear it once the declared time is over."""
    assert isinstance(index, OutsideIndex)
    already = {(b.event, b.connection.name) for b in overtaken(index) if b.connection is not None}
    for event in index.events.values():
        act = event.by
        rest = index.rest_after(act.ended)
        if act.finished not in loss.DONE or rest == NEVER:
            continue
        got = {d.connection.name for d in event.deliveries}
        for c in _owed_by(index, event, rest):
            index.owed += 1
            if c.name not in got and (event, c.name) not in already:
                violation = loss.what_is_lost(index, event, c, bool(got))
                yield Breach(violation, act.began, rest, event, act, c)


def _owed_by(index: OutsideIndex, event: Event, rest: int) -> Iterator[Connection]:
    """The connections that an event is owed to by a rest: their logins were done, or they had been heard to be."""
    certain = set()
    for c in must_hear(index, event, event.by.began, rest):
        certain.add(c.name)
        yield c
    asked = index.goes_back(event)
    for c in index.of_user(None if event.rooms else event.to):
        there = c.asked < event.by.began and c.last > rest and (c is event.emitter) == asked
        if there and c.name not in certain and _owed_between(index, event, c, rest):
            yield c


# -- availability ------------------------------


def failed(index: HistoryIndex) -> Iterator[Breach]:
    """A server does not end a client's connection for a fault of its own, which it says itself."""
    for c in index.connections.values():
        why = index.history[c.closed].detail if c.closed < c.gone else None
        if not isinstance(why, Farewell) or not why.failed or not c.genuine or c.identity in index.expired:
            continue
        if index.reads(c, c.closed, c.closed):
            leavers = [o.name for o in index.sessions if o.name != c.name and o.gone < c.closed]
            found = v.Dropped(
                f"the server ended {c.name} of {c.user} and said that it failed ({why})"
                + (f"; {leavers[-1]} had left before" if leavers else ""),
                f"closed with {FAULT}",
                rows_of(c.asked, c.closed),
            )
            yield Breach(found, c.asked, c.closed, connection=c)


def gave_up_waiting(index: HistoryIndex, b: Breach) -> bool:
    """It is how libraries end a connection whose heartbeat was not answered in time: under load, anybody's fault."""
    why = index.history[b.until].detail
    return isinstance(why, Farewell) and any(word in why.lower() for word in ("ping", "keepalive", "timeout"))


def away(index: HistoryIndex, b: Breach) -> bool:
    """The server did not answer for a while, or its clients were late: what was given up then says nothing."""
    return any(b.since <= row < b.until for row in index.marks.get(RowKind.BUSY, ()))


def hung_up(index: HistoryIndex) -> Iterator[Breach]:
    """A server that goes on does not break a connection off that it serves, without so much as a close frame."""
    assert isinstance(index, OutsideIndex)
    for c in index.connections.values():
        why = index.history[c.closed].detail if c.closed < c.gone else None
        if not isinstance(why, Farewell) or why.code is not None or not c.genuine or c.identity in index.expired:
            continue
        if c.login.must(c.closed, c.closed) or index.heard[c.name]:
            found = v.Dropped(
                f"the server broke off the connection {c.name} of {c.user}, which had done nothing wrong",
                "broken off",
                rows_of(c.asked, c.closed),
            )
            yield Breach(found, c.asked, c.closed, connection=c)


RESTART = 2.0
"""Seconds around a connection's end in which nobody could connect where the server had ended as a whole."""


def restarted(index: HistoryIndex, b: Breach) -> bool:
    """The server as a whole had ended, or ends all: somebody tried to connect at about that time, and could not."""
    at = index.history[b.until].time
    return any(
        act.op.kind == "connect"
        and act.finished is RowKind.CANCELLED
        and abs(act.ended_at - at) < RESTART
        and index.connections[act.op.connection or ""].gone > act.ended  # it had not left by itself
        for act in index.invocations.values()
    )


REFUSED = frozenset({401, 403, 404})
"""Answers by which a server says that it does not want somebody; others are about load, or about the request."""


def turned_away(index: HistoryIndex) -> Iterator[Breach]:
    """A user whom the server has let in before, with the same token, is let in."""
    assert isinstance(index, OutsideIndex)
    for b in availability.refused(index):
        c = b.connection
        if c is None or b.act is None or c.identity not in index.outside.known:
            continue
        why = index.history[c.closed].detail if c.closed <= b.act.ended else None
        if b.act.op.kind == "connect" and isinstance(why, Refusal) and why.status in REFUSED:
            yield b


GIVEN_UP = (availability.did_not_read, availability.session_over, availability.silent)

LIMITS = (limits.user_limit, limits.server_limit, limits.room_limit, limits.came_too_often)

# -- all of them ------------------------------


@dataclass(frozen=True)
class OutsideCheck:
    """A check, what it needs, and how far it proves."""

    check: Check
    needs: frozenset[Need] = frozenset()
    grade: Grade = Grade.CERTAIN
    proof: str = ""

    def proven(self, index: OutsideIndex) -> Iterator[Proven]:
        """The violations; none where something that is needed is not given."""
        if self.needs <= index.outside.given:
            within = index.outside.within
            proof = self.proof.format(within=f"{within:g}" if within is not None else "")
            yield from (Proven(violation, self.grade, proof) for violation in self.check.violations(index))


def _as_it_is(name: str) -> Check:
    """The world's own check of that name, which holds from outside as it stands."""
    return next(check for check in WORLD if check.breaches.__name__ == name)


SEEN = "seen on a connection it was not for"
CHECKS: tuple[OutsideCheck, ...] = (
    OutsideCheck(_as_it_is("heard_by_strangers"), proof=SEEN),
    OutsideCheck(_as_it_is("spoken_by_strangers"), proof="heard although its speaker had been refused"),
    OutsideCheck(_as_it_is("frames_addressed"), proof=SEEN),
    OutsideCheck(_as_it_is("mixed_up"), proof="seen in one frame"),
    OutsideCheck(_as_it_is("tokens"), proof="the server's own word"),
    OutsideCheck(_as_it_is("taken_for"), proof="the server's own word"),
    OutsideCheck(
        Check(overtaken, (*loss.EXCUSES, flooded)),
        frozenset({Need.ORDER}),
        proof="a later one of the same client has arrived",
    ),
    OutsideCheck(
        Check(missing, (*loss.EXCUSES, flooded)),
        frozenset({Need.TIME}),
        Grade.DECLARED,
        "not within {within} s, from a server that answered",
    ),
    OutsideCheck(_as_it_is("duplicates"), proof="one connection was sent it again"),
    OutsideCheck(_as_it_is("order"), frozenset({Need.ORDER}), proof="seen in the other order"),
    OutsideCheck(Check(failed, (gave_up_waiting, away)), proof="the server's own word"),
    OutsideCheck(
        Check(hung_up, (*GIVEN_UP, flooded, away, restarted)),
        frozenset({Need.NETWORK}),
        proof="the server went on without it",
    ),
    OutsideCheck(Check(turned_away, (*LIMITS, away)), proof="the server's own word"),
)

NEVER_JUDGED: tuple[str, ...] = tuple(
    check.breaches.__name__
    for check in WORLD
    if check.breaches.__name__ not in {one.check.breaches.__name__ for one in CHECKS}
)
"""The world's checks that need `Need.INSIDE` knowledge, or are replaced by one of another name from outside."""


def judge_from_outside(index: OutsideIndex) -> list[Proven]:
    """Every violation that a live server's history proves, in the order of the promises."""
    return [proven for check in CHECKS for proven in check.proven(index)]
